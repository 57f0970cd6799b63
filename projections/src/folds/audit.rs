//! The audit log: every event as who did what to which thing, from where. No personal text and no secret is in it: sealed text stands as the SHA-256 of its
//! ciphertext, so that an erasure changes nothing here, and `hash`, the leaf of the Merkle tree, stays what it was.
//!
//! Invariant: what an event is shown as never changes, for its hash is signed. `context.eventSha256` covers all of the event as it is stored, also what is
//! not shown.

use base64::Engine;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use twig_commands::log::RecordedEvent;

use crate::{
    audit::leaf,
    fold::{FoldError, Row, Rows, Table},
};

/// Members that hold secrets, sealed or hashed.
const SECRETS: [&str; 6] = ["config", "headers", "secret", "secrets", "sha256", "sealed"];
/// Members that repeat texts of documents.
const TEXTS: [&str; 1] = ["snippet"];
/// Members that stand for the event, whose own members are told one by one.
const WHOLES: [&str; 8] = ["settings", "key", "question", "answer", "feedback", "refusals", "export", "receipt"];

pub fn fold(rows: &mut dyn Rows, recorded: &RecordedEvent) -> Result<(), FoldError> {
    let (organization, mut body) = (recorded.meta.organization, shown(recorded));
    let hash = leaf(&body);
    body["hash"] = base64::engine::general_purpose::STANDARD.encode(hash).into();
    body["_leaf"] = rows.append_leaf(organization, hash)?.into();
    let row = Row { parent: None, at: recorded.recorded_at.millis(), sort: recorded.position as i64, body };
    rows.put(Table::AuditEvents, organization, &recorded.event_id.to_string(), row);
    Ok(())
}

/// An event as the audit log shows it, without its hash.
pub fn shown(recorded: &RecordedEvent) -> Value {
    let meta = &recorded.meta;
    let (kind, id) = target(recorded);
    json!({
        "id": recorded.event_id.to_string(), "position": recorded.position, "occurredAt": recorded.recorded_at.to_string(), "type": recorded.event_type, "actor": meta.actor,
        "target": {"type": kind, "id": id}, "action": action(kind, &recorded.event_type), "changes": changes(&recorded.payload),
        "context": {"requestId": meta.correlation_id, "ip": meta.ip, "userAgent": meta.user_agent, "eventSha256": event_sha256(recorded)},
    })
}

/// SHA-256 over the canonical JSON (RFC 8785) of all that is stored of an event.
fn event_sha256(recorded: &RecordedEvent) -> String {
    let whole = json!({
        "position": recorded.position, "eventId": recorded.event_id, "recordedAt": recorded.recorded_at.millis(), "aggregateType": recorded.aggregate_type,
        "aggregateId": recorded.aggregate_id, "version": recorded.version, "type": recorded.event_type, "typeVersion": recorded.event_version,
        "metadata": recorded.meta, "payload": recorded.payload,
    });
    hex(&serde_json_canonicalizer::to_vec(&whole).unwrap_or_default())
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn target(recorded: &RecordedEvent) -> (&'static str, String) {
    let key = recorded.payload["keyId"].as_str().or(recorded.payload["refusals"]["keyId"].as_str());
    let kind = match recorded.aggregate_type.as_str() {
        "Organization" | "Access" if key.is_some() => return ("api_key", key.unwrap_or_default().to_owned()),
        "Organization" => "organization",
        "Agent" => "agent",
        "DataSpec" => "data_spec",
        "Interaction" => "interaction",
        "Webhook" => "webhook",
        "Access" => "data",
        "Erasure" => "erasure",
        "Replay" => "replay",
        _ => "other",
    };
    (kind, recorded.aggregate_id.clone())
}

/// `agent.updated` of `AgentUpdated`: the thing and what became of it.
fn action(target: &str, event_type: &str) -> String {
    let things = ["ApiKey", "Organization", "Agent", "DataSpec", "Data", "Interaction", "Webhook", "Requests", "Erasure", "Replay"];
    let named = things.into_iter().find_map(|thing| event_type.strip_prefix(thing)).filter(|verb| !verb.is_empty());
    let mut verb = String::new();
    for letter in named.unwrap_or(event_type).chars() {
        if letter.is_uppercase() && !verb.is_empty() {
            verb.push('_');
        }
        verb.extend(letter.to_lowercase());
    }
    format!("{target}.{verb}")
}

/// What differs, where the event says so; else every member of the event as new.
fn changes(payload: &Value) -> Value {
    if let Some(listed) = payload["changes"].as_array() {
        let told = |change: &Value| {
            let path = change["path"].as_str().unwrap_or_default();
            let secret = path.split('/').any(|part| SECRETS.contains(&part));
            let show = |value: &Value| if secret { json!("***") } else { scrubbed(value) };
            json!({"path": path, "from": show(&change["from"]), "to": show(&change["to"])})
        };
        return listed.iter().map(told).collect();
    }
    let mut all = Vec::new();
    for (name, value) in payload.as_object().into_iter().flatten().filter(|(name, _)| *name != "type") {
        let members = value.as_object().filter(|_| WHOLES.contains(&name.as_str()));
        match members {
            Some(members) => all.extend(scrub_members(members).into_iter().map(|(name, to)| json!({"path": format!("/{name}"), "from": null, "to": to}))),
            None if SECRETS.contains(&name.as_str()) => all.push(json!({"path": format!("/{name}"), "from": null, "to": "***"})),
            None => all.push(json!({"path": format!("/{name}"), "from": null, "to": scrubbed(value)})),
        }
    }
    all.sort_by(|a, b| a["path"].as_str().cmp(&b["path"].as_str()));
    all.into()
}

fn scrubbed(value: &Value) -> Value {
    match value {
        Value::Object(members) => match members.get("ciphertext").and_then(Value::as_str).filter(|_| members.contains_key("subject")) {
            Some(ciphertext) => json!({ "ciphertextSha256": hex(ciphertext.as_bytes()) }),
            None => Value::Object(scrub_members(members)),
        },
        Value::Array(items) => items.iter().map(scrubbed).collect(),
        plain => plain.clone(),
    }
}

fn scrub_members(members: &Map<String, Value>) -> Map<String, Value> {
    let shown = members.iter().filter(|(name, _)| !TEXTS.contains(&name.as_str()));
    shown.map(|(name, value)| (name.clone(), if SECRETS.contains(&name.as_str()) && !value.is_null() { json!("***") } else { scrubbed(value) })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_the_thing_and_what_became_of_it() {
        assert_eq!(action("agent", "AgentUpdated"), "agent.updated");
        assert_eq!(action("api_key", "ApiKeyIssued"), "api_key.issued");
        assert_eq!(action("data_spec", "ProcessingCompleted"), "data_spec.processing_completed");
        assert_eq!(action("webhook", "WebhookSecretRotated"), "webhook.secret_rotated");
        assert_eq!(action("api_key", "RequestsRefused"), "api_key.refused");
        assert_eq!(action("data", "DataExported"), "data.exported");
        assert_eq!(action("replay", "QuestionReplayed"), "replay.question_replayed");
    }

    #[test]
    fn neither_sealed_text_nor_a_secret_is_told() {
        let told = changes(
            &json!({"type": "X", "question": {"prompt": {"subject": "s", "ciphertext": "c"}, "model": "m"}, "settings": {"config": {"a": 1}}, "secret": {"sealed": "x"}}),
        );
        let text = told.to_string();
        assert!(!text.contains("\"c\"") && !text.contains("sealed") && text.contains("ciphertextSha256"), "{text}");
        let told = changes(&json!({"changes": [{"path": "/config", "from": {"k": "old"}, "to": {"k": "new"}}, {"path": "/name", "from": "a", "to": "b"}]}));
        assert_eq!(told, json!([{"path": "/config", "from": "***", "to": "***"}, {"path": "/name", "from": "a", "to": "b"}]));
    }
}
