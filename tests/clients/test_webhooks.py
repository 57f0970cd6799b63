"""Deliveries verified by the official `standardwebhooks` packages of PyPI and npm, and by the SDK."""

from __future__ import annotations

import json
from typing import Any, Dict, Iterator, List

import pytest
import standardwebhooks

from node import run_node
from receiver import Receiver
from server import Server
from twig_ai import Twig, webhooks


@pytest.fixture
def twig(server: Server) -> Iterator[Twig]:
    with Twig(server.key, base_url=server.url) as twig:
        yield twig


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()


def verified(body: bytes, headers: Dict[str, str], secret: str) -> Dict[str, Any]:
    """The event, by each of the three libraries."""
    event: Dict[str, Any] = standardwebhooks.Webhook(secret).verify(body, headers)
    assert webhooks.verify(body, headers, secret) == event
    assert json.loads(run_node("webhook.cjs", json.dumps({"body": body.decode(), "headers": headers, "secret": secret}))) == event
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(secret).verify(body + b" ", headers)
    assert headers["webhook-id"] == event["id"] and len(body) < 20_000
    assert set(event) == {"id", "type", "timestamp", "organizationId", "sequence", "data"}
    return event


def test_a_test_event_is_delivered_and_signed(twig: Twig, receiver: Receiver) -> None:
    hook = twig.webhooks.create(url=receiver.url, events=["webhook.test"])
    assert hook["secret"].startswith("whsec_")
    twig.webhooks.test(hook["id"])
    assert verified(*receiver.next(), hook["secret"])["type"] == "webhook.test"
    assert "secret" not in twig.webhooks.get(hook["id"])
    twig.webhooks.delete(hook["id"])


def test_a_chat_makes_its_events(twig: Twig, receiver: Receiver, agent_id: str) -> None:
    hook = twig.webhooks.create(url=receiver.url, events=["interaction.*"], filter={"agentIds": [agent_id]})
    answer = twig.chat.create(prompt="When are refunds paid?", agent_id=agent_id)
    twig.feedback.create(answer["id"], "positive")
    events: List[Dict[str, Any]] = [verified(*receiver.next(), hook["secret"]) for _ in range(3)]
    assert {event["type"] for event in events} == {"interaction.created", "interaction.completed", "interaction.feedback"}
    assert len({event["sequence"] for event in events}) == len({event["id"] for event in events}) == 3
    assert len(list(twig.webhooks.deliveries(hook["id"]))) == 3
    twig.webhooks.delete(hook["id"])


def test_both_secrets_sign_while_one_is_rotated(twig: Twig, receiver: Receiver) -> None:
    hook = twig.webhooks.create(url=receiver.url, events=["webhook.test"])
    rotated = twig.webhooks.rotate_secret(hook["id"], overlap_seconds=3600)
    twig.webhooks.test(hook["id"])
    body, headers = receiver.next()
    assert verified(body, headers, hook["secret"]) == verified(body, headers, rotated["secret"])
    twig.webhooks.delete(hook["id"])


def test_a_delivery_that_is_sent_again_has_the_same_id(twig: Twig, receiver: Receiver) -> None:
    hook = twig.webhooks.create(url=receiver.url, events=["webhook.test"])
    twig.webhooks.test(hook["id"])
    first = verified(*receiver.next(), hook["secret"])
    [delivery] = twig.webhooks.deliveries(hook["id"])
    twig.webhooks.retry_delivery(delivery["id"])
    assert verified(*receiver.next(), hook["secret"]) == first
    twig.webhooks.delete(hook["id"])
