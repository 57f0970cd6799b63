//! The audit log: every event as who did what to which thing, from where. No personal text and no secret is in it: sealed text stands as the SHA-256 of its
//! ciphertext, so that an erasure changes nothing here, and `hash` (RFC 6962 §2.1, a leaf's hash) stays what it was.

use base64::Engine;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use twig_commands::log::RecordedEvent;

use crate::fold::{Row, Rows, Table};

/// Members that hold secrets, sealed or hashed.
const SECRETS: [&str; 6] = ["config", "headers", "secret", "secrets", "sha256", "sealed"];
/// Members that repeat texts of documents.
const TEXTS: [&str; 1] = ["snippet"];
const LEAF_PREFIX: [u8; 1] = [0];

pub fn fold(rows: &mut dyn Rows, recorded: &RecordedEvent) {
    let (meta, id) = (&recorded.meta, recorded.event_id.to_string());
    let (target, target_id) = target(recorded);
    let mut body = json!({
        "id": id, "position": recorded.position, "occurredAt": recorded.recorded_at.to_string(), "type": recorded.event_type, "actor": meta.actor,
        "target": {"type": target, "id": target_id}, "action": action(target, &recorded.event_type), "changes": changes(&recorded.payload),
        "context": {"requestId": meta.correlation_id, "ip": meta.ip, "userAgent": meta.user_agent},
    });
    body["hash"] = leaf_hash(&body).into();
    let row = Row { parent: None, at: recorded.recorded_at.millis(), sort: recorded.position as i64, body };
    rows.put(Table::AuditEvents, meta.organization, &id, row);
}

/// Base64 of SHA-256 over 0x00 and the canonical JSON (RFC 8785).
fn leaf_hash(body: &Value) -> String {
    let canonical = serde_json_canonicalizer::to_vec(body).unwrap_or_default();
    base64::engine::general_purpose::STANDARD.encode(Sha256::new().chain_update(LEAF_PREFIX).chain_update(canonical).finalize())
}

fn target(recorded: &RecordedEvent) -> (&'static str, String) {
    let key = recorded.payload["keyId"].as_str().filter(|_| recorded.aggregate_type == "Organization");
    let kind = match recorded.aggregate_type.as_str() {
        "Organization" if key.is_some() => "api_key",
        "Organization" => "organization",
        "Agent" => "agent",
        "DataSpec" => "data_spec",
        "Interaction" => "interaction",
        "Webhook" => "webhook",
        _ => "other",
    };
    (kind, key.map_or_else(|| recorded.aggregate_id.clone(), str::to_owned))
}

/// `agent.updated` of `AgentUpdated`: the thing and what became of it.
fn action(target: &str, event_type: &str) -> String {
    let named = ["ApiKey", "Organization", "Agent", "DataSpec", "Interaction", "Webhook"].into_iter().find_map(|thing| event_type.strip_prefix(thing));
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
        let members = value.as_object().filter(|_| ["settings", "key", "question", "answer", "feedback"].contains(&name.as_str()));
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
            Some(ciphertext) => {
                let hash: String = Sha256::digest(ciphertext).iter().map(|byte| format!("{byte:02x}")).collect();
                json!({ "ciphertextSha256": hash })
            }
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

    #[test]
    fn the_hash_is_of_a_leaf() {
        // RFC 6962 §2.1: SHA-256 of 0x00 and the entry; here the entry is `{}`.
        let expected = Sha256::digest([0, b'{', b'}']);
        assert_eq!(leaf_hash(&json!({})), base64::engine::general_purpose::STANDARD.encode(expected));
    }
}
