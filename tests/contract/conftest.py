"""One real server for the walk over the document; its start is that of the Python SDK's tests."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, Dict, Iterator

import pytest

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "sdks" / "python" / "tests"), str(ROOT / "tests" / "clients")]
# The same index in every run, whatever the machine's time for the second model.
os.environ["TWIG_EMBEDDINGS"] = "static"
os.environ["TWIG_CRAWL_ALLOW_NETWORKS"] = "127.0.0.0/8"

from document import Document  # noqa: E402
from server import Server  # noqa: E402


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record", action="store_true", help="write schemas/examples.json anew instead of comparing with it")
    parser.addoption("--fuzz-seconds", type=int, default=900, help="how long schemathesis may take; what it tries is bounded by its examples")


@pytest.fixture(scope="session")
def raw() -> Dict[str, Any]:
    """The document as it is checked in; `tests/run` has compared it with the binary's."""
    document: Dict[str, Any] = json.loads((ROOT / "schemas" / "openapi.json").read_text())
    return document


@pytest.fixture(scope="session")
def document(raw: Dict[str, Any]) -> Document:
    return Document(raw)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    binary = os.environ.get("TWIG_BIN")
    if not binary:
        pytest.skip("TWIG_BIN does not name the twig binary")
    server = Server(binary, tmp_path_factory.mktemp("twig"))
    yield server
    server.stop()
