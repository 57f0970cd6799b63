"""Verifies webhooks by Standard Webhooks 1.0, without a client and without an API key.

Invariant: a body is given back only when a signature of a live secret fits it and its time is near.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Mapping, Optional, Sequence, Union

from .errors import WebhookVerificationError
from .types import WebhookEvent

#: How old, or how far ahead, a webhook's timestamp may be.
TOLERANCE_S = 300


def verify(
    body: Union[bytes, str],
    headers: Mapping[str, str],
    secret: Union[str, Sequence[str]],
    *,
    tolerance: float = TOLERANCE_S,
    now: Optional[float] = None,
) -> WebhookEvent:
    """The event of a webhook's raw body, exactly as it was received; while a secret is rotated, give both."""
    payload = body.encode() if isinstance(body, str) else bytes(body)
    lower = {name.lower(): value for name, value in headers.items()}
    try:
        id, timestamp, signatures = (lower[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
    except KeyError as missing:
        raise WebhookVerificationError(f"The header {missing} is missing") from None
    if not (timestamp.isascii() and timestamp.isdigit()):
        raise WebhookVerificationError("webhook-timestamp is not a number of seconds")
    if abs((time.time() if now is None else now) - int(timestamp)) > tolerance:
        raise WebhookVerificationError("webhook-timestamp is too far from now")
    signed = f"{id}.{timestamp}.".encode() + payload
    given = [text[3:].encode() for text in signatures.split(" ") if text.startswith("v1,")]
    secrets = [secret] if isinstance(secret, str) else secret
    # Every pair is compared, whatever the others gave, so that the time it takes tells nothing.
    if not any([hmac.compare_digest(_sign(one, signed), text) for one in secrets for text in given]):
        raise WebhookVerificationError("No signature fits")
    try:
        event: WebhookEvent = json.loads(payload)
    except ValueError as cause:
        raise WebhookVerificationError("The body is not JSON") from cause
    return event


def _sign(secret: str, signed: bytes) -> bytes:
    try:
        text = secret[6:] if secret.startswith("whsec_") else secret
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError as cause:
        raise WebhookVerificationError("The secret is not base64") from cause
    if not key:
        raise WebhookVerificationError("The secret is empty")
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
