//! Given events, then rows.

use serde_json::{Value, json};
use twig_domain::Sealed;

use super::{id, organization, plain, sample, stream};
use crate::fold::{FoldError, MemoryRows, Opener, Projection, Row, Rows, Table};

fn fold_with(projection: Projection, aggregate: &str, prefix: &str, payloads: &[Value], open: Opener) -> Result<MemoryRows, FoldError> {
    let mut rows = MemoryRows::default();
    for recorded in stream(aggregate, &id(prefix), payloads) {
        projection.fold(&mut rows, &recorded, &recorded.event()?, open)?;
    }
    Ok(rows)
}

fn fold(projection: Projection, aggregate: &str, prefix: &str, payloads: &[Value]) -> MemoryRows {
    fold_with(projection, aggregate, prefix, payloads, &|sealed: &Sealed| Some(sealed.ciphertext.clone())).unwrap()
}

fn row(rows: &mut MemoryRows, table: Table, id: &str) -> Row {
    rows.need(table, organization(), id).unwrap()
}

#[test]
fn every_update_of_an_agent_is_a_version() {
    let mut rows = fold(Projection::Agents, "Agent", "agent", &[plain("AgentCreated"), plain("AgentUpdated"), plain("AgentDeleted")]);
    let agent = row(&mut rows, Table::Agents, &id("agent"));
    assert_eq!((agent.parent.as_deref(), &agent.body["version"], &agent.body["topK"]), (Some("deleted"), &json!(3), &json!(8)));
    let versions: Vec<_> = (1..=2).map(|version| row(&mut rows, Table::AgentVersions, &format!("{}:{version}", id("agent"))).body).collect();
    assert_eq!((&versions[0]["restoredFrom"], &versions[1]["restoredFrom"]), (&Value::Null, &json!(1)));
    assert_eq!(versions[1]["changes"], json!([{"path": "/topK", "from": 4, "to": 8}]));
}

#[test]
fn a_completed_run_shows_in_its_data_spec() {
    let events = ["DataSpecCreated", "ProcessingRequested", "ProcessingStarted", "ProcessingCompleted", "EmbeddingSwitched"].map(plain);
    let mut rows = fold(Projection::DataSpecs, "DataSpec", "ds", &events);
    let spec = row(&mut rows, Table::DataSpecs, &id("ds")).body;
    assert_eq!(
        (&spec["status"], &spec["stats"]["chunks"], &spec["embedding"]["model"], &spec["version"]),
        (&json!("active"), &json!(40), &json!("minilm"), &json!(5))
    );
    let run = row(&mut rows, Table::Runs, &id("run")).body;
    assert_eq!((&run["status"], &run["documents"]["added"], &run["progress"]["documentsSeen"]), (&json!("succeeded"), &json!(3), &json!(7)));
    assert!(run["startedAt"].as_str() < run["finishedAt"].as_str());
}

#[test]
fn a_canceled_run_leaves_the_data_spec_as_it_was() {
    let events = ["DataSpecCreated", "ProcessingRequested", "ProcessingCanceled"].map(plain);
    let mut rows = fold(Projection::DataSpecs, "DataSpec", "ds", &events);
    assert_eq!(row(&mut rows, Table::DataSpecs, &id("ds")).body["status"], "pending");
    assert_eq!(row(&mut rows, Table::Runs, &id("run")).body["status"], "canceled");
}

#[test]
fn a_failed_run_says_why() {
    let events = ["DataSpecCreated", "ProcessingRequested", "ProcessingStarted", "ProcessingFailed"].map(plain);
    let mut rows = fold(Projection::DataSpecs, "DataSpec", "ds", &events);
    assert_eq!(row(&mut rows, Table::DataSpecs, &id("ds")).body["status"], "failed");
    let run = row(&mut rows, Table::Runs, &id("run")).body;
    assert_eq!((&run["reason"], &run["errors"][0]["stage"]), (&json!("The site does not answer"), &json!("parse")));
}

#[test]
fn a_file_of_the_same_document_takes_the_old_ones_place() {
    let newer = sample("FilesAdded", json!({"files": [{"documentId": id("doc"), "name": "leave.docx", "sha256": "00", "bytes": 7}]}));
    let mut rows = fold(Projection::DataSpecs, "DataSpec", "ds", &[plain("DataSpecCreated"), plain("FilesAdded"), newer]);
    let files = &row(&mut rows, Table::DataSpecs, &id("ds")).body["_files"];
    assert_eq!((files.as_array().unwrap().len(), &files[0]["bytes"]), (1, &json!(7)));
}

#[test]
fn an_interaction_shows_its_answer_and_its_newest_feedback() {
    let events = ["InteractionStarted", "InteractionCompleted", "FeedbackSubmitted"].map(plain);
    let mut rows = fold(Projection::Interactions, "Interaction", "int", &events);
    let interaction = row(&mut rows, Table::Interactions, &id("int"));
    let body = &interaction.body;
    assert_eq!((&body["status"], &body["prompt"], &body["response"]), (&json!("completed"), &json!("cXVlc3Rpb24="), &json!("YW5zd2Vy")));
    assert_eq!((&body["feedback"]["comment"], &body["reviewStatus"], &body["version"]), (&json!("Y29tbWVudA=="), &json!("edited"), &json!(3)));
    assert_eq!(body["createdAt"], "2026-10-01T08:00:00.000Z", "an import keeps the time it was asked at");
    assert_eq!(row(&mut rows, Table::Feedback, &format!("{}:3", id("int"))).body["rating"], "negative");
}

#[test]
fn erased_words_are_null_and_say_so() {
    let events = ["InteractionStarted", "InteractionCompleted", "FeedbackSubmitted"].map(plain);
    let mut rows = fold_with(Projection::Interactions, "Interaction", "int", &events, &|_| None).unwrap();
    let body = row(&mut rows, Table::Interactions, &id("int")).body;
    for member in ["/prompt", "/response", "/userId", "/feedback/comment", "/feedback/correctedResponse"] {
        assert_eq!(body.pointer(member), Some(&Value::Null), "{member}");
    }
    assert_eq!((&body["erased"], &body["answered"]), (&json!(true), &json!(true)));
}

#[test]
fn a_failed_interaction_says_its_error() {
    let mut rows = fold(Projection::Interactions, "Interaction", "int", &["InteractionStarted", "InteractionFailed"].map(plain));
    let body = row(&mut rows, Table::Interactions, &id("int")).body;
    assert_eq!((&body["status"], &body["error"]["code"], &body["latencyMs"]), (&json!("failed"), &json!("upstream_timeout"), &json!(30_000)));
}

#[test]
fn a_rotated_key_is_found_by_both_hashes_and_a_revoked_one_by_none() {
    let (old, new) = ("ab".repeat(32), "cd".repeat(32));
    let given = ["OrganizationRegistered", "ApiKeyIssued", "ApiKeyRotated"].map(plain);
    let mut rows = fold(Projection::Organizations, "Organization", "org", &given);
    assert_eq!(row(&mut rows, Table::KeyHashes, &old).body["validUntil"], "2026-11-25T00:00:00.000Z");
    assert_eq!(row(&mut rows, Table::KeyHashes, &new).body["validUntil"], Value::Null);
    let all = [&given[..], &[plain("ApiKeyRevoked")]].concat();
    let mut rows = fold(Projection::Organizations, "Organization", "org", &all);
    for (table, id) in [(Table::KeyHashes, &old), (Table::KeyHashes, &new), (Table::ApiKeys, &id("key"))] {
        assert_eq!(rows.get(table, organization(), id).unwrap(), None);
    }
}

#[test]
fn an_organization_shows_its_newest_name_and_plan() {
    let mut rows = fold(Projection::Organizations, "Organization", "org", &["OrganizationRegistered", "OrganizationRenamed", "PlanChanged"].map(plain));
    let body = row(&mut rows, Table::Organizations, &id("org")).body;
    assert_eq!((&body["name"], &body["plan"], &body["limits"]["perMinute"]), (&json!("Acme Ltd"), &json!("enterprise"), &json!(1000)));
}

#[test]
fn an_event_of_what_was_never_created_is_refused() {
    for (projection, aggregate, prefix, event) in [
        (Projection::Agents, "Agent", "agent", "AgentUpdated"),
        (Projection::DataSpecs, "DataSpec", "ds", "ProcessingStarted"),
        (Projection::Interactions, "Interaction", "int", "InteractionCompleted"),
        (Projection::Organizations, "Organization", "org", "PlanChanged"),
    ] {
        assert!(matches!(fold_with(projection, aggregate, prefix, &[plain(event)], &|_| None), Err(FoldError::Missing { .. })), "{event}");
    }
}
