"""Every snippet of the README, one after the other, as its reader would run them."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Dict

import pytest

from server import Server
from test_examples import SECRET, signed

README = Path(__file__).parent.parent / "README.md"
SNIPPET = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
PAYLOAD = b'{"id": "evt_1", "type": "webhook.test"}'


def test_every_snippet_of_the_readme_runs(server: Server, agent_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWIG_API_KEY", server.key)
    monkeypatch.setenv("TWIG_BASE_URL", server.url)
    # What stands for the reader's own: the key, the server, the agent, and a web framework's request.
    own = {"twigsk_live_…": server.key, "https://twig.example.com": server.url, "agent_…": agent_id, "whsec_…": SECRET}
    names: Dict[str, Any] = {"request": SimpleNamespace(body=PAYLOAD, headers=signed(PAYLOAD))}
    snippets = SNIPPET.findall(README.read_text())
    assert len(snippets) == 4
    for snippet in snippets:
        for placeholder, value in own.items():
            snippet = snippet.replace(placeholder, value)
        # The reader is within an async function where the snippet awaits.
        done = eval(compile(snippet, str(README), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
        if inspect.iscoroutine(done):
            asyncio.run(done)
    assert names["event"]["type"] == "webhook.test" and names["answer"]["answered"]
    names["twig"].close()
