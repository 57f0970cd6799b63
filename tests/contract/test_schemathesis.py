"""schemathesis with all of its checks over the whole document against the real binary."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Dict

import httpx
import pytest

from server import Server
from twig_ai import Twig

HERE = Path(__file__).parent
#: Generated cases for each operation; the time is the other bound.
MAX_EXAMPLES = 25
#: Uploads are shown with all of their bytes.
MAX_LINE_CHARS = 600


def known(server: Server) -> Dict[str, str]:
    agent = server.prepare()
    with Twig(server.key, base_url=server.url) as twig:
        return {"agentId": agent, "model": agent, "interactionId": twig.chat.create(prompt="When are refunds paid?", agent_id=agent)["id"]}


def test_schemathesis_finds_nothing(server: Server, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    seconds = request.config.getoption("--fuzz-seconds")
    keys = httpx.get(f"{server.url}/api/api-keys", headers={"Authorization": f"Bearer {server.key}"}).json()["data"]
    own = next(key["id"] for key in keys if key["name"] == "tests")
    report = tmp_path / "report.json"
    command = [
        "schemathesis", "run", f"{server.url}/openapi.json", "--header", f"Authorization: Bearer {server.key}", "--checks", "all", "--no-color",
        "--max-examples", str(MAX_EXAMPLES), "--request-timeout", "30", "--workers", "1", "--report", "json", "--report-json-path", str(report),
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(HERE), "TWIG_OWN_KEY_ID": own, "TWIG_KNOWN": json.dumps(known(server))}
    ran = subprocess.run(command, cwd=HERE, env=environment, capture_output=True, text=True, timeout=seconds)
    told = "\n".join(line[:MAX_LINE_CHARS] for line in (ran.stdout + ran.stderr).splitlines())
    assert ran.returncode == 0, told
    assert "returned only 401/403" not in ran.stdout, told
    assert report.exists() and json.loads(report.read_text())
