"""Drives `AsyncTwig` by blocking calls, so that one test tries both clients.

Invariant: nothing of the client is replaced; only what it returns to be awaited is awaited.
"""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

FOREIGN = (str, bytes, int, float, dict, list, tuple, type(None))


class Blocking:
    def __init__(self, loop: asyncio.AbstractEventLoop, target: Any) -> None:
        self._loop, self._target = loop, target

    def _wrap(self, value: Any) -> Any:
        if inspect.isawaitable(value):
            return self._wrap(self._loop.run_until_complete(value))
        return value if isinstance(value, FOREIGN) else Blocking(self._loop, value)

    def __getattr__(self, name: str) -> Any:
        return self._wrap(getattr(self._target, "aclose" if name == "close" else name))

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._wrap(self._target(*arguments, **named))

    def __iter__(self) -> Any:
        iterator = self._target.__aiter__()
        while True:
            try:
                yield self._loop.run_until_complete(iterator.__anext__())
            except StopAsyncIteration:
                return

    def __enter__(self) -> Any:
        return self._wrap(self._target.__aenter__())

    def __exit__(self, *exception: Any) -> Any:
        self._loop.run_until_complete(self._target.__aexit__(*exception))
