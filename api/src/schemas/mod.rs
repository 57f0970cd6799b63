//! The shapes of answers by name: the OpenAPI document's `components.schemas`, of which the SDKs' types are made.
//!
//! Invariant: a shape lists every member that an answer has (the contract test holds real answers against it); a member that is not always there is named
//! as optional, one that may be `null` says so.

mod administration;
mod agents;
mod answers;
mod dashboard;
mod jobs;
mod knowledge;
mod protocols;
pub mod sources;
mod webhooks;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::problem::Code;

/// Every named shape.
pub fn components() -> BTreeMap<&'static str, Value> {
    let mut all = BTreeMap::new();
    let shared = [
        ("Error", error()),
        ("Problem", problem()),
        ("Pagination", pagination()),
        ("Deleted", shape(&[], json!({"id": {"type": "string"}, "deleted": {"const": true}}))),
        ("Actor", shape(&[], json!({"type": {"enum": ["api_key", "system", "user"]}, "id": {"type": "string"}, "name": {"type": "string"}}))),
        ("Change", change()),
    ];
    all.extend(shared);
    for more in [administration::all(), agents::all(), answers::all(), dashboard::all(), jobs::all(), knowledge::all(), protocols::all(), webhooks::all()] {
        all.extend(more);
    }
    all
}

/// A named shape, as a route's answer refers to it.
pub fn named(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

pub fn list_of(name: &str) -> Value {
    json!({"type": "array", "items": named(name)})
}

/// An object that has all these members, but for the optional ones.
fn shape(optional: &[&str], properties: Value) -> Value {
    let names = properties.as_object().into_iter().flat_map(|members| members.keys());
    let required: Vec<&String> = names.filter(|name| !optional.contains(&name.as_str())).collect();
    json!({"type": "object", "required": required, "properties": properties})
}

/// The same with what it is for.
fn described(description: &str, mut schema: Value) -> Value {
    schema["description"] = description.into();
    schema
}

fn nullable(schema: Value) -> Value {
    json!({"anyOf": [schema, {"type": "null"}]})
}

/// An identifier: its prefix and a UUIDv7 in 26 characters of Crockford's base32.
fn id(prefix: &str) -> Value {
    json!({"type": "string", "pattern": format!("^{prefix}_[0-9a-hjkmnp-tv-z]{{26}}$")})
}

fn time() -> Value {
    json!({"type": "string", "format": "date-time"})
}

fn count() -> Value {
    json!({"type": "integer", "minimum": 0})
}

fn string() -> Value {
    json!({"type": "string"})
}

fn strings() -> Value {
    json!({"type": "array", "items": {"type": "string"}})
}

/// A number from 0 to 1.
fn fraction() -> Value {
    json!({"type": "number", "minimum": 0, "maximum": 1})
}

/// A position of the event log, from 1; 0 is before the first event.
fn position() -> Value {
    described("A position of the event log", count())
}

fn version() -> Value {
    described("Grows by one with each change; the ETag", json!({"type": "integer", "minimum": 1}))
}

fn error() -> Value {
    shape(&[], json!({"status": {"const": "error"}, "error": shape(&["retryAfter"], error_members())}))
}

fn error_members() -> Value {
    let codes: Vec<_> = Code::ALL.iter().map(|code| code.name()).collect();
    json!({
            "code": {"enum": codes, "description": "Carries the meaning"}, "message": described("For people", string()),
            "details": {"type": ["object", "null"], "description": "`fields` of an invalid_request: each `{pointer, reason}`; `requiredScope` of a forbidden; `currentVersion` of a precondition_failed"},
            "requestId": described("Names the request in the server's logs and events", string()),
            "retryAfter": described("Seconds; of a rate_limit_exceeded", count()),
    })
}

fn problem() -> Value {
    let codes: Vec<_> = Code::ALL.iter().map(|code| code.name()).collect();
    let members = json!({
        "type": string(), "title": string(), "status": {"type": "integer", "minimum": 400, "maximum": 599}, "detail": string(), "code": {"enum": codes},
        "details": {"type": ["object", "null"]}, "requestId": string(), "retryAfter": count(),
    });
    described("The same error by RFC 9457, when `Accept` asks for `application/problem+json`", shape(&["retryAfter"], members))
}

fn pagination() -> Value {
    shape(
        &[],
        json!({
            "limit": {"type": "integer", "minimum": 1, "maximum": 200}, "offset": {"type": ["integer", "null"], "minimum": 0, "description": "`null` in a list by cursor"},
            "total": count(), "hasMore": {"type": "boolean"}, "nextCursor": {"type": ["string", "null"], "description": "Opaque; bound to the list and its filters"},
        }),
    )
}

fn change() -> Value {
    shape(&[], json!({"path": described("A JSON pointer", string()), "from": described("Any value", json!({})), "to": described("Any value", json!({}))}))
}
