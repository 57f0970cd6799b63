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
mod runs;
mod search;
mod sessions;
mod stream;
mod webhooks;

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

/// The same, or `null`, which clears the field.
pub(crate) fn optional_text(max: u32) -> serde_json::Value {
    serde_json::json!({"type": ["string", "null"], "maxLength": max})
}

/// An object that has these members and no others.
pub(crate) fn object(required: &[&str], properties: serde_json::Value) -> serde_json::Value {
    serde_json::json!({"type": "object", "additionalProperties": false, "required": required, "properties": properties})
}

/// An open object, for the documentation of an answer.
pub(crate) fn answer(properties: &[&str]) -> serde_json::Value {
    let properties: serde_json::Map<_, _> = properties.iter().map(|name| ((*name).to_owned(), serde_json::json!({}))).collect();
    let required: Vec<_> = properties.keys().cloned().collect();
    serde_json::json!({"type": "object", "required": required, "properties": properties})
}

/// A member that may be missing (`None`) or `null` (`Some(None)`).
pub(crate) fn present<'de, T: serde::Deserialize<'de>, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(from).map(Some)
}
