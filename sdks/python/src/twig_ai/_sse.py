"""Server-sent events (WHATWG HTML §9.2), and an answer put together from as many connections as it takes.

Invariant of `AnswerState`: whatever is cut, repeated or sent again whole, each sequence number is given once, in order, and the deltas joined are the response.
"""

from __future__ import annotations

import codecs
import json
from typing import Any, Dict, List, Optional

from ._core import error_of
from .types import ChatResponse, StreamEvent

MAX_EVENT_CHARS = 64 << 20


class SSEDecoder:
    """Cuts bytes, however they are chunked, into the JSON objects of whole events."""

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._buffer = ""
        self._data: List[str] = []

    def feed(self, chunk: bytes) -> List[Dict[str, Any]]:
        self._buffer += self._decode(chunk)
        if len(self._buffer) > MAX_EVENT_CHARS:
            raise ValueError("an event has no end")
        events: List[Dict[str, Any]] = []
        # A CR at the end may be half of a CRLF: it waits for what follows.
        held = "\r" if self._buffer.endswith("\r") else ""
        text = self._buffer[: len(self._buffer) - len(held)].replace("\r\n", "\n").replace("\r", "\n")
        *lines, rest = text.split("\n")
        self._buffer = rest + held
        for line in lines:
            if line.startswith("data:"):
                self._data.append(line[6:] if line.startswith("data: ") else line[5:])
            elif line == "" and self._data:
                events.append(json.loads("\n".join(self._data)))
                self._data = []
        return events


class AnswerState:
    """What of an answer has been given out."""

    def __init__(self) -> None:
        self.interaction_id: Optional[str] = None
        self.session_id: Optional[str] = None
        self.text = ""
        self.completed: Optional[ChatResponse] = None
        self.last = -1
        self._next_in_connection = -1
        self._whole_again = False
        self._again = 0

    def connected(self) -> None:
        """A new connection starts; it may go on from `last` or send the recorded answer whole."""
        self._next_in_connection = -1
        self._whole_again = False
        self._again = 0

    @property
    def last_event_id(self) -> Optional[str]:
        return f"{self.interaction_id}:{self.last}" if self.interaction_id and self.last >= 0 else None

    def accept(self, event: Dict[str, Any]) -> Optional[StreamEvent]:
        """The event to give out, if there is something new in it. Raises the error that ends an answer."""
        number = int(event["sequenceNumber"])
        if self._next_in_connection < 0 and number == 0 and self.last >= 0:
            self._whole_again = True
        elif self._next_in_connection >= 0 and number > self._next_in_connection:
            raise ConnectionError("an event is missing")
        self._next_in_connection = number + 1
        if self._whole_again:
            return self._give(self._new_of(event))
        if number <= self.last:
            return None
        if number > self.last + 1:
            raise ConnectionError("an event is missing")
        return self._give(event)

    def _new_of(self, event: Dict[str, Any]) -> Optional[Dict[str, Any]]:
        """What an answer that is sent whole again adds. Its deltas may be cut elsewhere than the first time, so text counts, not numbers."""
        kind = event["type"]
        if kind == "message.delta":
            start, self._again = self._again, self._again + len(event["text"])
            text = event["text"][max(0, len(self.text) - start) :]
            return {**event, "text": text, "sequenceNumber": self.last + 1} if text else None
        if (kind == "message.created" and self.last >= 0) or (kind == "message.sources" and self.last >= 1):
            return None
        return {**event, "sequenceNumber": self.last + 1}

    def _give(self, event: Optional[Dict[str, Any]]) -> Optional[StreamEvent]:
        if event is None:
            return None
        self.last = event["sequenceNumber"]
        kind = event["type"]
        if kind == "message.created":
            self.interaction_id, self.session_id = event["id"], event["sessionId"]
        elif kind == "message.delta":
            self.text += event["text"]
        elif kind == "message.completed":
            self.completed = {name: value for name, value in event.items() if name not in ("type", "sequenceNumber")}  # type: ignore[assignment]
        elif kind == "error":
            raise error_of(event)
        return event  # type: ignore[return-value]
