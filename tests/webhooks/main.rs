//! Webhooks against receivers that are processes of their own: thousands of messages under kills beside sick endpoints, history, and targets that are up to no good.
#![expect(clippy::unwrap_used, reason = "tests")]

mod delivery;
mod endurance;
mod hostile;
mod processes;
mod receiver;

use serde_json::{Value, json};
use twig_tests::{Api, Server};

const SERVE: [&str; 5] = ["serve", "--embeddings", "static", "--webhook-allow-http", "true"];

fn start(arguments: &[&str], variables: &[(&str, &str)]) -> (tempfile::TempDir, Server, Api) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::run_with(&folder.path().join("data"), &[&SERVE, arguments].concat(), variables);
    let api = server.organization("webhooks");
    (folder, server, api)
}

/// Registers a webhook and answers its id.
fn register(server: &Server, api: &Api, url: &str, events: &[&str]) -> String {
    api.ok(server, "POST", "/api/webhooks", Some(&json!({"url": url, "events": events})), 201)["id"].as_str().unwrap().to_owned()
}

fn agent(server: &Server, api: &Api, name: &str) -> String {
    api.ok(server, "POST", "/api/agents", Some(&json!({"name": name})), 201)["id"].as_str().unwrap().to_owned()
}

/// A page of a webhook's deliveries, with its pagination.
fn deliveries(server: &Server, api: &Api, webhook: &str, query: &str) -> Value {
    api.request(server, "GET", &format!("/api/webhooks/{webhook}/deliveries?{query}"), None).json().unwrap()
}

/// The one delivery of a webhook, once it has an attempt.
fn attempted(server: &Server, api: &Api, webhook: &str) -> Value {
    twig_tests::eventually(|| {
        let delivery = deliveries(server, api, webhook, "limit=1")["data"].get(0)?.clone();
        (!delivery["attempts"].as_array()?.is_empty()).then_some(delivery)
    })
}
