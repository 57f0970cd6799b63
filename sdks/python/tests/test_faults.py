"""What goes wrong on the way: the client recovers, and no question is ever asked twice."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from typing import Any, List

import pytest

import twig_ai
from proxy import Fault, Proxy
from server import Server

QUESTION = "When are refunds paid?"
LIMITED = b'{"error": {"code": "rate_limit_exceeded", "message": "slow down", "details": null, "requestId": "r1", "retryAfter": 1}, "status": "error"}'


@pytest.fixture
def user(twig: Any) -> Any:
    """Asks by a user of the test's own; at its end, that user has asked exactly once."""
    name = str(uuid.uuid4())
    yield name
    assert len(list(twig.interactions.list(user_id=name))) == 1


def keys(proxy: Proxy) -> List[str]:
    return [one.headers["idempotency-key"] for one in proxy.requests("POST")]


def test_a_limit_is_waited_for(shaky: Any, proxy: Proxy, agent_id: str, user: str) -> None:
    proxy.faults = [Fault(answer=429, headers={"Retry-After": "1"}, body=LIMITED)]
    started = time.monotonic()
    shaky.chat.create(prompt=QUESTION, agent_id=agent_id, user_id=user)
    assert time.monotonic() - started >= 1
    assert len(keys(proxy)) == 2 and len(set(keys(proxy))) == 1


def test_a_limit_that_stays_is_an_error_that_says_when_to_come_back(make: Any, proxy: Proxy) -> None:
    proxy.faults = [Fault(answer=429, headers={"Retry-After": "3600"}, body=LIMITED)]
    with pytest.raises(twig_ai.RateLimitError) as limited:
        make(proxy.url).agents.list().page()
    assert (limited.value.retry_after, limited.value.request_id, len(proxy.seen)) == (3600, "r1", 1)


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
def test_a_failing_server_is_tried_again(shaky: Any, proxy: Proxy, status: int, agent_id: str, user: str) -> None:
    proxy.faults = [Fault(answer=status), Fault(answer=status, body=b"<html>")]
    shaky.chat.create(prompt=QUESTION, agent_id=agent_id, user_id=user)
    assert len(keys(proxy)) == 3 and len(set(keys(proxy))) == 1


def test_a_server_that_goes_on_failing_is_given_up(make: Any, proxy: Proxy) -> None:
    proxy.faults = [Fault(answer=500) for _ in range(5)]
    with pytest.raises(twig_ai.InternalServerError) as failed:
        make(proxy.url, max_retries=2).agents.list().page()
    assert failed.value.attempts == len(proxy.seen) == 3


def test_nothing_else_is_tried_again(shaky: Any, proxy: Proxy) -> None:
    proxy.faults = [Fault(answer=422), Fault(answer=409)]
    with pytest.raises(twig_ai.IdempotencyMismatchError):
        shaky.agents.create(name="x")
    with pytest.raises(twig_ai.ConflictError):
        shaky.agents.create(name="x")
    assert len(proxy.seen) == 2


def test_a_conflict_with_itself_is_waited_for(shaky: Any, proxy: Proxy, agent_id: str, user: str) -> None:
    proxy.faults = [Fault(answer=409, headers={"Retry-After": "0"}) for _ in range(5)]
    shaky.chat.create(prompt=QUESTION, agent_id=agent_id, user_id=user)
    assert len(set(keys(proxy))) == 1


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("fault", [{"lose": True}, {"forward": True, "answer": 500}, {"cut_after_bytes": 40}])
def test_an_answer_lost_on_its_way_is_found_again(shaky: Any, proxy: Proxy, agent_id: str, user: str, fault: Any, streamed: bool) -> None:
    proxy.faults = [Fault(on="POST /api/chat", **fault)]
    fields = {"prompt": QUESTION, "agent_id": agent_id, "user_id": user}
    answer = shaky.chat.stream(**fields).final() if streamed else shaky.chat.create(**fields)
    assert "30 days" in answer["response"]


def test_a_lost_answer_to_a_change_is_had_again(shaky: Any, proxy: Proxy) -> None:
    name = str(uuid.uuid4())
    proxy.faults = [Fault(on="POST", lose=True)]
    agent = shaky.agents.create(name=name)
    assert [one["id"] for one in shaky.agents.list() if one["name"] == name] == [agent["id"]]
    proxy.faults = [Fault(on="PUT", lose=True)]
    assert shaky.agents.update(agent["id"], name=name + "2")["version"] == 2


def test_a_lost_upload_is_made_once(shaky: Any, proxy: Proxy, tmp_path: Any) -> None:
    spec = shaky.data_specs.create(name="files", type="file")
    (tmp_path / "a.txt").write_text("once")
    proxy.faults = [Fault(on="POST", lose=True), Fault(on="POST", answer=503)]
    [document] = shaky.data_specs.upload_files(spec["id"], [tmp_path / "a.txt"])
    assert [one["id"] for one in shaky.data_specs.documents(spec["id"])] in ([], [document["id"]])


def test_a_stream_cut_at_every_event_is_whole(make: Any, twig: Any, proxy: Proxy, agent_id: str, user: str) -> None:
    proxy.faults = [Fault(cut_after_events=count) for count in (1, 1, 1, 1, 1, 1)]
    stream = make(proxy.url, max_retries=2).chat.stream(prompt=QUESTION, agent_id=agent_id, user_id=user)
    events = list(stream)
    assert [event["sequenceNumber"] for event in events] == list(range(len(events)))
    assert stream.text == events[-1]["response"]
    assert len(proxy.requests("GET /api/interactions/")) == len(events) - 1
    assert proxy.seen[-1].headers["last-event-id"] == f"{stream.interaction_id}:{len(events) - 2}"


@pytest.mark.parametrize("count", range(5))
def test_a_stream_cut_after_some_events_is_whole(shaky: Any, proxy: Proxy, agent_id: str, user: str, count: int) -> None:
    proxy.faults = [Fault(on="POST", cut_after_events=count)]
    events = list(shaky.chat.stream(prompt=QUESTION, agent_id=agent_id, user_id=user))
    assert [event["sequenceNumber"] for event in events] == list(range(len(events)))
    assert "".join(event.get("text", "") for event in events) == events[-1]["response"]


def test_a_stream_cut_within_an_event_is_whole(shaky: Any, proxy: Proxy, agent_id: str, user: str) -> None:
    proxy.faults = [Fault(on="POST", cut_after_bytes=cut) for cut in (300,)] + [Fault(on="GET", cut_after_bytes=cut) for cut in (10, 120)]
    events = list(shaky.chat.stream(prompt=QUESTION, agent_id=agent_id, user_id=user))
    assert [event["sequenceNumber"] for event in events] == list(range(len(events)))


def test_a_stream_that_never_gets_on_is_given_up(make: Any, proxy: Proxy, agent_id: str, user: str) -> None:
    proxy.faults = [Fault(cut_after_events=1)] + [Fault(on="GET", cut_after_events=0) for _ in range(9)]
    with pytest.raises(twig_ai.APIConnectionError):
        make(proxy.url, max_retries=2).chat.stream(prompt=QUESTION, agent_id=agent_id, user_id=user).final()
    assert len(proxy.requests("GET /api/interactions/")) == 2


def test_a_stream_that_is_left_is_recorded_all_the_same(shaky: Any, twig: Any, agent_id: str, user: str) -> None:
    with shaky.chat.stream(prompt=QUESTION, agent_id=agent_id, user_id=user) as stream:
        assert next(iter(stream))["type"] == "message.created"
    assert twig.chat.resume(stream.interaction_id).final()["answered"]


def test_a_silent_server_times_out_and_is_tried_again(make: Any, proxy: Proxy, agent_id: str, user: str) -> None:
    release = threading.Event()
    proxy.faults = [Fault(slow=release)]
    make(proxy.url, timeout=0.5).chat.create(prompt=QUESTION, agent_id=agent_id, user_id=user)
    release.set()
    proxy.faults = [Fault(slow=release)]
    release.clear()
    with pytest.raises(twig_ai.APITimeoutError):
        make(proxy.url, timeout=0.2, max_retries=0).agents.list().page()
    release.set()


def test_an_export_that_is_cut_is_an_error(shaky: Any, proxy: Proxy, twig: Any, agent_id: str) -> None:
    twig.chat.create(prompt=QUESTION, agent_id=agent_id)
    proxy.faults = [Fault(cut_after_bytes=30)]
    with pytest.raises(twig_ai.APIConnectionError):
        list(shaky.interactions.export())


def test_a_cancelled_call_ends_at_once_and_the_client_goes_on(server: Server, proxy: Proxy, agent_id: str) -> None:
    release = threading.Event()
    proxy.faults = [Fault(slow=release)]

    async def cancel() -> None:
        async with twig_ai.AsyncTwig(server.key, base_url=proxy.url) as twig:
            task = asyncio.ensure_future(twig.chat.create(prompt=QUESTION, agent_id=agent_id))
            while not proxy.seen:
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (await twig.chat.create(prompt=QUESTION, agent_id=agent_id))["answered"]

    asyncio.run(cancel())
    release.set()
