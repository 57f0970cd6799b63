"""Questions by OpenAI's and MCP's protocols are recorded with their actor like any others."""

from __future__ import annotations

from typing import Any

import httpx
import openai
import pytest

from server import Server
from test_mcp import talk
from twig_ai import Twig

QUESTION = "When are refunds paid?"


def ask_by_openai(server: Server, agent_id: str) -> None:
    with openai.OpenAI(api_key=server.key, base_url=f"{server.url}/v1", max_retries=0) as client:
        list(client.chat.completions.create(model=agent_id, messages=[{"role": "user", "content": QUESTION}], stream=True))


def ask_by_mcp(server: Server, agent_id: str) -> None:
    talk(server, lambda client: client.call_tool("ask_a_question", {"question": QUESTION}), agent_id)


@pytest.mark.parametrize("origin, ask", [("openai", ask_by_openai), ("mcp", ask_by_mcp)])
def test_who_asked_by_another_protocol_stands_in_the_audit_log(server: Server, agent_id: str, origin: str, ask: Any) -> None:
    with Twig(server.key, base_url=server.url) as twig:
        ask(server, agent_id)
        newest = twig.interactions.list(limit=1).page()["data"][0]
        assert (newest["origin"], newest["agentId"], newest["status"]) == (origin, agent_id, "completed")
        events = twig.audit.list(target=newest["id"]).page()["data"]
        assert [event["type"] for event in events] == ["InteractionCompleted", "InteractionStarted"]
        key = next(key for key in twig.api_keys.list() if key["name"] == "tests")
        for event in events:
            assert event["actor"] == {"type": "api_key", "id": key["id"], "name": "tests"}
            assert event["context"]["userAgent"] and event["context"]["requestId"]


@pytest.mark.parametrize("path, body", [("/v1/models", None), ("/mcp", {"jsonrpc": "2.0", "id": 1, "method": "tools/list"})])
def test_another_protocol_is_counted_and_needs_its_scope(server: Server, path: str, body: Any) -> None:
    with Twig(server.key, base_url=server.url) as twig:
        powerless = twig.api_keys.create(name="reader", scopes=["audit:read"])
        headers = {"Authorization": f"Bearer {powerless['key']}"}
        refused = httpx.request("POST" if body else "GET", server.url + path, json=body, headers=headers)
        assert refused.status_code == 403 and int(refused.headers["x-ratelimit-remaining"]) < 100_000
        twig.api_keys.revoke(powerless["id"])
