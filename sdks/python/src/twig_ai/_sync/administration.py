# Made by make_sync.py of the file of the same name in _async: change it there.
"""Webhooks, API keys, the organization and its audit trail."""

from __future__ import annotations

from typing import Iterator, List, Mapping, Optional, Sequence, Union, cast

from typing_extensions import Unpack

from .. import _core, webhooks
from .._core import path
from ..types import (
    ApiKey,
    ApiKeyWithSecret,
    AuditCheckpoint,
    AuditConsistency,
    AuditEvent,
    AuditFilters,
    AuditProof,
    Deleted,
    Delivery,
    Organization,
    Time,
    Webhook,
    WebhookEvent,
    WebhookFields,
    WebhookReplay,
    WebhookRetries,
    WebhookUpdate,
    WebhookWithSecret,
)
from .transport import Pages, Resource


class Webhooks(Resource):
    def list(self, *, limit: Optional[int] = None, offset: Optional[int] = None) -> Pages[Webhook]:
        return Pages(self._transport, _core.get("/api/webhooks", limit=limit, offset=offset))

    def create(self, *, idempotency_key: Optional[str] = None, **fields: Unpack[WebhookFields]) -> WebhookWithSecret:
        """Its `secret` is in this answer only: keep it for `verify`."""
        call = _core.post("/api/webhooks", _core.body(fields), idempotency_key=idempotency_key)
        return cast(WebhookWithSecret, self._transport.data(call))

    def get(self, id: str) -> Webhook:
        return cast(Webhook, self._transport.data(_core.get(path("webhooks", id))))

    def update(self, id: str, *, if_match: Optional[int] = None, **fields: Unpack[WebhookUpdate]) -> Webhook:
        """`status="paused"` pauses it, `"active"` resumes it; `replay` brings what happened in between."""
        return cast(Webhook, self._transport.data(_core.put(path("webhooks", id), _core.body(fields), if_match)))

    def delete(self, id: str, *, if_match: Optional[int] = None) -> Deleted:
        return cast(Deleted, self._transport.data(_core.delete(path("webhooks", id), if_match)))

    def test(self, id: str) -> Delivery:
        """Sends a `webhook.test` event."""
        return cast(Delivery, self._transport.data(_core.post(path("webhooks", id, "test"), {})))

    def rotate_secret(self, id: str, *, overlap_seconds: Optional[int] = None) -> WebhookWithSecret:
        """A new secret; both sign for `overlap_seconds`."""
        body = _core.given({"overlap_seconds": overlap_seconds})
        return cast(WebhookWithSecret, self._transport.data(_core.post(path("webhooks", id, "rotate-secret"), body)))

    def replay(
        self, id: str, *, since: Optional[Time] = None, from_position: Optional[int] = None, types: Optional[Sequence[str]] = None
    ) -> WebhookReplay:
        """Sends history again, from a time or a position on."""
        body = _core.given({"since": since, "from_position": from_position, "types": types})
        return cast(WebhookReplay, self._transport.data(_core.post(path("webhooks", id, "replay"), body)))

    def retry_failed(self, id: str, *, since: Optional[Time] = None, until: Optional[Time] = None) -> WebhookRetries:
        """Sends every failed delivery of a range again."""
        body = _core.given({"since": since, "until": until})
        return cast(WebhookRetries, self._transport.data(_core.post(path("webhooks", id, "retry-failed"), body)))

    def deliveries(
        self, id: str, *, limit: Optional[int] = None, offset: Optional[int] = None, status: Optional[str] = None, type: Optional[str] = None
    ) -> Pages[Delivery]:
        call = _core.get(path("webhooks", id, "deliveries"), limit=limit, offset=offset, status=status, type=type)
        return Pages(self._transport, call)

    def get_delivery(self, id: str) -> Delivery:
        return cast(Delivery, self._transport.data(_core.get(path("webhooks", "deliveries", id))))

    def retry_delivery(self, id: str) -> Delivery:
        return cast(Delivery, self._transport.data(_core.post(path("webhooks", "deliveries", id, "retry"), {})))

    @staticmethod
    def verify(body: Union[bytes, str], headers: Mapping[str, str], secret: Union[str, Sequence[str]]) -> WebhookEvent:
        """The event of a webhook's raw body, or `WebhookVerificationError`."""
        return webhooks.verify(body, headers, secret)


class ApiKeys(Resource):
    def list(self, *, limit: Optional[int] = None, offset: Optional[int] = None) -> Pages[ApiKey]:
        return Pages(self._transport, _core.get("/api/api-keys", limit=limit, offset=offset))

    def create(
        self,
        *,
        name: str,
        scopes: Sequence[str],
        expires_at: Optional[Time] = None,
        test: Optional[bool] = None,
        idempotency_key: Optional[str] = None,
    ) -> ApiKeyWithSecret:
        """Its `key` is in this answer only."""
        body = _core.given({"name": name, "scopes": list(scopes), "expires_at": expires_at, "test": test})
        return cast(ApiKeyWithSecret, self._transport.data(_core.post("/api/api-keys", body, idempotency_key=idempotency_key)))

    def get(self, id: str) -> ApiKey:
        return cast(ApiKey, self._transport.data(_core.get(path("api-keys", id))))

    def revoke(self, id: str) -> Deleted:
        return cast(Deleted, self._transport.data(_core.delete(path("api-keys", id))))

    def rotate(self, id: str, *, overlap_seconds: Optional[int] = None) -> ApiKeyWithSecret:
        """A new secret; both work for `overlap_seconds`."""
        body = _core.given({"overlap_seconds": overlap_seconds})
        return cast(ApiKeyWithSecret, self._transport.data(_core.post(path("api-keys", id, "rotate"), body)))


class Organizations(Resource):
    def get(self) -> Organization:
        """The key's organization with its limits and what of them is used."""
        return cast(Organization, self._transport.data(_core.get("/api/organizations/current")))

    def update(self, *, name: str) -> Organization:
        return cast(Organization, self._transport.data(_core.put("/api/organizations/current", {"name": name})))


class Audit(Resource):
    def list(self, *, limit: Optional[int] = None, offset: Optional[int] = None, **filters: Unpack[AuditFilters]) -> Pages[AuditEvent]:
        """Who did what, newest first; `from_` is the API's `from`."""
        return Pages(self._transport, _core.get("/api/audit/events", limit=limit, offset=offset, **filters))

    def get(self, id: str) -> AuditEvent:
        return cast(AuditEvent, self._transport.data(_core.get(path("audit", "events", id))))

    def proof(self, id: str) -> AuditProof:
        """The RFC 6962 proof that an event is in the log."""
        return cast(AuditProof, self._transport.data(_core.get(path("audit", "events", id, "proof"))))

    def checkpoint(self) -> AuditCheckpoint:
        return cast(AuditCheckpoint, self._transport.data(_core.get("/api/audit/checkpoint")))

    def consistency(self, from_: int, to: int) -> AuditConsistency:
        """The proof that a tree of size `to` goes on from one of size `from_`."""
        return cast(AuditConsistency, self._transport.data(_core.get("/api/audit/consistency", from_=from_, to=to)))

    def export(self, **filters: Unpack[AuditFilters]) -> Iterator[AuditEvent]:
        return self._transport.ndjson(_core.get("/api/audit/events", **filters))

    def export_csv(self, **filters: Unpack[AuditFilters]) -> Iterator[bytes]:
        call = _core.get("/api/audit/events", **filters)
        call.headers["Accept"] = "text/csv"
        return self._transport.chunks(call)
