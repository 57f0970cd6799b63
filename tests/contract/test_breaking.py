"""The document may not break clients of the one that was published last, unless the contract version is raised; and this check can fail."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any, Callable, Dict

import pytest

from breaking import allowed, breaks, main
from conftest import ROOT

#: The document of the last published contract: `publish` replaces it.
PUBLISHED = ROOT / "schemas" / "openapi.published.json"


@pytest.fixture(scope="session")
def published() -> Dict[str, Any]:
    document: Dict[str, Any] = json.loads(PUBLISHED.read_text())
    return document


def test_nothing_breaks_clients_of_the_published_contract(published: Dict[str, Any], raw: Dict[str, Any]) -> None:
    found = breaks(published, raw)
    assert not found or allowed(published, raw), f"raise CONTRACT_VERSION, or keep what clients rely on: {found}"


def chat(document: Dict[str, Any]) -> Dict[str, Any]:
    return document["paths"]["/api/chat"]["post"]  # type: ignore[no-any-return]


def shape(document: Dict[str, Any], name: str) -> Dict[str, Any]:
    return document["components"]["schemas"][name]  # type: ignore[no-any-return]


def parameter(document: Dict[str, Any], path: str, name: str) -> Dict[str, Any]:
    return next(one for one in document["paths"][path]["get"]["parameters"] if one.get("name") == name)


BROKEN: Dict[str, Callable[[Dict[str, Any]], Any]] = {
    "a path is gone": lambda d: d["paths"].pop("/api/chat"),
    "a method is gone": lambda d: d["paths"]["/api/agents/{id}"].pop("delete"),
    "another scope is needed": lambda d: chat(d)["security"][0]["key"].append("admin"),
    "a parameter is gone": lambda d: d["paths"]["/api/interactions"]["get"]["parameters"].remove(parameter(d, "/api/interactions", "rating")),
    "a parameter is needed": lambda d: parameter(d, "/api/interactions", "agentId").update(required=True),
    "a new parameter is needed": lambda d: d["paths"]["/api/interactions"]["get"]["parameters"].append({"name": "new", "in": "query", "required": True, "schema": {}}),
    "a parameter has another type": lambda d: parameter(d, "/api/interactions", "answered")["schema"].update(type="integer"),
    "a value of a parameter is no longer taken": lambda d: parameter(d, "/api/interactions", "rating")["schema"]["enum"].remove("negative"),
    "a parameter takes less": lambda d: parameter(d, "/api/interactions", "limit")["schema"].update(maximum=100),
    "a value is no longer taken": lambda d: shape(d, "AgentCreate")["properties"]["ragStrategy"]["enum"].remove("cedar"),
    "a member of a body is gone": lambda d: shape(d, "ChatRequest")["properties"].pop("userId"),
    "a member of a body is needed": lambda d: shape(d, "ChatRequest")["required"].append("userId"),
    "a member of a body has another type": lambda d: shape(d, "ChatRequest")["properties"]["topK"].update(type="string"),
    "a member of a body has another type in its items": lambda d: shape(d, "AgentCreate")["properties"]["dataSpecIds"]["items"].update(type="integer"),
    "a member of a body may not be null": lambda d: shape(d, "AgentUpdate")["properties"]["tone"].update(type="string"),
    "members of a body exclude each other": lambda d: shape(d, "WebhookRetryFailed").update(oneOf=[{"required": ["since"]}, {"required": ["until"]}]),
    "a body is of another media type": lambda d: chat(d)["requestBody"]["content"].update({"text/plain": chat(d)["requestBody"]["content"].pop("application/json")}),
    "a text must be of a pattern": lambda d: shape(d, "ChatRequest")["properties"]["userId"].update(pattern="^[a-z]+$"),
    "a text must be shorter": lambda d: shape(d, "ChatRequest")["properties"]["prompt"].update(maxLength=100),
    "a body is needed": lambda d: d["paths"]["/api/data-specs/{id}/process"]["post"]["requestBody"].update(required=True),
    "a member of an answer is gone": lambda d: shape(d, "Source")["properties"].pop("documentTitle"),
    "a member of an answer may be missing": lambda d: shape(d, "Source")["required"].remove("documentTitle"),
    "a member of an answer may be null": lambda d: shape(d, "Source")["properties"]["documentTitle"].update(type=["string", "null"]),
    "a member of an answer that may be null is another one": lambda d: shape(d, "DataSpec")["properties"]["lastRun"]["anyOf"].append({"type": "string"}),
    "a member of an answer has another type": lambda d: shape(d, "Source")["properties"]["score"].update(type="string"),
    "values of a map of an answer have another type": lambda d: shape(d, "Interaction")["properties"]["metadata"]["additionalProperties"].update(type="integer"),
    "a member of an event is gone": lambda d: shape(d, "MessageDelta")["properties"].pop("text"),
    "an error has another code": lambda d: shape(d, "Error")["properties"]["error"]["properties"]["code"]["enum"].append("teapot"),
    "another success is answered": lambda d: chat(d)["responses"].update({"202": chat(d)["responses"]["200"]}),
    "an answer has a new value": lambda d: shape(d, "Agent")["properties"]["status"]["enum"].append("archived"),
    "an answer's status is another": lambda d: chat(d)["responses"].update({"202": chat(d)["responses"].pop("200")}),
    "an export is gone": lambda d: d["paths"]["/api/interactions"]["get"]["responses"]["200"]["content"].pop("text/csv"),
    "a header may be missing": lambda d: chat(d)["responses"]["200"]["headers"].pop("X-Request-Id"),
    "the version is lower": lambda d: d["info"].update(version="0.9.0"),
}
HARMLESS: Dict[str, Callable[[Dict[str, Any]], Any]] = {
    "a new path": lambda d: d["paths"].update({"/api/new": d["paths"]["/api/chat"]}),
    "a new optional parameter": lambda d: d["paths"]["/api/interactions"]["get"]["parameters"].append({"name": "new", "in": "query", "required": False, "schema": {}}),
    "a new optional member of a body": lambda d: shape(d, "ChatRequest")["properties"].update(new={"type": "string"}),
    "a new member of an answer": lambda d: shape(d, "Source")["properties"].update(new={"type": "string"}),
    "a value more is taken": lambda d: shape(d, "AgentCreate")["properties"]["ragStrategy"]["enum"].append("oak"),
    "an answer is never null any more": lambda d: shape(d, "DataSpec")["properties"]["lastRun"]["anyOf"].pop(),
    "an error that no longer happens": lambda d: chat(d)["responses"].pop("409"),
    "a laxer bound": lambda d: shape(d, "ChatRequest")["properties"]["prompt"].update(maxLength=64_000),
    "another example": lambda d: chat(d).update(summary="Ask"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_breaking_copy_is_refused_unless_its_version_is_raised(raw: Dict[str, Any], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = copy.deepcopy(raw)
    BROKEN[name](broken)
    assert breaks(raw, broken)
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text(json.dumps(raw))
    new.write_text(json.dumps(broken))
    monkeypatch.setattr("sys.argv", ["breaking.py", str(old), str(new)])
    assert main() == 1
    broken["info"]["version"] = f"{int(raw['info']['version'].split('.')[0]) + 1}.0.0"
    new.write_text(json.dumps(broken))
    assert main() == 0


@pytest.mark.parametrize("name", HARMLESS)
def test_an_addition_breaks_nobody(raw: Dict[str, Any], name: str) -> None:
    later = copy.deepcopy(raw)
    HARMLESS[name](later)
    assert breaks(raw, later) == []
