"""The pure parts: events from bytes however they are cut, answers sent again, pauses, signatures, and the generated half."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Dict, List

import pytest

import twig_ai
from twig_ai import webhooks
from twig_ai._core import Attempts, Settings, body, error_of, new_session_id, path, query
from twig_ai._sse import AnswerState, SSEDecoder

ROOT = Path(__file__).parent.parent
SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
NOW = 1_700_000_000


def event(number: int, kind: str, **members: Any) -> Dict[str, Any]:
    return {"type": kind, "sequenceNumber": number, **members}


ANSWER = [
    event(0, "message.created", id="int_1", sessionId="s"),
    event(1, "message.sources", sources=[]),
    event(2, "message.delta", text="Grüße, "),
    event(3, "message.delta", text="Welt"),
    event(4, "message.completed", id="int_1", response="Grüße, Welt"),
]


def wire(events: List[Dict[str, Any]], end: str) -> bytes:
    blocks = [f"id: int_1:{one['sequenceNumber']}{end}event: {one['type']}{end}data: {json.dumps(one, ensure_ascii=False)}{end}{end}" for one in events]
    return f": ping{end}{end}".join(blocks).encode()


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 10_000])
def test_events_are_the_same_however_the_bytes_are_cut(end: str, size: int) -> None:
    bytes_, decoder = wire(ANSWER, end) + b"\n", SSEDecoder()
    got = [one for start in range(0, len(bytes_), size) for one in decoder.feed(bytes_[start : start + size])]
    assert got == ANSWER


@pytest.mark.parametrize("cut", range(1, 5))
def test_an_answer_sent_whole_again_with_other_deltas_adds_only_what_is_new(cut: int) -> None:
    state, given = AnswerState(), []
    recorded = ANSWER[:2] + [event(2, "message.delta", text="Grüße, Welt"), event(3, "message.completed", id="int_1", response="Grüße, Welt")]
    for connection in (ANSWER[:cut], recorded):
        state.connected()
        given += [new for one in connection if (new := state.accept(one)) is not None]
    assert [one["sequenceNumber"] for one in given] == list(range(len(given)))
    assert state.text == "Grüße, Welt" and given[-1]["type"] == "message.completed"


def test_a_gap_in_the_numbers_is_a_cut() -> None:
    state = AnswerState()
    state.connected()
    state.accept(ANSWER[0])
    with pytest.raises(ConnectionError):
        state.accept(ANSWER[2])


def test_an_error_event_is_raised_as_its_class() -> None:
    state = AnswerState()
    state.connected()
    state.accept(ANSWER[0])
    with pytest.raises(twig_ai.UpstreamError) as failed:
        state.accept(event(1, "error", code="upstream_error", message="no model", details={"a": 1}, requestId="r"))
    assert (failed.value.status, failed.value.request_id, failed.value.details) == (502, "r", {"a": 1})


def test_pauses_are_jittered_bounded_and_never_before_retry_after() -> None:
    settings = Settings("k", "u", 1, 10, 0.5, {})
    pauses = [[Attempts(settings).delay_after(error_of({}, 500)) or 0.0 for _ in range(1)][0] for _ in range(200)]
    assert 0 <= min(pauses) < 0.1 and 0.4 < max(pauses) <= 0.5
    attempts = Attempts(settings)
    assert all((attempts.delay_after(error_of({}, 503)) or 0) <= 8 for _ in range(10))
    assert attempts.delay_after(error_of({}, 503)) is None
    assert (Attempts(settings).delay_after(error_of({}, 429, {"retry-after": "7"})) or 0) >= 7
    assert Attempts(settings).delay_after(error_of({}, 400)) is None


def test_arguments_become_the_names_and_times_of_the_api() -> None:
    assert body({"agent_id": "a", "top_k": None}) == {"agentId": "a", "topK": None}
    when = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    assert query({"from_": when, "answered": True, "q": None}) == {"from": "2026-01-02T03:04:05.000Z", "answered": "true"}
    assert path("agents", "../x") == "/api/agents/..%2Fx"
    with pytest.raises(ValueError):
        path("agents", "")


def test_a_session_id_is_as_the_server_makes_them() -> None:
    ids = {new_session_id() for _ in range(100)}
    assert len(ids) == 100 and all(re.fullmatch(r"sess_[0-7][0-9a-hjkmnp-tv-z]{25}", id) for id in ids)


def signed(payload: bytes, secret: str = SECRET, at: int = NOW, id: str = "evt_1") -> Dict[str, str]:
    key = base64.b64decode(secret[6:])
    text = base64.b64encode(hmac.new(key, f"{id}.{at}.".encode() + payload, hashlib.sha256).digest()).decode()
    return {"Webhook-Id": id, "Webhook-Timestamp": str(at), "Webhook-Signature": f"v1,AAAA v1,{text} v2,x"}


PAYLOAD = '{"id": "evt_1", "type": "webhook.test", "data": {"ü": 1}}'.encode()


def test_a_signed_webhook_is_given_back() -> None:
    assert webhooks.verify(PAYLOAD, signed(PAYLOAD), SECRET, now=NOW)["type"] == "webhook.test"
    other = "whsec_" + base64.b64encode(b"another").decode()
    assert webhooks.verify(PAYLOAD.decode(), signed(PAYLOAD), [other, SECRET], now=NOW)["id"] == "evt_1"


@pytest.mark.parametrize(
    "payload, headers, secret, now",
    [
        (PAYLOAD + b" ", signed(PAYLOAD), SECRET, NOW),
        (PAYLOAD, signed(PAYLOAD), "whsec_" + base64.b64encode(b"another").decode(), NOW),
        (PAYLOAD, signed(PAYLOAD), "whsec_!", NOW),
        (PAYLOAD, signed(PAYLOAD, "whsec_"), "whsec_", NOW),
        (PAYLOAD, signed(PAYLOAD, "whsec_"), "", NOW),
        (PAYLOAD, signed(PAYLOAD), SECRET, NOW + 301),
        (PAYLOAD, signed(PAYLOAD), SECRET, NOW - 301),
        (PAYLOAD, {**signed(PAYLOAD), "Webhook-Id": "evt_2"}, SECRET, NOW),
        (PAYLOAD, {**signed(PAYLOAD), "Webhook-Timestamp": "soon"}, SECRET, NOW),
        (PAYLOAD, {**signed(PAYLOAD), "Webhook-Signature": "v1,ü"}, SECRET, NOW),
        (PAYLOAD, {}, SECRET, NOW),
        (b"no json", signed(b"no json"), SECRET, NOW),
    ],
)
def test_any_other_webhook_is_refused(payload: bytes, headers: Dict[str, str], secret: str, now: int) -> None:
    with pytest.raises(twig_ai.WebhookVerificationError):
        webhooks.verify(payload, headers, secret, now=now)


def test_the_synchronous_half_is_current() -> None:
    subprocess.run([sys.executable, str(ROOT / "make_sync.py"), "--check"], check=True)
