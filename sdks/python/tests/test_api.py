"""Each resource against the real server."""

from __future__ import annotations

import base64
import hashlib
import uuid
from pathlib import Path
from typing import Any, Set

import httpx
import pytest

import twig_ai
from server import Server

QUESTION = "When are refunds paid?"


@pytest.fixture(scope="session")
def routes(server: Server) -> Set[str]:
    return set(httpx.get(f"{server.url}/openapi.json").json()["paths"])


def needs(routes: Set[str], path: str) -> None:
    if path not in routes:
        pytest.skip(f"the server has no {path} yet")


def test_an_agent_answers_with_its_sources(twig: Any, agent_id: str) -> None:
    answer = twig.chat.create(prompt=QUESTION, agent_id=agent_id, user_id="u1", metadata={"channel": "test"})
    assert "30 days" in answer["response"] and answer["answered"]
    assert answer["sources"][0]["documentTitle"] == "Policy" or answer["sources"][0]["documentTitle"] == "Refunds"


def test_a_session_is_a_conversation(twig: Any, agent_id: str) -> None:
    first = twig.chat.create(prompt=QUESTION, agent_id=agent_id)
    second = twig.chat.create(prompt="And for gifts?", agent_id=agent_id, session_id=first["sessionId"])
    session = twig.sessions.get(first["sessionId"])
    assert [turn["id"] for turn in session["turns"]] == [first["id"], second["id"]]


def test_a_stream_gives_each_event_once_and_its_text_is_the_response(twig: Any, agent_id: str) -> None:
    stream = twig.chat.stream(prompt=QUESTION, agent_id=agent_id)
    events = list(stream)
    assert [event["sequenceNumber"] for event in events] == list(range(len(events)))
    assert (events[0]["type"], events[-1]["type"]) == ("message.created", "message.completed")
    assert stream.text == events[-1]["response"]
    assert stream.final()["id"] == stream.interaction_id


def test_a_stream_can_be_taken_up_by_its_id(twig: Any, agent_id: str) -> None:
    done = twig.chat.stream(prompt=QUESTION, agent_id=agent_id).final()
    assert twig.chat.resume(done["id"]).final() == done


def test_a_search_calls_no_model(twig: Any, agent_id: str) -> None:
    found = twig.semantic_search("refunds", agent_id=agent_id, top_k=3)
    assert "30 days" in found["results"][0]["content"]


def test_an_agent_is_created_changed_restored_and_deleted(twig: Any) -> None:
    agent = twig.agents.create(name="one", system_prompt="Be kind.", description=None)
    changed = twig.agents.update(agent["id"], name="two", system_prompt=None, if_match=agent["version"])
    assert (changed["name"], changed["systemPrompt"], changed["version"]) == ("two", None, 2)
    with pytest.raises(twig_ai.PreconditionFailedError):
        twig.agents.update(agent["id"], name="three", if_match=1)
    assert [version["version"] for version in twig.agents.versions(agent["id"])] == [2, 1]
    assert twig.agents.restore(agent["id"], 1)["systemPrompt"] == "Be kind."
    assert twig.agents.delete(agent["id"]) == {"id": agent["id"], "deleted": True}
    with pytest.raises(twig_ai.NotFoundError):
        twig.agents.get(agent["id"])
    assert twig.agents.get(agent["id"], as_of=agent["createdAt"])["name"] == "one"


def test_files_are_uploaded_and_processed_with_progress(twig: Any, tmp_path: Path) -> None:
    spec = twig.data_specs.create(name="files", type="file", tags=["a"])
    (tmp_path / "a.md").write_text("# Opening hours\n\nThe shop opens at nine o'clock.")
    documents = twig.data_specs.upload_files(spec["id"], [tmp_path / "a.md", ("b.txt", b"The shop closes at six.")])
    assert [document["name"] for document in documents] == ["a.md", "b.txt"]
    seen = []
    run = twig.data_specs.process(spec["id"])
    ended = twig.data_specs.wait_for_run(spec["id"], run["id"], on_progress=seen.append)
    assert ended["status"] == "succeeded" and ended["documents"]["added"] == 2
    assert seen[-1] == ended
    assert [one["id"] for one in twig.data_specs.runs(spec["id"])] == [run["id"]]
    assert {one["id"] for one in twig.data_specs.documents(spec["id"])} == {one["id"] for one in documents}
    with pytest.raises(twig_ai.ConflictError):
        twig.data_specs.cancel_run(spec["id"], run["id"])
    assert twig.data_specs.update(spec["id"], description="both")["description"] == "both"
    assert twig.data_specs.get(spec["id"])["stats"]["documents"] == 2
    twig.data_specs.delete(spec["id"])


def test_lists_page_by_themselves(twig: Any) -> None:
    names = {f"page-{uuid.uuid4()}" for _ in range(5)}
    ids = [twig.agents.create(name=name)["id"] for name in names]
    assert names <= {agent["name"] for agent in twig.agents.list(limit=2)}
    page = twig.agents.list(limit=2).page()
    assert len(page["data"]) == 2 and page["pagination"]["total"] >= 5
    for id in ids:
        twig.agents.delete(id)


def test_interactions_are_listed_read_rated_and_exported(twig: Any, agent_id: str) -> None:
    user = str(uuid.uuid4())
    ids = [twig.chat.create(prompt=QUESTION, agent_id=agent_id, user_id=user)["id"] for _ in range(3)]
    assert {one["id"] for one in twig.interactions.list(user_id=user, limit=2)} == set(ids)
    rated = twig.feedback.create(ids[0], "negative", comment="too short", review_status="inaccurate")
    assert rated["feedback"]["rating"] == "negative"
    assert [one["id"] for one in twig.interactions.list(user_id=user, rating="negative")] == [ids[0]]
    assert {one["id"] for one in twig.interactions.export(user_id=user)} == set(ids)
    rows = b"".join(twig.interactions.export_csv(user_id=user)).decode().splitlines()
    assert rows[0].startswith("id,") and len(rows) == 4
    assert twig.interactions.get(ids[0], include="provenance")["provenance"]["sources"]


def test_keys_are_issued_rotated_and_revoked(twig: Any, make: Any) -> None:
    issued = twig.api_keys.create(name="reader", scopes=["agents:read"])
    reader = make(api_key=issued["key"])
    with pytest.raises(twig_ai.ForbiddenError) as refused:
        reader.agents.create(name="x")
    assert refused.value.details == {"requiredScope": "agents:write"}
    rotated = twig.api_keys.rotate(issued["id"], overlap_seconds=60)
    assert rotated["key"] != issued["key"] and issued["id"] in {key["id"] for key in twig.api_keys.list()}
    twig.api_keys.revoke(issued["id"])
    with pytest.raises(twig_ai.UnauthorizedError):
        make(api_key=rotated["key"]).agents.list().page()


def test_the_organization_has_a_name_and_limits(twig: Any) -> None:
    assert twig.organization.get()["limits"]["perMinute"] == 100000
    assert twig.organization.update(name="acme")["name"] == "acme"


def test_the_audit_log_says_who_did_what(twig: Any) -> None:
    agent = twig.agents.create(name="audited")
    [event] = twig.audit.list(target=agent["id"]).page()["data"]
    assert (event["type"], event["actor"]["type"]) == ("AgentCreated", "api_key")
    assert twig.audit.get(event["id"]) == event
    assert list(twig.audit.export(target=agent["id"])) == [event]
    assert b"AgentCreated" in b"".join(twig.audit.export_csv(target=agent["id"]))


def test_an_audit_event_has_its_proof(twig: Any, routes: Set[str]) -> None:
    needs(routes, "/api/audit/checkpoint")
    agent = twig.agents.create(name="proven")
    [event] = twig.audit.list(target=agent["id"]).page()["data"]
    proof = twig.audit.proof(event["id"])
    assert proof["leafHash"] == event["hash"] and proof["leafIndex"] < proof["treeSize"]
    covered, root = proof["checkpoint"].splitlines()[1:3]
    assert (int(covered), base64.b64decode(root)) == (proof["treeSize"], root_of(proof))
    signed = twig.audit.checkpoint()
    size = int(signed["checkpoint"].splitlines()[1])
    assert size >= proof["treeSize"] and signed["verifierKey"].count("+") >= 2
    consistency = twig.audit.consistency(1, size)
    assert consistency["to"] == size and consistency["hashes"]


def root_of(proof: Any) -> bytes:
    """RFC 9162 §2.1.3.2: the root that the leaf and the path to it come to."""

    def node(left: bytes, right: bytes) -> bytes:
        return hashlib.sha256(b"\x01" + left + right).digest()

    index, last, root = proof["leafIndex"], proof["treeSize"] - 1, base64.b64decode(proof["leafHash"])
    for sibling in map(base64.b64decode, proof["hashes"]):
        if index % 2 or index == last:
            root = node(sibling, root)
            while index % 2 == 0 and index:
                index, last = index // 2, last // 2
        else:
            root = node(root, sibling)
        index, last = index // 2, last // 2
    assert last == 0
    return root


def test_personal_text_is_erased(twig: Any, agent_id: str, routes: Set[str]) -> None:
    needs(routes, "/api/privacy/erasures")
    user = str(uuid.uuid4())
    asked = twig.chat.create(prompt=QUESTION, agent_id=agent_id, user_id=user)
    job = twig.privacy.erasures.create(user_id=user)
    ended = twig.privacy.erasures.wait(job["id"])
    assert (ended["status"], ended["result"]["interactions"], ended["progress"]["done"]) == ("succeeded", 1, ended["progress"]["total"])
    assert twig.privacy.erasures.get(job["id"]) == ended
    erased = twig.interactions.get(asked["id"])
    assert erased["prompt"] is None and erased["erased"]
    with pytest.raises(twig_ai.NotFoundError):
        twig.chat.resume(asked["id"]).final()
    with pytest.raises(twig_ai.InvalidRequestError):
        twig.privacy.erasures.create(user_id=user, session_id="both")


def test_past_questions_are_asked_again(twig: Any, agent_id: str, routes: Set[str]) -> None:
    needs(routes, "/api/interactions/replay")
    twig.chat.create(prompt=QUESTION, agent_id=agent_id)
    job = twig.replays.create(filter={"agentId": agent_id}, patch={"topK": 2}, corpus="current", limit=1)
    ended = twig.replays.wait(job["id"])
    assert (ended["status"], ended["result"]["summary"]["questions"]) == ("succeeded", 1)
    [question] = ended["result"]["questions"]
    assert question["answered"] and question["before"]["answer"]


def test_the_dashboard_counts_what_was_asked(twig: Any, agent_id: str) -> None:
    asked = twig.chat.create(prompt=QUESTION, agent_id=agent_id)
    day = asked["createdAt"][:10]
    dashboard = twig.analytics.dashboard(start_date=day, end_date=day, agent_id=agent_id, granularity="day", timezone="UTC")
    assert dashboard["summary"]["interactions"]["value"] >= 1 and len(dashboard["charts"]["interactions"]) == 1


def test_errors_carry_what_the_server_said(twig: Any, agent_id: str) -> None:
    with pytest.raises(twig_ai.InvalidRequestError) as invalid:
        twig.chat.create(prompt=QUESTION, agent_id=agent_id, temperature=9)
    error = invalid.value
    assert (error.code, error.status, error.attempts) == ("invalid_request", 400, 1)
    assert error.details["fields"][0]["pointer"] == "/temperature"
    assert error.request_id and error.request_id in str(error)


def test_a_question_to_a_draft_is_a_conflict_at_once(twig: Any) -> None:
    draft = twig.agents.create(name="draft", status="draft")
    with pytest.raises(twig_ai.ConflictError) as refused:
        twig.chat.stream(prompt=QUESTION, agent_id=draft["id"]).final()
    assert refused.value.attempts == 1


def test_the_cache_asks_only_whether_a_resource_changed(make: Any, proxy: Any, agent_id: str) -> None:
    twig = make(proxy.url, cache=True)
    first = twig.agents.get(agent_id)
    first["name"] = "mine to change"
    assert twig.agents.get(agent_id)["name"] == "support"
    assert "if-none-match" in proxy.seen[-1].headers


def test_a_key_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TWIG_API_KEY", raising=False)
    with pytest.raises(twig_ai.TwigError):
        twig_ai.Twig()
    monkeypatch.setenv("TWIG_API_KEY", "twigsk_test_x")
    twig_ai.Twig().close()


def test_a_key_is_in_no_representation() -> None:
    with twig_ai.Twig("twigsk_secret") as twig:
        assert "secret" not in repr(twig._transport.settings)
