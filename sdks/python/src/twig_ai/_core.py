"""What both clients share and what does no I/O: calls, their retries, and how answers are read.

Invariant: a POST has one Idempotency-Key over all its attempts, so that a retry never does a thing twice.
"""

from __future__ import annotations

import logging
import os
import random
import secrets
import time
import uuid
from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, BinaryIO, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple, Union
from urllib.parse import quote

import httpx

from .errors import BY_CODE, APIConnectionError, APIError, APITimeoutError, InternalServerError, TwigError

logger = logging.getLogger("twig_ai")

VERSION = "1.0.0"
DEFAULT_BASE_URL = "http://127.0.0.1:8080"
DEFAULT_TIMEOUT_S = 60.0
DEFAULT_MAX_RETRIES = 3
DEFAULT_BACKOFF_S = 0.5
MAX_BACKOFF_S = 8.0
#: A server that asks for more patience than this gets none: the error says when to come back.
MAX_RETRY_AFTER_S = 60.0
#: How long a request of the same Idempotency-Key that is still running is waited for.
MAX_IN_PROGRESS_S = 120.0

#: A path, or a file's name and its bytes.
FileInput = Union[str, "os.PathLike[str]", Tuple[str, bytes]]


@dataclass(frozen=True)
class Settings:
    api_key: str = field(repr=False)
    base_url: str
    timeout: float
    max_retries: int
    backoff: float
    headers: Mapping[str, str]

    @classmethod
    def of(
        cls,
        api_key: Optional[str],
        base_url: Optional[str],
        timeout: float,
        max_retries: int,
        backoff: float,
        headers: Optional[Mapping[str, str]],
    ) -> "Settings":
        key = api_key or os.environ.get("TWIG_API_KEY")
        if not key:
            raise TwigError("An API key is needed: pass api_key or set TWIG_API_KEY")
        url = base_url or os.environ.get("TWIG_BASE_URL") or DEFAULT_BASE_URL
        return cls(key, url.rstrip("/"), timeout, max_retries, backoff, dict(headers or {}))


@dataclass
class Call:
    """One request of the API, as often as it has to be sent."""

    method: str
    path: str
    params: Dict[str, str] = field(default_factory=dict)
    json: Any = None
    files: Optional[Sequence[FileInput]] = None
    headers: Dict[str, str] = field(default_factory=dict)

    def arguments(self, settings: Settings, opened: List[BinaryIO]) -> Dict[str, Any]:
        """The arguments of `httpx.Client.build_request`; files are opened anew for each attempt and added to `opened`."""
        headers = {"Authorization": f"Bearer {settings.api_key}", "User-Agent": f"twig-ai-python/{VERSION}", "Accept": "application/json"}
        arguments: Dict[str, Any] = {
            "method": self.method,
            "url": settings.base_url + self.path,
            "params": self.params or None,
            "headers": {**headers, **settings.headers, **self.headers},
            "timeout": settings.timeout,
        }
        if self.files is not None:
            arguments["files"] = [("file", _part(file, opened)) for file in self.files]
        elif self.json is not None:
            arguments["json"] = self.json
        return arguments


def _part(file: FileInput, opened: List[BinaryIO]) -> "tuple[str, Any]":
    if isinstance(file, tuple):
        return file
    handle = open(file, "rb")
    opened.append(handle)
    return Path(file).name, handle


def get(path: str, **params: Any) -> Call:
    return Call("GET", path, params=query(params))


def post(path: str, body: Any = None, *, idempotency_key: Optional[str] = None, files: Optional[Sequence[FileInput]] = None) -> Call:
    return Call("POST", path, json=body, files=files, headers={"Idempotency-Key": idempotency_key or str(uuid.uuid4())})


def put(path: str, body: Any, if_match: Optional[int] = None) -> Call:
    return Call("PUT", path, json=body, headers=_if_match(if_match))


def delete(path: str, if_match: Optional[int] = None) -> Call:
    return Call("DELETE", path, headers=_if_match(if_match))


def _if_match(version: Optional[int]) -> Dict[str, str]:
    return {} if version is None else {"If-Match": f'"{version}"'}


def path(*parts: str) -> str:
    """A path of segments, each of them quoted: no id can reach another route."""
    for part in parts:
        if not part:
            raise ValueError("an id is empty")
    return "/api/" + "/".join("%2E" * len(part) if part in (".", "..") else quote(part, safe="") for part in parts)


def camel(name: str) -> str:
    first, *rest = name.rstrip("_").split("_")
    return first + "".join(word.title() for word in rest)


def body(fields: Mapping[str, Any]) -> Dict[str, Any]:
    """The JSON of keyword arguments: names in camelCase, times as RFC 3339; `None` stays `null`."""
    return {camel(name): timestamp(value) if isinstance(value, date) else value for name, value in fields.items()}


def given(fields: Mapping[str, Any]) -> Dict[str, Any]:
    """The same without what is `None`, for requests in which `null` has no meaning."""
    return body({name: value for name, value in fields.items() if value is not None})


def query(fields: Mapping[str, Any]) -> Dict[str, str]:
    return {name: _parameter(value) for name, value in given(fields).items()}


def _parameter(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return ",".join(str(item) for item in value)
    return str(value)


def timestamp(value: date) -> str:
    """A date as it is; a time in UTC, a naive one being local, as everywhere in Python."""
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value.isoformat()


class Attempts:
    """Decides whether a call is made again, and when: full jitter, and never before the server's Retry-After."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._retries = 0
        self._in_progress_s = 0.0
        self.made = 1

    def progressed(self) -> None:
        """Something came: the next failure is a first one again."""
        self._retries = 0

    def delay_after(self, failure: TwigError) -> Optional[float]:
        """Seconds to wait before the next attempt; `None`: give up."""
        delay = self._decide(failure)
        if isinstance(failure, APIError):
            failure.attempts = self.made
        if delay is not None:
            self.made += 1
            logger.info("attempt %d in %.2f s after: %s", self.made, delay, failure)
        return delay

    def _decide(self, failure: TwigError) -> Optional[float]:
        asked = failure.retry_after if isinstance(failure, APIError) else None
        if isinstance(failure, APIError) and failure.status == 409:
            # Only "still in progress" says when to come back; any other conflict stays one.
            if asked is None or self._settings.max_retries == 0 or self._in_progress_s + asked > MAX_IN_PROGRESS_S:
                return None
            delay = asked + random.uniform(0, self._settings.backoff)
            self._in_progress_s += delay
            return delay
        if isinstance(failure, APIError) and failure.status not in (408, 429) and failure.status < 500:
            return None
        if self._retries >= self._settings.max_retries or (asked or 0.0) > MAX_RETRY_AFTER_S:
            return None
        ceiling = min(MAX_BACKOFF_S, self._settings.backoff * 2.0 ** self._retries)
        self._retries += 1
        return (asked or 0.0) + random.uniform(0, ceiling)


def connection_error(cause: Exception) -> APIConnectionError:
    kind = APITimeoutError if isinstance(cause, httpx.TimeoutException) else APIConnectionError
    return kind(f"{type(cause).__name__}: {cause}" if str(cause) else type(cause).__name__)


def api_error(response: httpx.Response) -> APIError:
    """The error of a response that was read whole; a proxy's, which has no envelope, too."""
    try:
        members = response.json()["error"]
        return error_of(members, response.status_code, response.headers)
    except (ValueError, KeyError, TypeError, AttributeError):
        message = f"The server answered {response.status_code} {response.reason_phrase}".rstrip()
        return error_of({"message": message}, response.status_code, response.headers)


def error_of(members: Mapping[str, Any], status: Optional[int] = None, headers: Optional[Mapping[str, str]] = None) -> APIError:
    """The error of an envelope, or, without a status, of a stream's `error` event."""
    by_status = {known: (code, kind) for code, (known, kind) in BY_CODE.items()}
    code = str(members.get("code"))
    if code in BY_CODE:
        known_status, kind = BY_CODE[code]
        status = known_status if status is None else status
    else:
        status = 500 if status is None else status
        fallback: "tuple[str, type[APIError]]" = ("internal_error", InternalServerError) if status >= 500 else ("unknown", APIError)
        code, kind = by_status.get(status, fallback)
    headers = headers or {}
    retry_after = _retry_after(headers.get("retry-after"))
    if retry_after is None and isinstance(members.get("retryAfter"), (int, float)):
        retry_after = float(members["retryAfter"])
    return kind(
        str(members.get("message", "")),
        code=code,
        status=status,
        details=members.get("details"),
        request_id=members.get("requestId") or headers.get("x-request-id"),
        retry_after=retry_after,
    )


def _retry_after(text: Optional[str]) -> Optional[float]:
    """RFC 9110 §10.2.3: seconds or a date."""
    if text is None:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(timezone.utc)).total_seconds())
    except (TypeError, ValueError):
        return None


def close_all(opened: Iterable[BinaryIO]) -> None:
    for handle in opened:
        handle.close()


def new_session_id() -> str:
    """As the server makes them: `sess_` and a UUIDv7 (RFC 9562 §5.7) in 26 characters of lower-case Crockford base32."""
    number = (int(time.time() * 1000) << 80) | (7 << 76) | (secrets.randbits(12) << 64) | (2 << 62) | secrets.randbits(62)
    return "sess_" + "".join("0123456789abcdefghjkmnpqrstvwxyz"[(number >> shift) & 31] for shift in range(125, -1, -5))
