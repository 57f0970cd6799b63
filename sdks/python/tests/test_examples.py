"""Each example as its reader runs it: a process of its own against the real server."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import subprocess
import sys
import time
import uuid
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Dict, List

import httpx

from server import Server
from twig_ai import Twig

EXAMPLES = Path(__file__).parent.parent / "examples"
SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
TIMEOUT_S = 60


def run(server: Server, name: str, *arguments: str, input: str = "", **environment: str) -> "subprocess.CompletedProcess[str]":
    variables = {**os.environ, "TWIG_API_KEY": server.key, "TWIG_BASE_URL": server.url, **environment}
    command: List[str] = [sys.executable, str(EXAMPLES / name), *arguments]
    return subprocess.run(command, input=input, env=variables, capture_output=True, text=True, timeout=TIMEOUT_S, check=True)


def test_the_support_bot_holds_a_conversation(server: Server, agent_id: str) -> None:
    printed = run(server, "support_bot.py", input="When are refunds paid?\n\nAnd gifts?\n", TWIG_AGENT_ID=agent_id).stdout
    assert "30 days" in printed and "[1] " in printed
    with Twig(server.key, base_url=server.url) as twig:
        newest = twig.interactions.list(limit=1).page()["data"][0]
        assert len(twig.sessions.get(newest["sessionId"])["turns"]) == 2


def test_the_bulk_upload_says_what_became_of_each_file(server: Server, tmp_path: Path) -> None:
    for number in range(25):
        (tmp_path / f"{number}.md").write_text(f"# Note {number}\n\nThe number of this note is {number}.")
    printed = run(server, "bulk_upload.py", str(tmp_path)).stdout
    assert printed.count("uploaded ") == 25 and "succeeded: 25 of 25 documents" in printed


def test_the_nightly_export_has_the_days_interactions(server: Server, agent_id: str, tmp_path: Path) -> None:
    with Twig(server.key, base_url=server.url) as twig:
        asked = twig.chat.create(prompt="When are refunds paid?", agent_id=agent_id)
    day = asked["createdAt"][:10]
    run(server, "nightly_export.py", str(tmp_path), day)
    lines = [json.loads(line) for line in (tmp_path / f"interactions-{day}.ndjson").read_text().splitlines()]
    assert asked["id"] in {line["id"] for line in lines}
    assert not list(tmp_path.glob("*.part"))


def signed(payload: bytes) -> Dict[str, str]:
    id, now = f"evt_{uuid.uuid4()}", str(int(time.time()))
    digest = hmac.new(base64.b64decode(SECRET[6:]), f"{id}.{now}.".encode() + payload, hashlib.sha256).digest()
    return {"webhook-id": id, "webhook-timestamp": now, "webhook-signature": "v1," + base64.b64encode(digest).decode()}


def test_the_webhook_receiver_does_a_signed_event_once_and_refuses_others() -> None:
    environment = {**os.environ, "TWIG_WEBHOOK_SECRET": SECRET}
    receiver: Any = subprocess.Popen([sys.executable, str(EXAMPLES / "webhook_receiver.py")], stdout=subprocess.PIPE, text=True, env=environment)
    try:
        url = receiver.stdout.readline().split()[-1]
        payload = json.dumps({"id": "evt_1", "type": "webhook.test", "timestamp": datetime.now(timezone.utc).isoformat()}).encode()
        headers = signed(payload)
        assert [httpx.post(url, content=payload, headers=headers).status_code for _ in range(2)] == [204, 204]
        assert httpx.post(url, content=payload + b" ", headers=headers).status_code == 400
    finally:
        receiver.terminate()
        printed, _ = receiver.communicate(timeout=TIMEOUT_S)
    assert printed.count("webhook.test evt_1") == 1 and printed.count("refused") == 1
