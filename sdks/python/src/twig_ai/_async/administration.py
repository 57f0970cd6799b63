"""Webhooks, API keys, the organization and its audit trail."""

from __future__ import annotations

from typing import AsyncIterator, List, Mapping, Optional, Sequence, Union, cast

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
from .transport import AsyncPages, AsyncResource


class AsyncWebhooks(AsyncResource):
    def list(self, *, limit: Optional[int] = None, offset: Optional[int] = None) -> AsyncPages[Webhook]:
        return AsyncPages(self._transport, _core.get("/api/webhooks", limit=limit, offset=offset))

    async def create(self, *, idempotency_key: Optional[str] = None, **fields: Unpack[WebhookFields]) -> WebhookWithSecret:
        """Its `secret` is in this answer only: keep it for `verify`."""
        call = _core.post("/api/webhooks", _core.body(fields), idempotency_key=idempotency_key)
        return cast(WebhookWithSecret, await self._transport.data(call))

    async def get(self, id: str) -> Webhook:
        return cast(Webhook, await self._transport.data(_core.get(path("webhooks", id))))

    async def update(self, id: str, *, if_match: Optional[int] = None, **fields: Unpack[WebhookUpdate]) -> Webhook:
        """`status="paused"` pauses it, `"active"` resumes it; `replay` brings what happened in between."""
        return cast(Webhook, await self._transport.data(_core.put(path("webhooks", id), _core.body(fields), if_match)))

    async def delete(self, id: str, *, if_match: Optional[int] = None) -> Deleted:
        return cast(Deleted, await self._transport.data(_core.delete(path("webhooks", id), if_match)))

    async def test(self, id: str) -> Delivery:
        """Sends a `webhook.test` event."""
        return cast(Delivery, await self._transport.data(_core.post(path("webhooks", id, "test"), {})))

    async def rotate_secret(self, id: str, *, overlap_seconds: Optional[int] = None) -> WebhookWithSecret:
        """A new secret; both sign for `overlap_seconds`."""
        body = _core.given({"overlap_seconds": overlap_seconds})
        return cast(WebhookWithSecret, await self._transport.data(_core.post(path("webhooks", id, "rotate-secret"), body)))

    async def replay(
        self, id: str, *, since: Optional[Time] = None, from_position: Optional[int] = None, types: Optional[Sequence[str]] = None
    ) -> WebhookReplay:
        """Sends history again, from a time or a position on."""
        body = _core.given({"since": since, "from_position": from_position, "types": types})
        return cast(WebhookReplay, await self._transport.data(_core.post(path("webhooks", id, "replay"), body)))

    async def retry_failed(self, id: str, *, since: Optional[Time] = None, until: Optional[Time] = None) -> WebhookRetries:
        """Sends every failed delivery of a range again."""
        body = _core.given({"since": since, "until": until})
        return cast(WebhookRetries, await self._transport.data(_core.post(path("webhooks", id, "retry-failed"), body)))

    def deliveries(
        self, id: str, *, limit: Optional[int] = None, offset: Optional[int] = None, status: Optional[str] = None, type: Optional[str] = None
    ) -> AsyncPages[Delivery]:
        call = _core.get(path("webhooks", id, "deliveries"), limit=limit, offset=offset, status=status, type=type)
        return AsyncPages(self._transport, call)

    async def get_delivery(self, id: str) -> Delivery:
        return cast(Delivery, await self._transport.data(_core.get(path("webhooks", "deliveries", id))))

    async def retry_delivery(self, id: str) -> Delivery:
        return cast(Delivery, await self._transport.data(_core.post(path("webhooks", "deliveries", id, "retry"), {})))

    @staticmethod
    def verify(body: Union[bytes, str], headers: Mapping[str, str], secret: Union[str, Sequence[str]]) -> WebhookEvent:
        """The event of a webhook's raw body, or `WebhookVerificationError`."""
        return webhooks.verify(body, headers, secret)


class AsyncApiKeys(AsyncResource):
    def list(self, *, limit: Optional[int] = None, offset: Optional[int] = None) -> AsyncPages[ApiKey]:
        return AsyncPages(self._transport, _core.get("/api/api-keys", limit=limit, offset=offset))

    async def create(
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
        return cast(ApiKeyWithSecret, await self._transport.data(_core.post("/api/api-keys", body, idempotency_key=idempotency_key)))

    async def get(self, id: str) -> ApiKey:
        return cast(ApiKey, await self._transport.data(_core.get(path("api-keys", id))))

    async def revoke(self, id: str) -> Deleted:
        return cast(Deleted, await self._transport.data(_core.delete(path("api-keys", id))))

    async def rotate(self, id: str, *, overlap_seconds: Optional[int] = None) -> ApiKeyWithSecret:
        """A new secret; both work for `overlap_seconds`."""
        body = _core.given({"overlap_seconds": overlap_seconds})
        return cast(ApiKeyWithSecret, await self._transport.data(_core.post(path("api-keys", id, "rotate"), body)))


class AsyncOrganizations(AsyncResource):
    async def get(self) -> Organization:
        """The key's organization with its limits and what of them is used."""
        return cast(Organization, await self._transport.data(_core.get("/api/organizations/current")))

    async def update(self, *, name: str) -> Organization:
        return cast(Organization, await self._transport.data(_core.put("/api/organizations/current", {"name": name})))


class AsyncAudit(AsyncResource):
    def list(self, *, limit: Optional[int] = None, offset: Optional[int] = None, **filters: Unpack[AuditFilters]) -> AsyncPages[AuditEvent]:
        """Who did what, newest first; `from_` is the API's `from`."""
        return AsyncPages(self._transport, _core.get("/api/audit/events", limit=limit, offset=offset, **filters))

    async def get(self, id: str) -> AuditEvent:
        return cast(AuditEvent, await self._transport.data(_core.get(path("audit", "events", id))))

    async def proof(self, id: str) -> AuditProof:
        """The RFC 6962 proof that an event is in the log."""
        return cast(AuditProof, await self._transport.data(_core.get(path("audit", "events", id, "proof"))))

    async def checkpoint(self) -> AuditCheckpoint:
        return cast(AuditCheckpoint, await self._transport.data(_core.get("/api/audit/checkpoint")))

    async def consistency(self, from_: int, to: int) -> AuditConsistency:
        """The proof that a tree of size `to` goes on from one of size `from_`."""
        return cast(AuditConsistency, await self._transport.data(_core.get("/api/audit/consistency", from_=from_, to=to)))

    def export(self, **filters: Unpack[AuditFilters]) -> AsyncIterator[AuditEvent]:
        return self._transport.ndjson(_core.get("/api/audit/events", **filters))

    def export_csv(self, **filters: Unpack[AuditFilters]) -> AsyncIterator[bytes]:
        call = _core.get("/api/audit/events", **filters)
        call.headers["Accept"] = "text/csv"
        return self._transport.chunks(call)
