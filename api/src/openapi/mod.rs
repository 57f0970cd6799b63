//! The OpenAPI 3.1 document, made from the route table: the schemas it shows are the schemas that requests are checked by, its examples are answers that a
//! test run got from the real binary.

mod examples;
mod headers;
mod operation;
pub mod page;

use serde_json::{Map, Value, json};

use crate::{
    problem::Code,
    route::{Route, Takes, table},
    schemas,
};

/// The contract's version; a change that breaks clients raises it.
const CONTRACT_VERSION: &str = "1.0.0";

const DESCRIPTION: &str = "Agents over an organization's own documents, with cited answers.

Every request to a route with a scope carries `Authorization: Bearer twigsk_…`. Every answer has an `X-Request-Id`, every authenticated one its rate limits, \
every write the position it reached in `X-Twig-Position`. A read that must see a write of another client sends that position as `X-Twig-Min-Position` and \
waits for it (bounded, then 503 with `Retry-After`). Any POST takes an `Idempotency-Key`. `traceparent` (W3C Trace Context) is honoured. Unknown fields of a \
body and unknown query parameters are a 400; a method that a path does not have is a 405 with `Allow`; `http://` on the redirect port answers 301.";

/// What the operations are grouped by: the start of the path, the name, what it is about.
const TAGS: [(&str, &str, &str); 14] = [
    ("/api/chat", "Chat", "Questions to an agent, answered whole or as a stream"),
    ("/api/semantic-search", "Search", "Passages that fit a query; no model, nothing recorded"),
    ("/api/ai-agent-managers", "Agents", "How questions are answered, over which data specs; every change is a version"),
    ("/api/agents", "Agents (alias)", "The same resource as `/api/ai-agent-managers`"),
    ("/api/data-specs", "Data specs", "Sources of documents, their uploads, runs and documents"),
    ("/api/interactions", "Interactions", "What was asked and answered: list, export, feedback, provenance, replay"),
    ("/api/sessions", "Sessions", "Conversations"),
    ("/api/analytics", "Analytics", "The dashboard's figures"),
    ("/api/webhooks", "Webhooks", "Endpoints that are told what happens, by Standard Webhooks 1.0, and their deliveries"),
    ("/api/audit", "Audit", "Who did what, and the proof that nothing was changed since"),
    ("/api/privacy", "Privacy", "Erasure of personal text"),
    ("/api/", "Organization", "API keys, plan and limits"),
    ("/v1/", "OpenAI", "Chat completions and models in OpenAI's shapes: `model` is an agent's id"),
    ("/mcp", "MCP", "The Model Context Protocol over Streamable HTTP"),
];
const OPERATIONS_TAG: (&str, &str) = ("Operations", "What those who run it ask, and this document");

#[must_use]
pub fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    let mut shapes: Map<String, Value> = schemas::components().into_iter().map(|(name, shape)| (name.to_owned(), shape)).collect();
    let table = table();
    for route in &table {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.as_str().to_ascii_lowercase()] = operation::operation(route);
        if let Takes::Json(body) | Takes::OptionalJson(body) = &route.takes
            && let Some(title) = body["title"].as_str()
        {
            shapes.insert(title.to_owned(), body.clone());
        }
    }
    let used = |name: &str| table.iter().any(|route| tag(route) == name);
    let tags = TAGS.iter().map(|(_, name, about)| (*name, *about)).chain([OPERATIONS_TAG]).filter(|(name, _)| used(name));
    let errors: Map<String, Value> = Code::ALL.into_iter().map(|code| (operation::error_name(code), operation::error(code))).collect();
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Twig AI REST API", "version": CONTRACT_VERSION, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}, "description": DESCRIPTION},
        "servers": [{"url": "/"}],
        "tags": tags.map(|(name, about)| json!({"name": name, "description": about})).collect::<Vec<_>>(),
        "paths": paths,
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "An API key: twigsk_live_… or twigsk_test_…"}},
            "schemas": shapes, "responses": errors, "headers": headers::components(), "parameters": headers::parameters(),
        },
    })
}

/// The group that a route is shown in.
fn tag(route: &Route) -> &'static str {
    TAGS.iter().find(|(start, ..)| route.path.starts_with(start)).map_or(OPERATIONS_TAG.0, |(_, name, _)| name)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn every_operation_has_a_name_of_its_own() {
        let names: Vec<String> = table().iter().map(operation::operation_id).collect();
        let mut unique = names.clone();
        unique.sort();
        unique.dedup();
        assert_eq!(names.len(), unique.len());
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_shape_is_used() {
        let document = document();
        let mut named = std::collections::BTreeSet::new();
        references(&document, &mut named);
        for reference in &named {
            assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
        }
        let shapes = document["components"]["schemas"].as_object().unwrap();
        // A webhook's message is what the server sends, not what a route answers.
        let unused: Vec<_> = shapes.keys().filter(|name| *name != "WebhookMessage" && !named.contains(&format!("#/components/schemas/{name}"))).collect();
        assert!(unused.is_empty(), "{unused:?}");
    }

    fn references(value: &Value, found: &mut std::collections::BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
                members.values().for_each(|member| references(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
}
