# Made by make_sync.py of the file of the same name in _async: change it there.
"""Questions to agents: whole answers, and streams that go on by themselves after a cut.

Invariant: one call makes one interaction. Where an answer was lost on its way, it is looked for and never asked for a second time.
"""

from __future__ import annotations

import time
from typing import Any, Generator, Iterator, Dict, List, Mapping, Optional, Sequence, cast

import httpx
from typing_extensions import Literal, Unpack

from .. import _core
from .._core import Attempts, Call, connection_error
from .._sse import AnswerState, SSEDecoder
from ..errors import APIConnectionError, ConflictError, NotFoundError
from ..types import ChatFields, ChatResponse, SearchResults, Session, StreamEvent
from .transport import Resource, Transport


class Chat(Resource):
    def create(self, *, idempotency_key: Optional[str] = None, **fields: Unpack[ChatFields]) -> ChatResponse:
        """Asks an agent and waits for the whole answer. Give `session_id` to go on with a conversation."""
        body = _question(fields)
        attempts = Attempts(self._transport.settings)
        try:
            response = self._transport.send(_core.post("/api/chat", body, idempotency_key=idempotency_key), attempts=attempts)
            return cast(ChatResponse, response.json()["data"])
        except ConflictError as conflict:
            id = find_lost(self._transport, body, conflict)
        return ChatStream(self._transport, body, _resume(id)).final()

    def stream(self, *, idempotency_key: Optional[str] = None, **fields: Unpack[ChatFields]) -> "ChatStream":
        """Asks an agent; iterate over the events. An error of the model ends the iteration as an exception."""
        body = _question(fields)
        call = _core.post("/api/chat", {**body, "stream": True}, idempotency_key=idempotency_key)
        return ChatStream(self._transport, body, call)

    def resume(self, interaction_id: str) -> "ChatStream":
        """The events of an answer that another call, or another process, began."""
        return ChatStream(self._transport, {}, _resume(interaction_id))


class ChatStream:
    """The events of one answer, each once and in order, over as many connections as it takes.

    `text` grows with the deltas. Leave early by `close()` or `with`: the server finishes and records the answer all the same.
    """

    def __init__(self, transport: Transport, question: Mapping[str, Any], call: Call) -> None:
        self._transport = transport
        self._question = question
        self._call = call
        self._state = AnswerState()
        self._events = self._run()

    @property
    def interaction_id(self) -> Optional[str]:
        return self._state.interaction_id

    @property
    def session_id(self) -> Optional[str]:
        return self._state.session_id

    @property
    def text(self) -> str:
        return self._state.text

    def final(self) -> ChatResponse:
        """The whole answer, after whatever events are left."""
        for _ in self:
            pass
        if self._state.completed is None:
            raise APIConnectionError("The stream was left before the answer's end")
        return self._state.completed

    def __iter__(self) -> Iterator[StreamEvent]:
        return self._events

    def __enter__(self) -> "ChatStream":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._events.close()

    def _run(self) -> Generator[StreamEvent, None, None]:
        state, attempts = self._state, Attempts(self._transport.settings)
        while state.completed is None:
            state.connected()
            try:
                response = self._transport.send(self._next_call(), stream=True, attempts=attempts)
            except ConflictError as conflict:
                self._call = _resume(find_lost(self._transport, self._question, conflict))
                continue
            if not response.headers.get("content-type", "").startswith("text/event-stream"):
                # An answer that was kept under the Idempotency-Key: its events are had from the interaction.
                response.read()
                self._call = _resume(response.json()["data"]["id"])
                continue
            cut: Exception = ConnectionError("the stream ended before the answer")
            decoder = SSEDecoder()
            try:
                for chunk in response.iter_bytes():
                    for message in decoder.feed(chunk):
                        event = state.accept(message)
                        if event is not None:
                            attempts.progressed()
                            yield event
            except (httpx.RequestError, ConnectionError, ValueError) as cause:
                cut = cause
            finally:
                response.close()
            if state.completed is None:
                failure = connection_error(cut)
                delay = attempts.delay_after(failure)
                if delay is None:
                    raise failure from cut
                time.sleep(delay)
                if state.interaction_id is None and self._question:
                    # The stream had begun, so the question is recorded: it is looked for before it is sent again.
                    id = find_turn(self._transport, self._question)
                    self._call = self._call if id is None else _resume(id)

    def _next_call(self) -> Call:
        if self._state.interaction_id is None:
            return self._call
        return _resume(self._state.interaction_id, self._state.last_event_id)


class Sessions(Resource):
    def get(self, id: str) -> Session:
        """A conversation, its oldest turn first."""
        return cast(Session, self._transport.data(_core.get(_core.path("sessions", id))))


def semantic_search(
    transport: Transport,
    query: str,
    agent_id: Optional[str],
    data_spec_ids: Optional[Sequence[str]],
    top_k: Optional[int],
    min_score: Optional[float],
    mode: Optional[Literal["hybrid", "vector", "keyword"]],
    filters: Optional[Mapping[str, List[str]]],
) -> SearchResults:
    fields: Dict[str, Any] = {"query": query, "agent_id": agent_id, "data_spec_ids": data_spec_ids, "top_k": top_k, "min_score": min_score}
    body = _core.given({**fields, "mode": mode, "filters": filters})
    return cast(SearchResults, transport.data(_core.post("/api/semantic-search", body)))


def _question(fields: Mapping[str, Any]) -> Dict[str, Any]:
    """The body of a question. It names its session even where the caller does not, so that a lost answer can be found in it."""
    body = _core.given(fields)
    return {"sessionId": _core.new_session_id(), **body}


def _resume(interaction_id: str, last_event_id: Optional[str] = None) -> Call:
    call = _core.get(_core.path("interactions", interaction_id, "stream"))
    call.headers["Accept"] = "text/event-stream"
    if last_event_id is not None:
        call.headers["Last-Event-ID"] = last_event_id
    return call


def find_turn(transport: Transport, question: Mapping[str, Any]) -> Optional[str]:
    """The interaction that an earlier attempt of this question began: the newest turn of its session that asks it."""
    try:
        session = cast(Session, transport.data(_core.get(_core.path("sessions", question["sessionId"]))))
    except NotFoundError:
        return None
    turns = [turn["id"] for turn in session["turns"] if turn["prompt"] == question["prompt"] and turn["agentId"] == question["agentId"]]
    return turns[-1] if turns else None


def find_lost(transport: Transport, question: Mapping[str, Any], conflict: ConflictError) -> str:
    """The interaction whose answer never arrived, when a retry is refused because it was carried out.

    A first attempt's conflict is the caller's own (an agent that is not active), and so is one that no turn explains.
    """
    id = find_turn(transport, question) if conflict.attempts > 1 and question else None
    if id is None:
        raise conflict
    return id
