"""A walk over every operation of the document, in the order in which a user would take them, and over every error.

Each answer is held against the document; what was sent and answered is recorded. A new operation needs a step here: a test says so.
"""

from __future__ import annotations

import socket
import time
from typing import Any, Callable, Dict, List, Optional

import httpx

from document import Document
from normal import Normal

WAIT_S = 30
JSON = "application/json"
PROBLEM = "application/problem+json"
#: Whole documents, which are no examples of themselves.
UNRECORDED = ("getMetrics", "getOpenapiJson", "getDocs")


class Walk:
    def __init__(self, url: str, key: str, document: Document) -> None:
        self.http = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}", "X-Request-Id": "req_01kg8z00000000000000000000"}, timeout=60)
        self.document = document
        self.normal = Normal()
        self.operations: Dict[str, Any] = {}
        self.errors: Dict[str, Any] = {}

    def close(self) -> None:
        self.http.close()

    def call(self, operation_id: str, body: Any = None, *, query: Optional[Dict[str, Any]] = None, files: Any = None, accept: str = JSON, headers: Optional[Dict[str, str]] = None, **path: str) -> Any:
        """Calls an operation that succeeds, records it, and gives its `data` (or what there is instead)."""
        answer = self.send(operation_id, body, query=query, files=files, accept=accept, headers=headers, **path)
        assert answer.status_code < 400, f"{operation_id}: {answer.status_code} {answer.text}"
        media_type = self.document.check(operation_id, answer)
        record = self.operations.setdefault(operation_id, {"responses": {}})
        if (parameters := {**path, **(query or {})}):
            record["parameters"] = {**record.get("parameters", {}), **self.normal(parameters)}
        if body is not None:
            record.setdefault("request", self.normal(body))
        whole = answer.json() if media_type == JSON else answer.text
        if answer.content and operation_id not in UNRECORDED:
            record["responses"].setdefault(media_type, self.normal(whole) if media_type == JSON else self.normal.rows(whole, media_type))
        return whole["data"] if isinstance(whole, dict) and "data" in whole and "status" in whole else whole

    def send(self, operation_id: str, body: Any = None, *, query: Optional[Dict[str, Any]] = None, files: Any = None, accept: str = JSON, headers: Optional[Dict[str, str]] = None, **path: str) -> httpx.Response:
        method, template, _ = self.document.find(operation_id)
        return self.http.request(method, template.format(**path), json=body, params=query, files=files, headers={"Accept": accept, **(headers or {})})

    def refused(self, code: str, operation_id: str, ask: Callable[[Dict[str, str]], httpx.Response]) -> None:
        """Records an error in both of its forms."""
        for media_type in (JSON, PROBLEM):
            answer = ask({"Accept": media_type})
            if code != "method_not_allowed":
                assert self.document.check(operation_id, answer) == media_type
            whole = answer.json()
            assert (whole["error"] if media_type == JSON else whole)["code"] == code, answer.text
            self.errors.setdefault(code, {})[media_type] = self.normal(whole)

    def until(self, get: Callable[[], Any], holds: Callable[[Any], bool]) -> Any:
        """Asks until it holds; the server's background work has no other sign."""
        deadline = time.monotonic() + WAIT_S
        while not holds(seen := get()):
            assert time.monotonic() < deadline, seen
            time.sleep(0.02)
        return seen

    def recorded(self) -> Dict[str, Any]:
        return {"operations": dict(sorted(self.operations.items())), "errors": dict(sorted(self.errors.items()))}


def everything(walk: Walk, hook_url: str, model_failures: List[int]) -> None:
    operations(walk)
    knowledge = data_specs(walk)
    agent = agents(walk, knowledge)
    chat(walk, agent)
    webhooks(walk, hook_url)
    replay(walk, agent)
    administration(walk)
    audit(walk)
    protocols(walk, agent)
    erasure(walk)
    refusals(walk, agent, model_failures)


def operations(walk: Walk) -> None:
    for operation in ("getHealthz", "getReadyz"):
        walk.call(operation)
    for operation in UNRECORDED:
        walk.call(operation, accept="*/*")


def data_specs(walk: Walk) -> str:
    text = {"title": "Refund policy", "content": "Refunds are paid within 30 days of purchase. Gifts can be exchanged within 60 days."}
    spec = walk.call("postDataSpecs", {"name": "policies", "type": "text", "config": text, "tags": ["help"]})["id"]
    run = walk.call("postDataSpecsIdProcess", id=spec)["id"]
    walk.until(lambda: walk.http.get(f"/api/data-specs/{spec}/runs/{run}").json()["data"], lambda run: run["status"] == "succeeded")
    walk.call("getDataSpecsIdRunsRun", id=spec, run=run)
    walk.call("getDataSpecsIdRuns", id=spec, query={"limit": 1})
    walk.call("getDataSpecsIdDocuments", id=spec, query={"limit": 1})
    walk.call("putDataSpecsId", {"description": "What customers may expect"}, id=spec)
    walk.call("getDataSpecsId", id=spec)
    walk.call("getDataSpecs", query={"limit": 1})
    files = walk.call("postDataSpecs", {"name": "handbook", "type": "file"})["id"]
    walk.call("postDataSpecsIdFiles", files=[("file", ("hours.md", b"# Opening hours\n\nThe shop opens at nine."))], id=files)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        # A site that never answers has a run that is there to be canceled.
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        site = walk.http.post("/api/data-specs", json={"name": "site", "type": "website", "config": {"url": url}}).json()["data"]["id"]
        crawl = walk.http.post(f"/api/data-specs/{site}/process").json()["data"]["id"]
        walk.until(lambda: walk.http.get(f"/api/data-specs/{site}/runs/{crawl}").json()["data"], lambda run: run["heartbeatAt"])
        walk.call("postDataSpecsIdRunsRunCancel", id=site, run=crawl)
    walk.call("deleteDataSpecsId", id=files)
    return spec


def agents(walk: Walk, spec: str) -> str:
    settings = {"name": "support", "dataSpecs": [{"id": spec, "tier": 1}], "responseStyle": "concise"}
    first = ""
    for resource in ("AiAgentManagers", "Agents"):
        agent = walk.call(f"post{resource}", settings)["id"]
        walk.call(f"put{resource}Id", {"systemPrompt": "Answer in one sentence."}, id=agent)
        walk.call(f"post{resource}IdRestore", {"version": 1}, id=agent)
        walk.call(f"get{resource}IdVersions", id=agent, query={"limit": 1})
        walk.call(f"get{resource}Id", id=agent)
        walk.call(f"get{resource}", query={"limit": 1})
        first = first or agent
        if agent != first:
            walk.call(f"delete{resource}Id", id=agent)
    other = walk.http.post("/api/agents", json={"name": "old"}).json()["data"]["id"]
    walk.call("deleteAiAgentManagersId", id=other)
    return first


def chat(walk: Walk, agent: str) -> None:
    question = {"prompt": "When are refunds paid?", "agentId": agent, "sessionId": "ticket-4711", "userId": "u-17", "metadata": {"channel": "web"}}
    answer = walk.call("postChat", question)
    walk.call("postChat", {**question, "stream": True}, accept="text/event-stream")
    interaction = answer["id"]
    walk.call("getInteractionsIdStream", id=interaction, accept="text/event-stream")
    walk.call("getSessionsId", id="ticket-4711")
    walk.call("postSemanticSearch", {"query": "refunds", "agentId": agent, "topK": 1})
    walk.call("postInteractionsFeedback", {"interactionId": interaction, "rating": "positive", "comment": "Just what I needed", "reviewStatus": "accurate"})
    walk.call("getInteractionsId", id=interaction, query={"include": "provenance,history"})
    answered = {"agentId": agent, "rating": "positive"}
    walk.call("getInteractions", query={**answered, "limit": 1})
    for media_type in ("text/csv", "application/x-ndjson"):
        walk.call("getInteractions", query=answered, accept=media_type)
    day = answer["createdAt"][:10]
    walk.call("getAnalyticsChartsDashboard", query={"startDate": day, "endDate": day, "granularity": "day", "timezone": "UTC", "agentId": agent})


def webhooks(walk: Walk, hook_url: str) -> None:
    hook = walk.call("postWebhooks", {"url": hook_url, "events": ["interaction.*", "datasource.failed"], "description": "tickets"})["id"]
    walk.call("putWebhooksId", {"headers": {"X-Team": "support"}}, id=hook)
    walk.call("getWebhooksId", id=hook)
    walk.call("getWebhooks", query={"limit": 1})
    delivery = walk.call("postWebhooksIdTest", id=hook)["id"]
    walk.until(lambda: walk.http.get(f"/api/webhooks/deliveries/{delivery}").json()["data"], lambda delivery: delivery["status"] == "succeeded")
    walk.call("getWebhooksDeliveriesId", id=delivery)
    walk.call("getWebhooksIdDeliveries", id=hook, query={"status": "succeeded", "limit": 1})
    walk.call("postWebhooksIdRetryFailed", {"since": "2026-01-01T00:00:00Z"}, id=hook)
    walk.call("postWebhooksDeliveriesIdRetry", id=delivery)
    walk.call("postWebhooksIdRotateSecret", {"overlapSeconds": 3600}, id=hook)
    walk.call("postWebhooksIdReplay", {"fromPosition": 1, "types": ["interaction.completed"]}, id=hook)
    walk.call("deleteWebhooksId", id=hook)


def administration(walk: Walk) -> None:
    key = walk.call("postApiKeys", {"name": "reporting", "scopes": ["analytics:read"]})["id"]
    walk.call("getApiKeysId", id=key)
    walk.call("getApiKeys", query={"limit": 1})
    walk.call("postApiKeysIdRotate", {"overlapSeconds": 3600}, id=key)
    walk.call("deleteApiKeysId", id=key)
    walk.call("putOrganizationsCurrent", {"name": "acme"})
    walk.call("getOrganizationsCurrent")


def replay(walk: Walk, agent: str) -> None:
    plan = {"filter": {"agentId": agent, "sessionId": "ticket-4711"}, "patch": {"topK": 2}, "corpus": "current", "limit": 1}
    ended(walk, walk.call("postInteractionsReplay", plan)["id"], "getInteractionsReplaysId", "/api/interactions/replays")


def erasure(walk: Walk) -> None:
    ended(walk, walk.call("postPrivacyErasures", {"userId": "u-17"})["id"], "getPrivacyErasuresId", "/api/privacy/erasures")


def ended(walk: Walk, job: str, operation_id: str, collection: str) -> None:
    seen = walk.until(lambda: walk.http.get(f"{collection}/{job}").json()["data"], lambda seen: seen["status"] in ("succeeded", "failed"))
    assert seen["status"] == "succeeded", seen
    walk.call(operation_id, id=job)


def audit(walk: Walk) -> None:
    event = walk.call("getAuditEvents", query={"type": "AgentUpdated", "limit": 1})[0]["id"]
    walk.call("getAuditEventsId", id=event)
    for media_type in ("text/csv", "application/x-ndjson"):
        walk.call("getAuditEvents", query={"type": "ApiKeyRevoked"}, accept=media_type)
    assert walk.call("getAuditEventsIdProof", id=event)["treeSize"] > 1
    walk.call("getAuditCheckpoint")
    walk.call("getAuditConsistency", query={"from": 1, "to": 2})


def protocols(walk: Walk, agent: str) -> None:
    walk.call("postV1ChatCompletions", {"model": agent, "messages": [{"role": "user", "content": "When are refunds paid?"}]})
    walk.call("getV1Models")
    walk.call("getV1ModelsId", id=agent)
    call = {"name": "ask_a_question", "arguments": {"question": "When are refunds paid?", "agentId": agent}}
    walk.call("postMcp", {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call})
    walk.call("postMcp", {"jsonrpc": "2.0", "method": "notifications/initialized"})


def refusals(walk: Walk, agent: str, model_failures: List[int]) -> None:
    """Every error that a client can bring about; 500 and 504 need a broken store or a slow model, and are shown by the tests of the API."""
    send, http = walk.send, walk.http
    ask = {"prompt": "When?", "agentId": agent}
    walk.refused("invalid_request", "postAgents", lambda accept: send("postAgents", {"temperature": 9}, headers=accept))
    walk.refused("unauthorized", "getAgents", lambda accept: send("getAgents", headers={**accept, "Authorization": "Bearer nonsense"}))
    key = http.post("/api/api-keys", json={"name": "reader", "scopes": ["agents:read"]}).json()["data"]["key"]
    walk.refused("forbidden", "postAgents", lambda accept: send("postAgents", {"name": "x"}, headers={**accept, "Authorization": f"Bearer {key}"}))
    walk.refused("not_found", "getAgentsId", lambda accept: send("getAgentsId", id="agent_01kg8z00000000000000000099", headers=accept))
    walk.refused("method_not_allowed", "getAgents", lambda accept: http.delete("/api/agents", headers=accept))
    draft = http.post("/api/agents", json={"name": "draft", "status": "draft"}).json()["data"]["id"]
    walk.refused("conflict", "postChat", lambda accept: send("postChat", {**ask, "agentId": draft}, headers=accept))
    walk.refused("precondition_failed", "putAgentsId", lambda accept: send("putAgentsId", {"name": "x"}, id=agent, headers={**accept, "If-Match": '"99"'}))
    big = "x" * (1 << 20)
    walk.refused("payload_too_large", "postChat", lambda accept: send("postChat", {**ask, "prompt": big}, headers=accept))
    walk.refused("unsupported_media_type", "postChat", lambda accept: http.post("/api/chat", content=b"<x/>", headers={**accept, "Content-Type": "text/xml"}))
    assert send("postAgents", {"name": "once"}, headers={"Idempotency-Key": "k1"}).status_code == 201
    walk.refused("idempotency_mismatch", "postAgents", lambda accept: send("postAgents", {"name": "twice"}, headers={**accept, "Idempotency-Key": "k1"}))
    words = http.post("/api/agents", json={"name": "words", "model": "double", "dataSpecIds": [http.get(f"/api/agents/{agent}").json()["data"]["dataSpecs"][0]["id"]]})
    asked = {"prompt": "When are refunds paid?", "agentId": words.json()["data"]["id"]}

    def fails(accept: Dict[str, str]) -> httpx.Response:
        model_failures.extend([500] * 5)
        answer = send("postChat", asked, headers=accept)
        model_failures.clear()
        return answer

    walk.refused("upstream_error", "postChat", fails)
    walk.refused("unavailable", "getAgents", lambda accept: send("getAgents", headers={**accept, "X-Twig-Min-Position": "999999999"}))
