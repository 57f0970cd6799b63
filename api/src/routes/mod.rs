//! One file a resource: its schemas, its handlers, its rows of the route table.

pub(crate) mod again;
mod agents;
mod analytics;
mod api_keys;
mod audit;
pub(crate) mod chat;
mod data_specs;
mod deliveries;
mod files;
mod interactions;
mod mcp;
mod openai;
mod operations;
mod organization;
mod privacy;
mod replay;
mod runs;
mod search;
mod sessions;
mod stream;
pub(crate) mod webhooks;

use serde::Deserialize;

use crate::route::Route;

pub fn add_all(all: &mut Vec<Route>) {
    chat::routes(all);
    search::routes(all);
    agents::routes(all);
    data_specs::routes(all);
    files::routes(all);
    runs::routes(all);
    interactions::routes(all);
    stream::routes(all);
    sessions::routes(all);
    analytics::routes(all);
    audit::routes(all);
    privacy::routes(all);
    replay::routes(all);
    api_keys::routes(all);
    organization::routes(all);
    webhooks::routes(all);
    deliveries::routes(all);
    openai::routes(all);
    mcp::routes(all);
    operations::routes(all);
}

/// A string schema with bounds counted in characters.
pub(crate) fn text(min: u32, max: u32) -> serde_json::Value {
    serde_json::json!({"type": "string", "minLength": min, "maxLength": max})
}

/// The same, of which something shows.
pub(crate) fn not_blank(max: u32) -> serde_json::Value {
    serde_json::json!({"type": "string", "minLength": 1, "maxLength": max, "pattern": r"\S"})
}

/// The same, or `null`, which clears the field.
pub(crate) fn optional_text(max: u32) -> serde_json::Value {
    serde_json::json!({"type": ["string", "null"], "maxLength": max})
}

/// An object that has these members and no others.
pub(crate) fn object(required: &[&str], properties: serde_json::Value) -> serde_json::Value {
    serde_json::json!({"type": "object", "additionalProperties": false, "required": required, "properties": properties})
}

/// An object that has exactly one of the members that are named, and any of its others.
pub(crate) fn one_of(names: &[&str], properties: serde_json::Value) -> serde_json::Value {
    let mut schema = object(&[], properties);
    schema["oneOf"] = names.iter().map(|name| serde_json::json!({"required": [name]})).collect();
    schema
}

/// An open object, for the documentation of an answer.
pub(crate) fn answer(properties: &[&str]) -> serde_json::Value {
    let properties: serde_json::Map<_, _> = properties.iter().map(|name| ((*name).to_owned(), serde_json::json!({}))).collect();
    let required: Vec<_> = properties.keys().cloned().collect();
    serde_json::json!({"type": "object", "required": required, "properties": properties})
}

/// A body's schema with the name that it has in the document and in the SDKs.
pub(crate) fn titled(title: &str, mut schema: serde_json::Value) -> serde_json::Value {
    schema["title"] = title.into();
    schema
}

/// An RFC 3339 time.
pub(crate) fn time() -> serde_json::Value {
    serde_json::json!({"type": "string", "format": "date-time"})
}

/// A day (YYYY-MM-DD) or an RFC 3339 time.
pub(crate) fn date_query() -> serde_json::Value {
    serde_json::json!({"anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}]})
}

/// The state at a time or a position of the log.
pub(crate) fn as_of() -> [(&'static str, serde_json::Value); 1] {
    let description = "An RFC 3339 time or a position: the state at that moment";
    [(
        "asOf",
        serde_json::json!({"anyOf": [{"type": "integer", "minimum": 0, "maximum": crate::request::MAX_WHOLE_NUMBER}, time()], "description": description}),
    )]
}

/// A member that may be missing (`None`) or `null` (`Some(None)`).
pub(crate) fn present<'de, T: serde::Deserialize<'de>, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(from).map(Some)
}
