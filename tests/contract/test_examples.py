"""Every operation is called against the real binary, its answer held against the document, and recorded as the document's example."""

from __future__ import annotations

import json
from typing import Any, Dict, Iterator

import pytest

from conftest import ROOT
from document import Document
from receiver import Receiver
from server import Server
from walk import Walk, everything

EXAMPLES = ROOT / "schemas" / "examples.json"


@pytest.fixture(scope="module")
def walked(server: Server, document: Document) -> Iterator[Walk]:
    receiver = Receiver()
    walk = Walk(server.url, server.key, document)
    everything(walk, receiver.url, server.model.failures)
    yield walk
    walk.close()
    receiver.stop()


def test_every_operation_was_called(walked: Walk, document: Document) -> None:
    assert {id for id, *_ in document.operations()} - set(walked.operations) == set(), "walk.py needs a step for each"


def test_the_examples_are_what_the_binary_answers(walked: Walk, request: pytest.FixtureRequest) -> None:
    recorded = json.dumps(walked.recorded(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    if request.config.getoption("--record"):
        EXAMPLES.write_text(recorded)
    assert EXAMPLES.read_text() == recorded, "schemas/examples.json is not current: tests/contract/run --record, then twig openapi > schemas/openapi.json"


def test_the_documents_examples_fit_its_shapes(raw: Dict[str, Any], document: Document) -> None:
    shown = 0
    for id, method, path, operation in document.operations():
        contents = [operation.get("requestBody", {}).get("content", {})]
        contents += [document.resolve(response).get("content", {}) for response in operation["responses"].values()]
        for media_type, content in (pair for one in contents for pair in one.items()):
            if "example" in content and media_type.endswith("json"):
                shown += 1
                document.validate(content["example"], content["schema"], f"{method} {path}")
    assert shown > len(raw["paths"])


def test_each_answer_and_error_has_an_example(document: Document) -> None:
    for id, method, path, operation in document.operations():
        content = operation["responses"][min(operation["responses"])].get("content", {})
        assert path in ("/metrics", "/openapi.json", "/docs") or "/console" in path or any("example" in one for one in content.values()), f"{method} {path}"
