"""Answers of a language model, word by word: streams cut at each of their events, and models that fail."""

from __future__ import annotations

import threading
import uuid
from typing import Any

import pytest

import twig_ai
from model import WORDS
from proxy import Fault, Proxy
from server import Server

QUESTION = "When are refunds paid?"
ANSWER = "".join(WORDS)
#: message.created, message.sources, a delta a word, message.completed.
EVENTS = len(WORDS) + 3


@pytest.fixture
def words(server: Server, agent_id: str) -> str:
    return server.words_agent_id


@pytest.fixture
def user(twig: Any) -> Any:
    """Asks by a user of the test's own; at its end, that user has asked exactly once."""
    name = str(uuid.uuid4())
    yield name
    assert len(list(twig.interactions.list(user_id=name))) == 1


@pytest.mark.parametrize("cut", range(EVENTS))
def test_a_stream_cut_after_each_of_its_events_is_whole(shaky: Any, proxy: Proxy, words: str, user: str, cut: int) -> None:
    proxy.faults = [Fault(on="POST", cut_after_events=cut)]
    stream = shaky.chat.stream(prompt=QUESTION, agent_id=words, user_id=user)
    events = list(stream)
    assert [event["sequenceNumber"] for event in events] == list(range(len(events)))
    assert stream.text == events[-1]["response"] == ANSWER


def test_a_stream_cut_while_the_model_still_speaks_is_taken_up(shaky: Any, server: Server, proxy: Proxy, words: str, user: str) -> None:
    proxy.faults = [Fault(on="POST", cut_after_events=3), Fault(on="GET", cut_after_events=1)]
    server.model.held = threading.Event()
    stream = shaky.chat.stream(prompt=QUESTION, agent_id=words, user_id=user)
    events = []
    for event in stream:
        events.append(event)
        if len(events) == 4:
            server.model.held.set()
    server.model.held = None
    assert [event["sequenceNumber"] for event in events] == list(range(len(events)))
    assert stream.text == ANSWER


@pytest.mark.parametrize("streamed", [False, True])
def test_a_slow_answer_is_waited_for_by_the_retry_and_not_asked_for_again(make: Any, server: Server, words: str, user: str, streamed: bool) -> None:
    server.model.held = held = threading.Event()
    threading.Timer(1.5, held.set).start()
    asked = server.model.asked
    twig = make(timeout=0.5, max_retries=8, backoff=0.4)
    fields = {"prompt": QUESTION, "agent_id": words, "user_id": user}
    answer = twig.chat.stream(**fields).final() if streamed else twig.chat.create(**fields)
    server.model.held = None
    assert answer["response"] == ANSWER
    assert server.model.asked == asked + 1


@pytest.mark.parametrize("streamed", [False, True])
def test_a_model_that_fails_is_an_upstream_error_that_names_its_request(make: Any, server: Server, words: str, streamed: bool) -> None:
    server.model.failures = [500] * 50
    try:
        twig = make(max_retries=1)
        with pytest.raises(twig_ai.UpstreamError) as failed:
            if streamed:
                twig.chat.stream(prompt=QUESTION, agent_id=words).final()
            else:
                twig.chat.create(prompt=QUESTION, agent_id=words)
        assert failed.value.request_id
    finally:
        server.model.failures = []
