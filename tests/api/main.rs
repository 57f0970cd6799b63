//! The API through HTTP, against the real binary.
#![expect(clippy::unwrap_used, reason = "tests")]

mod audit;
mod begin;
mod bodies;
mod errors;
mod eventstore;
mod idempotency;
mod layers;
mod lists;
mod mcp;
mod privacy;
mod quickstart;
mod replay;
mod streams;
mod tls;
mod traces;

use serde_json::{Value, json};
use twig_tests::{Api, Server};

fn start() -> (tempfile::TempDir, Server, Api) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), &[]);
    let api = server.organization("tests");
    (folder, server, api)
}

fn text_spec(server: &Server, api: &Api, title: &str, content: &str) -> String {
    let spec = api.ok(server, "POST", "/api/data-specs", Some(&json!({"name": title, "type": "text", "config": {"title": title, "content": content}})), 201);
    let spec = spec["id"].as_str().unwrap().to_owned();
    let run = api.process(server, &spec);
    assert_eq!(api.ended(server, &spec, &run)["status"], "succeeded");
    spec
}

/// A path of the route table with these identifiers in it.
fn filled(path: &str, owned: &Value) -> String {
    let of = |prefix: &str| owned[prefix].as_str().unwrap().to_owned();
    let id = match path.split('/').nth(2).unwrap_or_default() {
        "webhooks" if path.contains("/deliveries/{id}") => of("dlv"),
        "webhooks" => of("wh"),
        "audit" => of("evt"),
        "privacy" => of("erasure"),
        "interactions" if path.contains("/replays/") => of("replay"),
        "models" => of("agent"),
        "agents" | "ai-agent-managers" => of("agent"),
        "data-specs" => of("ds"),
        "interactions" => of("int"),
        "sessions" => of("sess"),
        "api-keys" => of("key"),
        other => other.to_owned(),
    };
    path.replace("{id}", &id).replace("{run}", &of("run"))
}

fn things(server: &Server, api: &Api) -> Value {
    let spec = text_spec(server, api, "Refund policy", "Refunds are granted within thirty days of purchase.");
    let agent = api.ok(server, "POST", "/api/agents", Some(&json!({"name": "a", "dataSpecIds": [spec]})), 201);
    let answer = api.ok(server, "POST", "/api/chat", Some(&json!({"prompt": "Within how many days are refunds granted?", "agentId": agent["id"]})), 200);
    let run = api.ok(server, "GET", &format!("/api/data-specs/{spec}/runs"), None, 200)[0]["id"].clone();
    let key = api.ok(server, "GET", "/api/api-keys", None, 200)[0]["id"].clone();
    let hook = api.ok(server, "POST", "/api/webhooks", Some(&json!({"url": "https://8.8.8.8/hook", "events": ["agent.*"], "status": "paused"})), 201);
    let sent = api.ok(server, "POST", &format!("/api/webhooks/{}/test", hook["id"].as_str().unwrap()), None, 202);
    let event = api.ok(server, "GET", "/api/audit/events", None, 200)[0]["id"].clone();
    let replay = api.ok(server, "POST", "/api/interactions/replay", Some(&json!({"agentVersion": 1})), 202);
    let erasure = api.ok(server, "POST", "/api/privacy/erasures", Some(&json!({"userId": "nobody"})), 202);
    json!({"replay": replay["id"], "erasure": erasure["id"], "wh": hook["id"], "dlv": sent["id"], "evt": event, "agent": agent["id"], "ds": spec, "int": answer["id"], "sess": answer["sessionId"], "run": run, "key": key})
}

/// A body that passes the route's checks, so that what follows decides.
fn body(path: &str, owned: &Value) -> Value {
    if path == "/api/webhooks/{id}" {
        return json!({"description": "x"});
    }
    if path == "/api/interactions/replay" {
        return json!({"agentVersion": 1});
    }
    match path.rsplit('/').next().unwrap_or_default() {
        "erasures" => json!({"userId": "nobody"}),
        "restore" => json!({"version": 1}),
        "{id}" | "current" => json!({"name": "x"}),
        "feedback" => json!({"interactionId": owned["int"], "rating": "positive"}),
        "chat" => json!({"prompt": "q", "agentId": owned["agent"]}),
        "replay" => json!({"fromPosition": 1}),
        "semantic-search" => json!({"query": "q", "agentId": owned["agent"]}),
        _ => json!({}),
    }
}

/// Every row of the route table: a new route cannot be forgotten.
#[test]
fn every_route_hides_what_is_foreign_and_names_the_scope_it_needs() {
    let (_folder, server, api) = start();
    let owned = things(&server, &api);
    let stranger = server.organization("strangers");
    let mut tried = 0;
    for (method, path, scopes) in twig_api::route_list() {
        let (method, address) = (method.as_str().to_owned(), filled(path, &owned));
        let sent = (method != "GET" && method != "DELETE").then(|| body(path, &owned));
        if scopes.is_empty() {
            continue;
        }
        tried += 1;
        let without = Api { key: "twigsk_live_nonsense".into(), ..api.clone() };
        assert_eq!(without.request(&server, &method, &address, sent.as_ref()).status(), 401, "{method} {path} without a key");
        let other = if scopes.contains(&"audit:read") { "webhooks:write" } else { "audit:read" };
        let powerless = api.with_key(server.key(&api.org, other));
        let refused = powerless.request(&server, &method, &address, sent.as_ref());
        assert_eq!(refused.status(), 403, "{method} {path} without its scope");
        let refused: Value = refused.json().unwrap();
        assert!(scopes.contains(&refused["error"]["details"]["requiredScope"].as_str().unwrap()), "{refused}");
        let names_something = path.contains('{') || ["/api/chat", "/api/interactions/feedback", "/api/semantic-search"].contains(&path);
        if names_something {
            assert_eq!(stranger.request(&server, &method, &address, sent.as_ref()).status(), 404, "{method} {path} with another organization's key");
        }
    }
    assert!(tried > 25, "the route table is read: {tried}");
}

#[test]
fn an_answer_is_cited_recorded_and_explained() {
    let (_folder, server, api) = start();
    let owned = things(&server, &api);
    let id = owned["int"].as_str().unwrap();
    let interaction = api.ok(&server, "GET", &format!("/api/interactions/{id}?include=provenance,history"), None, 200);
    assert!(interaction["response"].as_str().unwrap().contains("thirty days"));
    assert_eq!(interaction["provenance"]["sources"][0]["text"], "Refunds are granted within thirty days of purchase.");
    assert_eq!(interaction["provenance"]["positions"].as_array().unwrap().len(), 2);
    assert_eq!(interaction["provenance"]["agent"]["name"], "a");
    let unanswered = api.ok(&server, "POST", "/api/chat", Some(&json!({"prompt": "Zygomorphic quaternion brouhaha sphinx?", "agentId": owned["agent"]})), 200);
    assert_eq!((&unanswered["answered"], &unanswered["sources"]), (&json!(false), &json!([])));
}

#[test]
fn a_limit_is_exact_and_outlives_a_kill() {
    let (_folder, mut server, api) = start();
    let org = server.cli(&["orgs", "create", "small", "--plan", "free", "--per-minute", "1000", "--per-day", "5"]);
    let small = api.with_key(server.key(org["id"].as_str().unwrap(), "admin"));
    let ask = |server: &Server| small.request(server, "GET", "/api/agents", None).status().as_u16();
    assert_eq!([ask(&server), ask(&server), ask(&server)], [200, 200, 200]);
    server.restart();
    assert_eq!([ask(&server), ask(&server), ask(&server)], [200, 200, 429]);
}

#[test]
fn a_rebuilt_projection_is_the_live_one_row_for_row() {
    let (_folder, server, api) = start();
    things(&server, &api);
    for name in ["organizations", "agents", "data_specs", "interactions"] {
        let rebuilt = server.cli(&["projections", "rebuild", name]);
        assert_eq!(rebuilt["differingRows"], 0, "{name}");
        server.cli(&["projections", "switch", name]);
        server.cli(&["projections", "drop", name]);
    }
    assert_eq!(api.ok(&server, "GET", "/api/agents", None, 200).as_array().unwrap().len(), 1);
}

#[test]
fn a_backup_brings_everything_back() {
    if !twig_tests::stores::on_files() {
        return;
    }
    let (folder, mut server, api) = start();
    let owned = things(&server, &api);
    let file = folder.path().join("backup.db");
    server.cli(&["backup", file.to_str().unwrap()]);
    assert_eq!(server.stop(), 0);
    server.cli(&["restore", file.to_str().unwrap(), "--force"]);
    server.restart();
    let again = api.ok(&server, "POST", "/api/chat", Some(&json!({"prompt": "Within how many days are refunds granted?", "agentId": owned["agent"]})), 200);
    assert!(again["response"].as_str().unwrap().contains("thirty days"));
}
