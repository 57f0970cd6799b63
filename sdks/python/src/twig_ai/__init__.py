"""Client of the Twig AI REST API: `Twig`, and `AsyncTwig` with the same methods to await."""

from . import types, webhooks
from ._async.chat import AsyncChatStream
from ._async.client import AsyncTwig
from ._async.transport import AsyncPages
from ._core import VERSION as __version__
from ._sync.chat import ChatStream
from ._sync.client import Twig
from ._sync.transport import Pages
from .errors import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    ConflictError,
    ForbiddenError,
    IdempotencyMismatchError,
    InternalServerError,
    InvalidRequestError,
    MethodNotAllowedError,
    NotFoundError,
    PayloadTooLargeError,
    PreconditionFailedError,
    RateLimitError,
    TwigError,
    UnauthorizedError,
    UnavailableError,
    UnsupportedMediaTypeError,
    UpstreamError,
    UpstreamTimeoutError,
    WaitTimeoutError,
    WebhookVerificationError,
)

__all__ = [
    "AsyncChatStream",
    "AsyncPages",
    "AsyncTwig",
    "ChatStream",
    "Pages",
    "Twig",
    "APIConnectionError",
    "APIError",
    "APITimeoutError",
    "ConflictError",
    "ForbiddenError",
    "IdempotencyMismatchError",
    "InternalServerError",
    "InvalidRequestError",
    "MethodNotAllowedError",
    "NotFoundError",
    "PayloadTooLargeError",
    "PreconditionFailedError",
    "RateLimitError",
    "TwigError",
    "UnauthorizedError",
    "UnavailableError",
    "UnsupportedMediaTypeError",
    "UpstreamError",
    "UpstreamTimeoutError",
    "WaitTimeoutError",
    "WebhookVerificationError",
    "__version__",
    "types",
    "webhooks",
]
