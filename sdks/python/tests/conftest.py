"""Fixtures: one real server a test session, a fault proxy a test, and each test once with `Twig` and once with `AsyncTwig`."""

from __future__ import annotations

import asyncio
import os
from typing import Any, Callable, Iterator

import pytest

from blocking import Blocking
from proxy import Proxy
from server import Server
from twig_ai import AsyncTwig, Twig

BACKOFF_S = 0.01


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    binary = os.environ.get("TWIG_BIN")
    if not binary:
        pytest.skip("TWIG_BIN does not name the twig binary")
    server = Server(binary, tmp_path_factory.mktemp("twig"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def agent_id(server: Server) -> str:
    return server.prepare()


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    proxy = Proxy(server.url)
    yield proxy
    proxy.stop()


@pytest.fixture(params=["sync", "async"])
def make(request: pytest.FixtureRequest, server: Server) -> Iterator[Callable[..., Any]]:
    """Makes a client of the kind that is tried."""
    closing = []
    loop = asyncio.new_event_loop()

    def make(base_url: str = server.url, **settings: Any) -> Any:
        settings = {"api_key": server.key, "backoff": BACKOFF_S, **settings}
        client = Twig(base_url=base_url, **settings) if request.param == "sync" else Blocking(loop, AsyncTwig(base_url=base_url, **settings))
        closing.append(client)
        return client

    yield make
    for client in closing:
        client.close()
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


@pytest.fixture
def twig(make: Callable[..., Any]) -> Any:
    return make()


@pytest.fixture
def shaky(make: Callable[..., Any], proxy: Proxy) -> Any:
    """A client that goes through the proxy."""
    return make(proxy.url)
