"""The official MCP client over Streamable HTTP: the tools, the agents as resources, and a refusal without a key."""

from __future__ import annotations

import asyncio
from typing import Any, Awaitable, Callable, Dict, Optional

import httpx
import pytest
from mcp import Client
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client

from server import Server

QUESTION = "When are refunds paid?"


def talk(server: Server, use: Callable[[Client], Awaitable[Any]], agent_id: Optional[str] = None, mode: str = "auto") -> Any:
    headers: Dict[str, str] = {"Authorization": f"Bearer {server.key}"}
    if agent_id:
        headers["X-Twig-Agent-Id"] = agent_id

    async def run() -> Any:
        async with create_mcp_http_client(headers=headers) as http:
            async with Client(streamable_http_client(f"{server.url}/mcp", http_client=http), mode=mode) as client:
                return await use(client)

    return asyncio.run(asyncio.wait_for(run(), 30))


def text(result: Any) -> str:
    return "".join(getattr(part, "text", "") for part in result.content)


def test_the_tools_are_listed_with_their_arguments(server: Server) -> None:
    tools = {tool.name: tool for tool in talk(server, lambda client: client.list_tools()).tools}
    assert set(tools) == {"search_knowledge", "ask_a_question"}
    assert set(tools["search_knowledge"].input_schema["properties"]) == {"query", "agentId"}
    assert set(tools["ask_a_question"].input_schema["properties"]) == {"question", "agentId"}
    assert tools["search_knowledge"].description and tools["ask_a_question"].description


@pytest.mark.parametrize("by_header", [False, True])
@pytest.mark.parametrize("tool, argument", [("search_knowledge", "query"), ("ask_a_question", "question")])
def test_a_tool_answers_from_the_documents(server: Server, agent_id: str, tool: str, argument: str, by_header: bool) -> None:
    arguments = {argument: QUESTION, **({} if by_header else {"agentId": agent_id})}
    result = talk(server, lambda client: client.call_tool(tool, arguments), agent_id if by_header else None)
    assert not result.is_error and "30 days" in text(result)


def test_several_questions_go_over_one_connection(server: Server, agent_id: str) -> None:
    async def converse(client: Client) -> Any:
        first = await client.call_tool("ask_a_question", {"question": QUESTION})
        return first, await client.call_tool("ask_a_question", {"question": "And what of gifts?"})

    first, second = talk(server, converse, agent_id)
    assert "30 days" in text(first) and "60 days" in text(second)


@pytest.mark.parametrize("mode, revision", [("legacy", "2025-11-25"), ("auto", "2026-07-28"), ("2026-07-28", "2026-07-28")])
def test_every_way_of_agreeing_on_a_revision_ends_in_an_answer(server: Server, agent_id: str, mode: str, revision: str) -> None:
    async def ask(client: Client) -> Any:
        return client.protocol_version, await client.call_tool("ask_a_question", {"question": QUESTION}), await client.list_resources()

    agreed, result, resources = talk(server, ask, agent_id, mode)
    assert agreed == revision and "30 days" in text(result) and resources.resources


def test_agents_are_resources(server: Server, agent_id: str) -> None:
    async def read(client: Client) -> Any:
        listed = (await client.list_resources()).resources
        return listed, await client.read_resource(f"twig://{agent_id}")

    listed, contents = talk(server, read)
    assert f"twig://{agent_id}" in {str(resource.uri).rstrip("/") for resource in listed}
    assert agent_id in contents.contents[0].text


def test_an_unknown_agent_is_an_error_of_the_tool_or_of_the_call(server: Server) -> None:
    async def ask(client: Client) -> str:
        try:
            result = await client.call_tool("ask_a_question", {"question": QUESTION, "agentId": "agent_00000000000000000000000000"})
        except Exception as error:
            return str(error)
        assert result.is_error
        return text(result)

    assert "not found" in talk(server, ask)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer twigsk_live_wrong"}])
def test_without_a_valid_key_nothing_is_said(server: Server, headers: Dict[str, str]) -> None:
    accept = {"Accept": "application/json, text/event-stream"}
    refused = httpx.post(f"{server.url}/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, headers={**accept, **headers})
    assert refused.status_code == 401 and refused.headers["www-authenticate"].startswith("Bearer")
