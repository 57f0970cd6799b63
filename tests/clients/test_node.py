"""The official `openai` package of npm; `test_webhooks.py` tries its `standardwebhooks`."""

from __future__ import annotations

from node import run_node
from server import Server


def test_openai_of_npm_holds_a_streamed_conversation(server: Server, agent_id: str) -> None:
    run_node("openai.cjs", TWIG_URL=server.url, TWIG_KEY=server.key, TWIG_AGENT=agent_id)
