//! Keys, the organization and the audit log.

use serde_json::{Value, json};
use twig_domain::organization::Scope;

use super::{count, described, id, list_of, named, nullable, position, shape, string, time};

pub fn all() -> Vec<(&'static str, Value)> {
    let mut with_secret = api_key();
    with_secret["key"] = described("The key itself, in this answer only", json!({"type": "string", "pattern": "^twigsk_(live|test)_"}));
    vec![
        ("ApiKey", shape(&[], api_key())),
        ("ApiKeyWithSecret", shape(&[], with_secret)),
        ("Organization", organization()),
        ("AuditEvent", audit_event()),
        ("AuditProof", audit_proof()),
        ("AuditCheckpoint", audit_checkpoint()),
        ("AuditConsistency", shape(&[], json!({"from": count(), "to": count(), "hashes": {"type": "array", "items": string()}}))),
        ("Health", shape(&[], json!({"status": {"const": "ok"}}))),
        ("Readiness", readiness()),
    ]
}

fn api_key() -> Value {
    let scopes: Vec<_> = Scope::ALL.iter().map(|scope| scope.name()).collect();
    json!({
        "id": id("key"), "name": string(), "scopes": {"type": "array", "items": {"enum": scopes}}, "expiresAt": nullable(time()), "test": {"type": "boolean"},
        "lastFour": string(), "version": super::version(), "createdAt": time(), "updatedAt": time(),
    })
}

fn organization() -> Value {
    shape(
        &[],
        json!({
            "id": id("org"), "name": string(), "plan": {"enum": ["free", "pro", "enterprise"]}, "limits": shape(&[], json!({"perMinute": count(), "perDay": count()})),
            "usage": described("Of the limits, this request counted", shape(&[], json!({"minute": count(), "today": count()}))), "version": super::version(),
            "createdAt": time(), "updatedAt": time(),
        }),
    )
}

fn audit_event() -> Value {
    let text = || json!({"type": ["string", "null"]});
    described(
        "Who did what to which thing, from where; without personal text and secrets",
        shape(
            &[],
            json!({
                "id": id("evt"), "position": position(), "occurredAt": time(), "type": string(), "actor": named("Actor"), "target": shape(&[], json!({"type": string(), "id": string()})),
                "action": string(), "changes": list_of("Change"), "context": shape(&[], json!({"requestId": text(), "ip": text(), "userAgent": text(), "eventSha256": string()})),
                "hash": described("The RFC 6962 leaf hash in base64", string()),
            }),
        ),
    )
}

fn audit_proof() -> Value {
    let hashes = json!({"type": "array", "items": string(), "description": "The path to the root, in base64"});
    described(
        "That an event is a leaf of the tree whose root is signed (RFC 6962)",
        shape(&[], json!({"leafIndex": count(), "treeSize": count(), "leafHash": string(), "hashes": hashes, "checkpoint": string()})),
    )
}

fn audit_checkpoint() -> Value {
    let hand_overs = json!({"type": "array", "items": string(), "description": "The notes by which each key of the server handed over to the next"});
    described(
        "A signed note (C2SP tlog-checkpoint) and the key that checks it",
        shape(&[], json!({"checkpoint": string(), "verifierKey": string(), "handOvers": hand_overs})),
    )
}

fn readiness() -> Value {
    let answers = || json!({"type": "boolean"});
    shape(
        &[],
        json!({
            "status": {"enum": ["ready", "not_ready"]}, "stores": {"type": "object", "additionalProperties": answers()},
            "projections": shape(&[], json!({"lagEvents": count(), "deadEvents": count()})), "position": position(),
        }),
    )
}
