"""One real server for all clients; its start and its sample agent are those of the Python SDK's tests."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Iterator

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "sdks" / "python" / "tests"))

from server import Server  # noqa: E402


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
