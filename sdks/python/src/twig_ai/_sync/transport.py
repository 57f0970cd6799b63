# Made by make_sync.py of the file of the same name in _async: change it there.
"""Sends calls until they succeed or are given up on.

Invariant: every response that is not handed on is closed, cancelled calls' too.
"""

from __future__ import annotations

import time
import copy
import json
from collections import OrderedDict
from typing import Any, Iterator, BinaryIO, Generic, List, Optional, Tuple, TypeVar, cast

import httpx

from .._core import Attempts, Call, Settings, api_error, close_all, connection_error, logger
from ..errors import TwigError
from ..types import Page

T = TypeVar("T")
MAX_CACHED_ANSWERS = 256


class Transport:
    def __init__(self, http: httpx.Client, settings: Settings, cache: bool) -> None:
        self.http = http
        self.settings = settings
        self._cache: Optional["OrderedDict[str, Tuple[str, Any]]"] = OrderedDict() if cache else None

    def with_settings(self, settings: Settings) -> "Transport":
        return Transport(self.http, settings, self._cache is not None)

    def data(self, call: Call) -> Any:
        """The `data` of the answer."""
        return (self.envelope(call))["data"]

    def envelope(self, call: Call) -> Any:
        cached = self._cached(call)
        if cached:
            call.headers["If-None-Match"] = cached[0]
        response = self.send(call)
        if response.status_code == 304 and cached:
            return copy.deepcopy(cached[1])
        try:
            envelope = response.json()
        except ValueError as cause:
            raise connection_error(cause) from cause
        tag = response.headers.get("etag")
        if self._cache is not None and call.method == "GET" and tag:
            self._cache[_address(call)] = (tag, copy.deepcopy(envelope))
            if len(self._cache) > MAX_CACHED_ANSWERS:
                self._cache.popitem(last=False)
        return envelope

    def _cached(self, call: Call) -> Optional[Tuple[str, Any]]:
        return self._cache.get(_address(call)) if self._cache is not None and call.method == "GET" else None

    def send(self, call: Call, *, stream: bool = False, attempts: Optional[Attempts] = None) -> httpx.Response:
        """The response of the first attempt that succeeds; with `stream`, its body is still to be read."""
        attempts = attempts or Attempts(self.settings)
        while True:
            failure, response = self._attempt(call, stream)
            if failure is None and response is not None:
                return response
            assert failure is not None
            delay = attempts.delay_after(failure)
            if delay is None:
                raise failure
            time.sleep(delay)

    def _attempt(self, call: Call, stream: bool) -> Tuple[Optional[TwigError], Optional[httpx.Response]]:
        opened: List[BinaryIO] = []
        try:
            request = self.http.build_request(**call.arguments(self.settings, opened))
            response = self.http.send(request, stream=True)
            try:
                good = response.is_success or response.status_code == 304
                if not (stream and good):
                    response.read()
            except BaseException:
                response.close()
                raise
        except httpx.RequestError as cause:
            return _caused(cause), None
        finally:
            close_all(opened)
        logger.debug("%s %s: %d, request %s", call.method, call.path, response.status_code, response.headers.get("x-request-id"))
        return (None, response) if good else (api_error(response), None)

    def chunks(self, call: Call) -> Iterator[bytes]:
        """A body as it comes. A cut is an error and not an end: a part is never taken for the whole."""
        response = self.send(call, stream=True)
        try:
            for chunk in response.iter_bytes():
                yield chunk
        except httpx.RequestError as cause:
            raise _caused(cause) from cause
        finally:
            response.close()

    def ndjson(self, call: Call) -> Iterator[Any]:
        call.headers["Accept"] = "application/x-ndjson"
        rest = b""
        for chunk in self.chunks(call):
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                if line.strip():
                    yield json.loads(line)


def _caused(cause: httpx.RequestError) -> TwigError:
    error = connection_error(cause)
    error.__cause__ = cause
    return error


def _address(call: Call) -> str:
    return f"{call.path}?{sorted(call.params.items())}"


class Pages(Generic[T]):
    """A list that is fetched page by page while it is iterated over, or one page of it."""

    def __init__(self, transport: Transport, call: Call) -> None:
        self._transport = transport
        self._call = call

    def page(self) -> Page[T]:
        """The first page with its `pagination`, `total` among it."""
        return cast(Page[T], self._transport.envelope(self._call))

    def __iter__(self) -> Iterator[T]:
        call = self._call
        while True:
            page = cast(Page[T], self._transport.envelope(call))
            for item in page["data"]:
                yield item
            cursor = page["pagination"]["nextCursor"]
            if not cursor:
                return
            params = {name: value for name, value in self._call.params.items() if name != "offset"}
            call = Call("GET", call.path, params={**params, "cursor": cursor})


class Resource:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport
