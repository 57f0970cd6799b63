"""Agents, and the data specs that they answer from."""

from __future__ import annotations

import asyncio
import time
from typing import List, Optional, Sequence, cast

from typing_extensions import Unpack

from .. import _core
from .._core import FileInput, path
from ..errors import WaitTimeoutError
from ..types import (
    Agent,
    AgentFields,
    AgentUpdate,
    AgentVersion,
    DataSpec,
    DataSpecFields,
    DataSpecUpdate,
    Deleted,
    Document,
    OnProgress,
    Run,
    RunStarted,
    Time,
)
from .transport import AsyncPages, AsyncResource

FIRST_POLL_S = 0.1
MAX_POLL_S = 2.0


class AsyncAgents(AsyncResource):
    def list(self, *, limit: Optional[int] = None, offset: Optional[int] = None, as_of: Optional[Time] = None) -> AsyncPages[Agent]:
        return AsyncPages(self._transport, _core.get("/api/agents", limit=limit, offset=offset, as_of=as_of))

    async def create(self, *, idempotency_key: Optional[str] = None, **fields: Unpack[AgentFields]) -> Agent:
        return cast(Agent, await self._transport.data(_core.post("/api/agents", _core.body(fields), idempotency_key=idempotency_key)))

    async def get(self, id: str, *, as_of: Optional[Time] = None) -> Agent:
        """An agent now or, by `as_of`, at an earlier time or log position."""
        return cast(Agent, await self._transport.data(_core.get(path("agents", id), as_of=as_of)))

    async def update(self, id: str, *, if_match: Optional[int] = None, **fields: Unpack[AgentUpdate]) -> Agent:
        """Replaces the given fields; with `if_match`, only that version of it."""
        return cast(Agent, await self._transport.data(_core.put(path("agents", id), _core.body(fields), if_match)))

    async def delete(self, id: str, *, if_match: Optional[int] = None) -> Deleted:
        return cast(Deleted, await self._transport.data(_core.delete(path("agents", id), if_match)))

    def versions(self, id: str, *, limit: Optional[int] = None) -> AsyncPages[AgentVersion]:
        """What changed from version to version, newest first."""
        return AsyncPages(self._transport, _core.get(path("agents", id, "versions"), limit=limit))

    async def restore(self, id: str, version: int) -> Agent:
        """Makes an earlier version the newest one."""
        return cast(Agent, await self._transport.data(_core.post(path("agents", id, "restore"), {"version": version})))


class AsyncDataSpecs(AsyncResource):
    def list(self, *, limit: Optional[int] = None, offset: Optional[int] = None, as_of: Optional[Time] = None) -> AsyncPages[DataSpec]:
        return AsyncPages(self._transport, _core.get("/api/data-specs", limit=limit, offset=offset, as_of=as_of))

    async def create(self, *, idempotency_key: Optional[str] = None, **fields: Unpack[DataSpecFields]) -> DataSpec:
        call = _core.post("/api/data-specs", _core.body(fields), idempotency_key=idempotency_key)
        return cast(DataSpec, await self._transport.data(call))

    async def get(self, id: str, *, as_of: Optional[Time] = None) -> DataSpec:
        return cast(DataSpec, await self._transport.data(_core.get(path("data-specs", id), as_of=as_of)))

    async def update(self, id: str, *, if_match: Optional[int] = None, **fields: Unpack[DataSpecUpdate]) -> DataSpec:
        return cast(DataSpec, await self._transport.data(_core.put(path("data-specs", id), _core.body(fields), if_match)))

    async def delete(self, id: str, *, if_match: Optional[int] = None) -> Deleted:
        return cast(Deleted, await self._transport.data(_core.delete(path("data-specs", id), if_match)))

    async def upload_files(self, id: str, files: Sequence[FileInput], *, idempotency_key: Optional[str] = None) -> List[Document]:
        """Uploads paths, or pairs of a name and bytes; the documents come in the order sent. `process` then indexes them."""
        call = _core.post(path("data-specs", id, "files"), files=files, idempotency_key=idempotency_key)
        return cast(List[Document], await self._transport.data(call))

    async def process(self, id: str) -> RunStarted:
        """Starts a run; while one runs, that one is answered."""
        return cast(RunStarted, await self._transport.data(_core.post(path("data-specs", id, "process"), {})))

    def runs(self, id: str, *, limit: Optional[int] = None) -> AsyncPages[Run]:
        return AsyncPages(self._transport, _core.get(path("data-specs", id, "runs"), limit=limit))

    async def get_run(self, id: str, run_id: str) -> Run:
        return cast(Run, await self._transport.data(_core.get(path("data-specs", id, "runs", run_id))))

    async def cancel_run(self, id: str, run_id: str) -> Run:
        return cast(Run, await self._transport.data(_core.post(path("data-specs", id, "runs", run_id, "cancel"), {})))

    async def wait_for_run(self, id: str, run_id: str, *, timeout: float = 600.0, on_progress: Optional[OnProgress] = None) -> Run:
        """The run when it has ended, well or not: look at its `status` and `errors`."""
        deadline, pause, seen = time.monotonic() + timeout, FIRST_POLL_S, None
        while True:
            run = await self.get_run(id, run_id)
            moved = (run["status"], run.get("stage"), run.get("progress"))
            if moved != seen:
                seen, pause = moved, FIRST_POLL_S
                if on_progress is not None:
                    on_progress(run)
            if run["status"] in ("succeeded", "failed", "canceled"):
                return run
            if time.monotonic() + pause > deadline:
                raise WaitTimeoutError(f"The run {run_id} is {run['status']} after {timeout} s")
            await asyncio.sleep(pause)
            pause = min(MAX_POLL_S, pause * 1.5)

    def documents(self, id: str, *, limit: Optional[int] = None) -> AsyncPages[Document]:
        return AsyncPages(self._transport, _core.get(path("data-specs", id, "documents"), limit=limit))
