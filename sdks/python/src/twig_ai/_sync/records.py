# Made by make_sync.py of the file of the same name in _async: change it there.
"""What was asked and answered: interactions, feedback on them, figures, replays and erasures."""

from __future__ import annotations

import time
from typing import Any, Iterator, Mapping, Optional, cast

from typing_extensions import Literal, Unpack

from .. import _core
from .._core import path
from ..errors import WaitTimeoutError
from ..types import Dashboard, Erasure, Interaction, InteractionFilters, Job, Rating, Replay, ReviewStatus, Time
from .transport import Pages, Resource, Transport

FIRST_POLL_S = 0.1
MAX_POLL_S = 2.0


class Interactions(Resource):
    def list(self, *, limit: Optional[int] = None, offset: Optional[int] = None, **filters: Unpack[InteractionFilters]) -> Pages[Interaction]:
        """All that match, newest first, fetched as they are iterated over."""
        return Pages(self._transport, _core.get("/api/interactions", limit=limit, offset=offset, **filters))

    def get(
        self, id: str, *, include: Optional[Literal["provenance", "history", "provenance,history"]] = None, as_of: Optional[Time] = None
    ) -> Interaction:
        """`include="provenance"` explains the answer; `include="history"` gives every feedback on it."""
        return cast(Interaction, self._transport.data(_core.get(path("interactions", id), include=include, as_of=as_of)))

    def export(self, **filters: Unpack[InteractionFilters]) -> Iterator[Interaction]:
        """All that match in one stream; a cut raises, so that a part is never taken for the whole."""
        return self._transport.ndjson(_core.get("/api/interactions", **filters))

    def export_csv(self, **filters: Unpack[InteractionFilters]) -> Iterator[bytes]:
        """The same as the bytes of a CSV file."""
        call = _core.get("/api/interactions", **filters)
        call.headers["Accept"] = "text/csv"
        return self._transport.chunks(call)


class Feedback(Resource):
    def create(
        self,
        interaction_id: str,
        rating: Rating,
        *,
        comment: Optional[str] = None,
        review_status: Optional[ReviewStatus] = None,
        corrected_response: Optional[str] = None,
        idempotency_key: Optional[str] = None,
    ) -> Interaction:
        """A second feedback replaces the first."""
        body = _core.given(
            {
                "interaction_id": interaction_id,
                "rating": rating,
                "comment": comment,
                "review_status": review_status,
                "corrected_response": corrected_response,
            }
        )
        call = _core.post("/api/interactions/feedback", body, idempotency_key=idempotency_key)
        return cast(Interaction, self._transport.data(call))


class Analytics(Resource):
    def dashboard(
        self,
        *,
        start_date: Optional[Time] = None,
        end_date: Optional[Time] = None,
        agent_id: Optional[str] = None,
        granularity: Optional[Literal["hour", "day", "week", "month"]] = None,
        timezone: Optional[str] = None,
    ) -> Dashboard:
        """Figures of a range, by default the last 30 days; `timezone` is an IANA name."""
        call = _core.get(
            "/api/analytics/charts/dashboard",
            start_date=start_date,
            end_date=end_date,
            agent_id=agent_id,
            granularity=granularity,
            timezone=timezone,
        )
        return cast(Dashboard, self._transport.data(call))


class Replays(Resource):
    def create(
        self,
        *,
        filter: Mapping[str, Any],
        agent_version: Optional[int] = None,
        patch: Optional[Mapping[str, Any]] = None,
        corpus: Optional[Literal["current", "asOf"]] = None,
        limit: Optional[int] = None,
        idempotency_key: Optional[str] = None,
    ) -> Replay:
        """Asks past questions again on another version of their agent; `filter` and `patch` have the API's own names."""
        fields = {"filter": filter, "agent_version": agent_version, "patch": patch, "corpus": corpus, "limit": limit}
        call = _core.post("/api/interactions/replay", _core.given(fields), idempotency_key=idempotency_key)
        return cast(Replay, self._transport.data(call))

    def get(self, id: str) -> Replay:
        return cast(Replay, self._transport.data(_core.get(path("interactions", "replays", id))))

    def wait(self, id: str, *, timeout: float = 600.0) -> Replay:
        return cast(Replay, wait_for_job(self._transport, path("interactions", "replays", id), timeout))


class Erasures(Resource):
    def create(
        self,
        *,
        user_id: Optional[str] = None,
        session_id: Optional[str] = None,
        interaction_id: Optional[str] = None,
        idempotency_key: Optional[str] = None,
    ) -> Erasure:
        """Erases one subject's personal text for good; give one of the three."""
        body = _core.given({"user_id": user_id, "session_id": session_id, "interaction_id": interaction_id})
        return cast(Erasure, self._transport.data(_core.post("/api/privacy/erasures", body, idempotency_key=idempotency_key)))

    def get(self, id: str) -> Erasure:
        return cast(Erasure, self._transport.data(_core.get(path("privacy", "erasures", id))))

    def wait(self, id: str, *, timeout: float = 600.0) -> Erasure:
        """The job when it has ended; its `result` is the receipt."""
        return cast(Erasure, wait_for_job(self._transport, path("privacy", "erasures", id), timeout))


class Privacy:
    def __init__(self, transport: Transport) -> None:
        self.erasures = Erasures(transport)


def wait_for_job(transport: Transport, address: str, timeout: float) -> Job:
    deadline, pause = time.monotonic() + timeout, FIRST_POLL_S
    while True:
        job = cast(Job, transport.data(_core.get(address)))
        if job["status"] in ("succeeded", "failed"):
            return job
        if time.monotonic() + pause > deadline:
            raise WaitTimeoutError(f"The job {job['id']} is {job['status']} after {timeout} s")
        time.sleep(pause)
        pause = min(MAX_POLL_S, pause * 1.5)
