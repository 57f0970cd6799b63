"""The official `openai` package: whole and streamed conversations, models, and errors as its own classes."""

from __future__ import annotations

import asyncio
from typing import Any, Iterator, List

import openai
import pytest

from server import Server

QUESTION = {"role": "user", "content": "When are refunds paid?"}


@pytest.fixture
def client(server: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key=server.key, base_url=f"{server.url}/v1", max_retries=0) as client:
        yield client


def has_sources(value: Any) -> bool:
    if isinstance(value, dict):
        sources = value.get("sources")
        return bool(sources and sources[0]["documentTitle"]) or any(map(has_sources, value.values()))
    return isinstance(value, list) and any(map(has_sources, value))


def test_models_are_agents(client: openai.OpenAI, agent_id: str) -> None:
    models = client.models.list()
    assert models.object == "list"
    model = next(one for one in models if one.id == agent_id)
    assert (model.object, type(model.created), type(model.owned_by)) == ("model", int, str)


def test_a_question_is_answered_whole(client: openai.OpenAI, agent_id: str) -> None:
    answer = client.chat.completions.create(model=agent_id, messages=[QUESTION])
    choice = answer.choices[0]
    assert answer.object == "chat.completion" and answer.model == agent_id and isinstance(answer.created, int)
    assert (choice.index, choice.message.role, choice.finish_reason) == (0, "assistant", "stop")
    assert "30 days" in (choice.message.content or "")
    assert answer.usage and answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0
    assert has_sources(answer.model_dump())


def test_a_streamed_conversation_has_several_turns(client: openai.OpenAI, agent_id: str) -> None:
    messages: List[Any] = [{"role": "system", "content": "Answer briefly."}, QUESTION]
    texts = []
    for question in ("And what of gifts?", None):
        chunks = list(client.chat.completions.create(model=agent_id, messages=messages, stream=True))
        assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
        assert len({chunk.id for chunk in chunks}) == len({chunk.created for chunk in chunks}) == 1
        assert chunks[0].choices[0].delta.role == "assistant"
        choices = [choice for chunk in chunks for choice in chunk.choices]
        assert [choice.finish_reason for choice in choices if choice.finish_reason] == ["stop"]
        assert all(chunk.usage is None for chunk in chunks)
        assert has_sources([chunk.model_dump() for chunk in chunks])
        texts.append("".join(choice.delta.content or "" for choice in choices))
        messages += [{"role": "assistant", "content": texts[-1]}, {"role": "user", "content": question}]
    assert "30 days" in texts[0] and "60 days" in texts[1]


def test_usage_is_streamed_when_it_is_asked_for(client: openai.OpenAI, agent_id: str) -> None:
    stream = client.chat.completions.create(model=agent_id, messages=[QUESTION], stream=True, stream_options={"include_usage": True})
    *_, last = list(stream)
    assert last.choices == [] and last.usage and last.usage.total_tokens > 0


def test_the_raw_stream_ends_with_done(client: openai.OpenAI, agent_id: str) -> None:
    response = client.chat.completions.with_raw_response.create(model=agent_id, messages=[QUESTION], stream=True)
    assert response.headers["content-type"].startswith("text/event-stream")
    lines = [line for line in response.http_response.iter_lines() if line and not line.startswith(":")]
    assert all(line.startswith("data: ") for line in lines) and lines[-1] == "data: [DONE]"


def test_the_stream_helper_puts_the_answer_together(client: openai.OpenAI, agent_id: str) -> None:
    with client.chat.completions.stream(model=agent_id, messages=[QUESTION]) as stream:
        assert "30 days" in (stream.get_final_completion().choices[0].message.content or "")


def test_unknown_parameters_and_parts_of_content_are_taken(client: openai.OpenAI, agent_id: str) -> None:
    parts = {"role": "user", "content": [{"type": "text", "text": QUESTION["content"]}]}
    answer = client.chat.completions.create(
        model=agent_id, messages=[parts], user="u1", seed=1, presence_penalty=0.1, logit_bias={}, max_tokens=200, temperature=0, extra_body={"frobnicate": 1}
    )
    assert "30 days" in (answer.choices[0].message.content or "")


def test_the_asynchronous_client_streams_too(server: Server, agent_id: str) -> None:
    async def ask() -> str:
        async with openai.AsyncOpenAI(api_key=server.key, base_url=f"{server.url}/v1") as client:
            stream = await client.chat.completions.create(model=agent_id, messages=[QUESTION], stream=True)
            return "".join([choice.delta.content or "" async for chunk in stream for choice in chunk.choices])

    assert "30 days" in asyncio.run(ask())


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    "error, status, changed",
    [
        (openai.NotFoundError, 404, {"model": "agent_00000000000000000000000000"}),
        (openai.NotFoundError, 404, {"model": "gpt-4o"}),
        (openai.BadRequestError, 400, {"messages": []}),
        (openai.BadRequestError, 400, {"messages": [{"role": "nobody", "content": "x"}]}),
        (openai.BadRequestError, 400, {"temperature": 9}),
    ],
)
def test_errors_have_openais_shape(client: openai.OpenAI, agent_id: str, error: Any, status: int, changed: Any, streamed: bool) -> None:
    with pytest.raises(error) as raised:
        client.chat.completions.create(**{"model": agent_id, "messages": [QUESTION], "stream": streamed, **changed})
    assert raised.value.status_code == status
    # The package unwraps `{"error": …}`; where it does not, the shape was another.
    assert set(raised.value.body) >= {"message", "type", "param", "code"}
    assert raised.value.body["type"] == "invalid_request_error" and raised.value.request_id


def test_a_wrong_key_is_an_authentication_error(server: Server, agent_id: str) -> None:
    stranger = openai.OpenAI(api_key="sk-wrong", base_url=f"{server.url}/v1", max_retries=0)
    for call in (stranger.models.list, lambda: stranger.chat.completions.create(model=agent_id, messages=[QUESTION])):
        with pytest.raises(openai.AuthenticationError) as raised:
            call()
        assert set(raised.value.body) >= {"message", "type", "param", "code"}
