"""The client: settings, one connection pool, and the API's resources."""

from __future__ import annotations

import dataclasses
from typing import List, Mapping, Optional, Sequence

import httpx
from typing_extensions import Literal

from .._core import DEFAULT_BACKOFF_S, DEFAULT_MAX_RETRIES, DEFAULT_TIMEOUT_S, Settings
from ..types import SearchResults
from .administration import AsyncApiKeys, AsyncAudit, AsyncOrganizations, AsyncWebhooks
from .chat import AsyncChat, AsyncSessions, semantic_search
from .knowledge import AsyncAgents, AsyncDataSpecs
from .records import AsyncAnalytics, AsyncFeedback, AsyncInteractions, AsyncPrivacy, AsyncReplays
from .transport import AsyncTransport


class AsyncTwig:
    """A client of the Twig AI REST API. Make one and share it: it is safe for concurrent use and keeps its connections.

    `api_key` and `base_url` default to TWIG_API_KEY and TWIG_BASE_URL. `timeout` bounds, in seconds, each wait for the server (connecting, and
    silence while it answers); a stream that is silent for longer is resumed. `max_retries` bounds the attempts after the first, `backoff` is the
    ceiling of the first pause in seconds. `cache` keeps single resources by their ETag and asks only whether they changed. `http_client` is yours to
    configure (proxies, certificates) and to close. The logger `twig_ai` tells of retries (INFO) and of every response (DEBUG).
    """

    def __init__(
        self,
        api_key: Optional[str] = None,
        *,
        base_url: Optional[str] = None,
        timeout: float = DEFAULT_TIMEOUT_S,
        max_retries: int = DEFAULT_MAX_RETRIES,
        backoff: float = DEFAULT_BACKOFF_S,
        headers: Optional[Mapping[str, str]] = None,
        cache: bool = False,
        http_client: Optional[httpx.AsyncClient] = None,
    ) -> None:
        settings = Settings.of(api_key, base_url, timeout, max_retries, backoff, headers)
        self._owns_http = http_client is None
        self._use(AsyncTransport(http_client or httpx.AsyncClient(), settings, cache))

    def _use(self, transport: AsyncTransport) -> None:
        self._transport = transport
        self.chat = AsyncChat(transport)
        self.agents = AsyncAgents(transport)
        self.data_specs = AsyncDataSpecs(transport)
        self.interactions = AsyncInteractions(transport)
        self.feedback = AsyncFeedback(transport)
        self.sessions = AsyncSessions(transport)
        self.analytics = AsyncAnalytics(transport)
        self.replays = AsyncReplays(transport)
        self.privacy = AsyncPrivacy(transport)
        self.webhooks = AsyncWebhooks(transport)
        self.api_keys = AsyncApiKeys(transport)
        self.organization = AsyncOrganizations(transport)
        self.audit = AsyncAudit(transport)

    async def semantic_search(
        self,
        query: str,
        *,
        agent_id: Optional[str] = None,
        data_spec_ids: Optional[Sequence[str]] = None,
        top_k: Optional[int] = None,
        min_score: Optional[float] = None,
        mode: Optional[Literal["hybrid", "vector", "keyword"]] = None,
        filters: Optional[Mapping[str, List[str]]] = None,
    ) -> SearchResults:
        """The passages nearest to a query: no model is called and no interaction recorded."""
        return await semantic_search(self._transport, query, agent_id, data_spec_ids, top_k, min_score, mode, filters)

    def with_options(
        self, *, timeout: Optional[float] = None, max_retries: Optional[int] = None, headers: Optional[Mapping[str, str]] = None
    ) -> "AsyncTwig":
        """A client with other settings over the same connections."""
        settings = self._transport.settings
        settings = dataclasses.replace(
            settings,
            timeout=settings.timeout if timeout is None else timeout,
            max_retries=settings.max_retries if max_retries is None else max_retries,
            headers={**settings.headers, **(headers or {})},
        )
        other = object.__new__(AsyncTwig)
        other._owns_http = False
        other._use(self._transport.with_settings(settings))
        return other

    async def aclose(self) -> None:
        if self._owns_http:
            await self._transport.http.aclose()

    async def __aenter__(self) -> "AsyncTwig":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
