"""The keyword arguments of what is sent against the OpenAPI document; the types of what is answered are made of it by make_types.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict

import pytest

from twig_ai import types

SHAPES: Dict[str, Any] = json.loads((Path(__file__).parents[3] / "schemas" / "openapi.json").read_text())["components"]["schemas"]
FIELDS = {
    "AgentCreate": types.AgentFields,
    "AgentUpdate": types.AgentUpdate,
    "DataSpecCreate": types.DataSpecFields,
    "DataSpecUpdate": types.DataSpecUpdate,
    "WebhookCreate": types.WebhookFields,
    "WebhookUpdate": types.WebhookUpdate,
    "ChatRequest": types.ChatFields,
}
#: What the methods decide and not the caller, and what never changes of a thing.
LEFT_OUT = {"ChatRequest": {"stream", "semanticSearchOnly"}, "DataSpecUpdate": {"type"}}


def camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.title() for word in rest)


@pytest.mark.parametrize("name", FIELDS)
def test_every_member_of_a_body_can_be_given(name: str) -> None:
    given = {camel(member) for kind in FIELDS[name].__mro__ for member in getattr(kind, "__annotations__", {})} | {camel(m) for m in FIELDS[name].__annotations__}
    assert given == set(SHAPES[name]["properties"]) - LEFT_OUT.get(name, set())
