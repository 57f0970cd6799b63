"""Everything that a call can raise.

Invariant: an error that the server answered is an `APIError` whose class follows from its `code`; what never got an answer is an `APIConnectionError`.
"""

from __future__ import annotations

from typing import Any, Mapping, Optional


class TwigError(Exception):
    """The base of all errors of this package."""


class APIConnectionError(TwigError):
    """No whole answer came: the network failed or the server went away."""


class APITimeoutError(APIConnectionError):
    """The server was silent for longer than `timeout`."""


class WaitTimeoutError(TwigError):
    """What was waited for had not ended in the time given; it goes on at the server."""


class WebhookVerificationError(TwigError):
    """A webhook's body does not carry a valid signature; answer it 400 and do nothing with it."""


class APIError(TwigError):
    """An error that the server answered. `code` carries the meaning, `message` is for people."""

    def __init__(
        self,
        message: str,
        *,
        code: str,
        status: int,
        details: Any = None,
        request_id: Optional[str] = None,
        retry_after: Optional[float] = None,
    ) -> None:
        super().__init__(f"{message} ({code}, request {request_id})" if request_id else f"{message} ({code})")
        self.message = message
        self.code = code
        self.status = status
        self.details = details
        self.request_id = request_id
        #: Seconds after which the server asks to be tried again.
        self.retry_after = retry_after
        #: How often the request was sent before this error was given up on.
        self.attempts = 1


class InvalidRequestError(APIError):
    """400: `details["fields"]` lists each offending field as `{"pointer", "reason"}`."""


class UnauthorizedError(APIError):
    """401: no key, or one that is malformed, unknown, expired or revoked."""


class ForbiddenError(APIError):
    """403: the key lacks the scope in `details["requiredScope"]`."""


class NotFoundError(APIError):
    """404"""


class MethodNotAllowedError(APIError):
    """405"""


class ConflictError(APIError):
    """409: the state does not allow it, such as a question to an agent that is not active."""


class PreconditionFailedError(APIError):
    """412: the version in `if_match` is stale; read again and decide again."""


class PayloadTooLargeError(APIError):
    """413: over 1 MiB of JSON or 50 MiB of a file."""


class UnsupportedMediaTypeError(APIError):
    """415"""


class IdempotencyMismatchError(APIError):
    """422: this Idempotency-Key was used with another body or route."""


class RateLimitError(APIError):
    """429: still limited after the retries; `retry_after` tells when to come back."""


class InternalServerError(APIError):
    """500, and any other 5xx without a code of its own."""


class UpstreamError(APIError):
    """502: the model provider failed."""


class UnavailableError(APIError):
    """503"""


class UpstreamTimeoutError(APIError):
    """504: the model provider was too slow."""


#: The class of each code of the API, with the status that stands for it where a proxy answered and no code is known.
BY_CODE: Mapping[str, "tuple[int, type[APIError]]"] = {
    "invalid_request": (400, InvalidRequestError),
    "unauthorized": (401, UnauthorizedError),
    "forbidden": (403, ForbiddenError),
    "not_found": (404, NotFoundError),
    "method_not_allowed": (405, MethodNotAllowedError),
    "conflict": (409, ConflictError),
    "precondition_failed": (412, PreconditionFailedError),
    "payload_too_large": (413, PayloadTooLargeError),
    "unsupported_media_type": (415, UnsupportedMediaTypeError),
    "idempotency_mismatch": (422, IdempotencyMismatchError),
    "rate_limit_exceeded": (429, RateLimitError),
    "internal_error": (500, InternalServerError),
    "upstream_error": (502, UpstreamError),
    "unavailable": (503, UnavailableError),
    "upstream_timeout": (504, UpstreamTimeoutError),
}
