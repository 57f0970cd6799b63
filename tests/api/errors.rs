//! Every error of API §1 through HTTP, in both of its forms.

use std::time::Duration;

use reqwest::{
    blocking::{RequestBuilder, Response},
    header::HeaderMap,
};
use serde_json::{Value, json};
use twig_tests::{Api, Server, eventually, log, model::Model};

use crate::{start, text_spec, things};

/// A code and its status, as the contract has them.
#[derive(Clone, Copy)]
struct Code(&'static str, u16);

const INVALID_REQUEST: Code = Code("invalid_request", 400);
const UNAUTHORIZED: Code = Code("unauthorized", 401);
const FORBIDDEN: Code = Code("forbidden", 403);
const NOT_FOUND: Code = Code("not_found", 404);
const METHOD_NOT_ALLOWED: Code = Code("method_not_allowed", 405);
const CONFLICT: Code = Code("conflict", 409);
const PRECONDITION_FAILED: Code = Code("precondition_failed", 412);
const PAYLOAD_TOO_LARGE: Code = Code("payload_too_large", 413);
const UNSUPPORTED_MEDIA_TYPE: Code = Code("unsupported_media_type", 415);
const IDEMPOTENCY_MISMATCH: Code = Code("idempotency_mismatch", 422);
const RATE_LIMIT_EXCEEDED: Code = Code("rate_limit_exceeded", 429);
const INTERNAL_ERROR: Code = Code("internal_error", 500);
const UPSTREAM_ERROR: Code = Code("upstream_error", 502);
const UNAVAILABLE: Code = Code("unavailable", 503);
const UPSTREAM_TIMEOUT: Code = Code("upstream_timeout", 504);

/// An error as a client met it.
struct Met {
    headers: HeaderMap,
    error: Value,
}

impl Met {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("{name} is missing: {:?}", self.headers)).to_str().unwrap()
    }

    fn pointers(&self) -> Vec<&str> {
        self.error["details"]["fields"].as_array().unwrap().iter().map(|field| field["pointer"].as_str().unwrap()).collect()
    }
}

/// Sends a request twice, as `application/json` and as `application/problem+json`, and checks all that holds for every error.
fn met(code: Code, request: impl Fn() -> RequestBuilder) -> Met {
    let Code(code, status) = code;
    let envelope = request().header("x-request-id", "the-request.1").send().unwrap();
    assert_eq!(envelope.headers()["content-type"], "application/json");
    let (headers, body) = parts(envelope, status);
    assert_eq!(body["status"], "error", "{body}");
    let error = body["error"].clone();
    assert_eq!((&error["code"], &error["requestId"]), (&json!(code), &json!("the-request.1")), "{body}");
    assert!(error.get("details").is_some() && !error["message"].as_str().unwrap().is_empty(), "{body}");
    for inside in ["SELECT", "sqlite", "/home", "/tmp", "panicked", ".rs", "no such table"] {
        assert!(!body.to_string().contains(inside), "{inside} is nobody's business: {body}");
    }

    let problem = request().header("accept", "application/problem+json").header("x-request-id", "x".repeat(129)).send().unwrap();
    assert_eq!(problem.headers()["content-type"], "application/problem+json");
    let (again, body) = parts(problem, status);
    assert_eq!((&body["status"], &body["code"], &body["requestId"]), (&json!(status), &json!(code), &json!(again["x-request-id"].to_str().unwrap())));
    assert!(["type", "title", "detail", "details"].iter().all(|member| body.get(member).is_some()) && body.get("error").is_none(), "{body}");
    assert_ne!(again["x-request-id"], "x".repeat(129), "an identifier that is too long is replaced");
    assert_eq!(body.get("retryAfter").is_some(), error.get("retryAfter").is_some(), "{body}");
    Met { headers, error }
}

fn parts(response: Response, status: u16) -> (HeaderMap, Value) {
    let (got, headers) = (response.status().as_u16(), response.headers().clone());
    let body: Value = response.json().unwrap();
    assert_eq!(got, status, "{body}");
    assert_eq!(headers["x-request-id"].to_str().unwrap().len().clamp(1, 128), headers["x-request-id"].len());
    (headers, body)
}

/// A client's request, made anew as often as it is needed.
fn asking<'a>(server: &'a Server, api: &'a Api, method: &'a str, path: &'a str) -> impl Fn() -> RequestBuilder + 'a {
    move || api.http.request(method.parse().unwrap(), format!("{}{path}", server.url)).bearer_auth(&api.key)
}

fn sending<'a>(server: &'a Server, api: &'a Api, method: &'a str, path: &'a str, body: &'a Value) -> impl Fn() -> RequestBuilder + 'a {
    move || asking(server, api, method, path)().json(body)
}

#[test]
fn a_request_that_is_not_valid_has_every_offence_named() {
    let (_folder, server, api) = start();
    for body in ["{", "", "[]", "null", "{\"name\": \"a\"} x", "{\"name\": \"\u{1}\"}"] {
        let sent = || asking(&server, &api, "POST", "/api/agents")().header("content-type", "application/json").body(body);
        met(INVALID_REQUEST, sent);
    }
    let wrong = json!({"naem": "x", "temperature": 3, "topK": "8", "a/b~c": 1, "dataSpecs": [{"id": "ds_x", "colour": 1}]});
    let met_fields = met(INVALID_REQUEST, sending(&server, &api, "POST", "/api/agents", &wrong));
    let mut pointers = met_fields.pointers();
    pointers.sort_unstable();
    assert_eq!(pointers, ["/a~1b~0c", "/dataSpecs/0/colour", "/naem", "/name", "/temperature", "/topK"]);
    assert!(met_fields.headers.contains_key("x-ratelimit-remaining"), "an authenticated error has its limits");

    let unknown = met(INVALID_REQUEST, asking(&server, &api, "GET", "/api/agents?colour=red"));
    assert_eq!(unknown.pointers(), ["/colour"]);
    for query in ["limit=0", "limit=201", "limit=-1", "limit=ten", "limit=", "offset=-1", "offset=x", "cursor=nonsense", "offset=1&cursor=x", "limit=1&limit=2"]
    {
        met(INVALID_REQUEST, asking(&server, &api, "GET", &format!("/api/agents?{query}")));
    }
    for name in ["a", "b", "c"] {
        api.ok(&server, "POST", "/api/agents", Some(&json!({"name": name})), 201);
    }
    let page: Value = api.request(&server, "GET", "/api/agents?limit=1", None).json().unwrap();
    let cursor = page["pagination"]["nextCursor"].as_str().unwrap();
    met(INVALID_REQUEST, asking(&server, &api, "GET", &format!("/api/interactions?cursor={cursor}")));
    met(INVALID_REQUEST, asking(&server, &api, "GET", &format!("/api/agents?offset=1&cursor={cursor}")));
    let strange = || asking(&server, &api, "GET", "/api/agents")().header("x-twig-min-position", "soon");
    met(INVALID_REQUEST, strange);
    let foreign = json!({"name": "x", "dataSpecIds": ["ds_01m85mcqjweyp824nt6vt6evn3"]});
    let named = met(INVALID_REQUEST, sending(&server, &api, "POST", "/api/agents", &foreign));
    assert!(named.error.to_string().contains("ds_01m85mcqjweyp824nt6vt6evn3"), "{}", named.error);
}

#[test]
fn a_key_that_is_none_any_more_opens_nothing() {
    let (_folder, server, api) = start();
    let expiring = server.cli(&["keys", "create", "--org", &api.org, "--name", "old", "--scopes", "admin", "--expires-at", "2020-01-01T00:00:00Z"]);
    let revoked = server.cli(&["keys", "create", "--org", &api.org, "--name", "lost", "--scopes", "admin"]);
    api.ok(&server, "DELETE", &format!("/api/api-keys/{}", revoked["id"].as_str().unwrap()), None, 200);
    let mut mistyped = api.key.clone();
    mistyped.replace_range(15..16, if &mistyped[15..16] == "a" { "b" } else { "a" });
    let elsewhere = Server::start(&server.folder.join("../elsewhere"), &[]).organization("elsewhere").key;
    let malformed = ["", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "Bearer nonsense", "Bearer twigsk_live_"].map(str::to_owned);
    let text = |key: &Value| format!("Bearer {}", key["key"].as_str().unwrap());
    let keys = [text(&expiring), text(&revoked), format!("Bearer {mistyped}"), format!("Bearer {elsewhere}")];
    for header in malformed.into_iter().chain(keys) {
        let refused = met(UNAUTHORIZED, || api.http.get(format!("{}/api/agents", server.url)).header("authorization", &header));
        assert!(refused.header("www-authenticate").starts_with("Bearer"), "{header}");
        assert!(!refused.headers.contains_key("x-ratelimit-limit"), "{header}");
    }
    let none = met(UNAUTHORIZED, || api.http.get(format!("{}/api/agents", server.url)));
    assert_eq!(none.header("www-authenticate"), "Bearer");
}

#[test]
fn what_is_not_allowed_not_there_or_not_so_is_told_apart() {
    let (_folder, server, api) = start();
    let agent = api.ok(&server, "POST", "/api/agents", Some(&json!({"name": "a", "status": "draft"})), 201);
    let path = format!("/api/agents/{}", agent["id"].as_str().unwrap());

    let powerless = api.with_key(server.key(&api.org, "chat"));
    assert_eq!(met(FORBIDDEN, asking(&server, &powerless, "GET", &path)).error["details"]["requiredScope"], "agents:read");
    for path in ["/api/agents/agent_01m85mcqjweyp824nt6vt6evn3", "/api/agents/17", "/api/agents/%00", "/api/nothing", "/"] {
        met(NOT_FOUND, asking(&server, &api, "GET", path));
    }
    let refused = met(METHOD_NOT_ALLOWED, asking(&server, &api, "PATCH", &path));
    let mut allowed: Vec<&str> = refused.header("allow").split(", ").collect();
    allowed.sort_unstable();
    assert_eq!(allowed, ["DELETE", "GET", "PUT"]);

    let question = json!({"prompt": "q", "agentId": agent["id"]});
    met(CONFLICT, sending(&server, &api, "POST", "/api/chat", &question));
    api.ok(&server, "PUT", &path, Some(&json!({"name": "b"})), 200);
    met(PRECONDITION_FAILED, || sending(&server, &api, "PUT", &path, &json!({"name": "c"}))().header("if-match", "\"1\""));
    met(PRECONDITION_FAILED, || asking(&server, &api, "DELETE", &path)().header("if-match", "\"1\""));
    assert_eq!(api.ok(&server, "GET", &path, None, 200)["name"], "b");
}

#[test]
fn a_body_too_large_or_of_another_kind_is_refused() {
    let (_folder, server, api) = start();
    let large = json!({"name": "x", "description": "y".repeat(1 << 20)});
    met(PAYLOAD_TOO_LARGE, sending(&server, &api, "POST", "/api/agents", &large));
    for kind in ["text/plain", "application/xml", "application/x-www-form-urlencoded"] {
        met(UNSUPPORTED_MEDIA_TYPE, || asking(&server, &api, "POST", "/api/agents")().header("content-type", kind).body("{\"name\": \"x\"}"));
    }
    let spec = api.ok(&server, "POST", "/api/data-specs", Some(&json!({"name": "s", "type": "file"})), 201)["id"].as_str().unwrap().to_owned();
    met(UNSUPPORTED_MEDIA_TYPE, sending(&server, &api, "POST", &format!("/api/data-specs/{spec}/files"), &json!({})));
}

#[test]
fn an_idempotency_key_is_for_one_request() {
    let (_folder, server, api) = start();
    let first = || sending(&server, &api, "POST", "/api/agents", &json!({"name": "once"}))().header("idempotency-key", "k1");
    let created: Value = first().send().unwrap().json().unwrap();
    let again = first().send().unwrap();
    assert_eq!((again.status().as_u16(), again.headers()["idempotent-replayed"].to_str().unwrap()), (201, "true"));
    assert_eq!(again.json::<Value>().unwrap(), created);
    met(IDEMPOTENCY_MISMATCH, || sending(&server, &api, "POST", "/api/agents", &json!({"name": "twice"}))().header("idempotency-key", "k1"));
    met(IDEMPOTENCY_MISMATCH, || sending(&server, &api, "POST", "/api/data-specs", &json!({"name": "once"}))().header("idempotency-key", "k1"));
    met(INVALID_REQUEST, || sending(&server, &api, "POST", "/api/agents", &json!({"name": "x"}))().header("idempotency-key", "k".repeat(256)));
}

#[test]
fn a_limit_says_when_to_come_again() {
    let (_folder, server, api) = start();
    let org = server.cli(&["orgs", "create", "small", "--plan", "free", "--per-minute", "500", "--per-day", "2"]);
    let small = api.with_key(server.key(org["id"].as_str().unwrap(), "admin"));
    for left in ["1", "0"] {
        let answer = small.request(&server, "GET", "/api/agents", None);
        assert_eq!((answer.status().as_u16(), answer.headers()["x-ratelimit-remaining"].to_str().unwrap()), (200, left));
    }
    let limited = met(RATE_LIMIT_EXCEEDED, asking(&server, &small, "GET", "/api/agents"));
    let seconds: u64 = limited.header("retry-after").parse().unwrap();
    assert!((1..=86_400).contains(&seconds), "{seconds}");
    assert!(limited.error["retryAfter"].as_u64().unwrap().abs_diff(seconds) <= 1);
    assert_eq!((limited.header("x-ratelimit-limit"), limited.header("x-ratelimit-remaining")), ("2", "0"));
    assert!(limited.header("x-ratelimit-reset").parse::<u64>().unwrap() > 1_700_000_000);
    assert_eq!(limited.header("ratelimit-policy"), "\"minute\";q=500;w=60, \"day\";q=2;w=86400");
    assert!(limited.header("ratelimit").contains("\"day\";r=0;t="));
}

#[test]
fn a_model_that_fails_is_told_from_one_that_is_late() {
    let (model, folder) = (Model::start(), tempfile::tempdir().unwrap());
    let server = Server::start(&folder.path().join("data"), &["--model-base-url", &model.url, "--model-timeout-s", "1"]);
    let api = server.organization("models");
    let spec = text_spec(&server, &api, "Refund policy", "Refunds are granted within thirty days of purchase.");
    // The silent one first: after many failures a provider is given a moment, and every answer is then a 502.
    for (name, code) in [("silent", UPSTREAM_TIMEOUT), ("refusing", UPSTREAM_ERROR), ("malformed", UPSTREAM_ERROR)] {
        let agent = api.ok(&server, "POST", "/api/agents", Some(&json!({"name": name, "model": name, "dataSpecIds": [spec]})), 201);
        let question = json!({"prompt": "Within how many days are refunds granted?", "agentId": agent["id"]});
        let failed = met(code, sending(&server, &api, "POST", "/api/chat", &question));
        let id = failed.error["details"]["interactionId"].as_str().unwrap();
        let recorded = api.ok(&server, "GET", &format!("/api/interactions/{id}"), None, 200);
        assert_eq!((&recorded["status"], &recorded["error"]["code"]), (&json!("failed"), &json!(code.0)));

        let streamed = sending(&server, &api, "POST", "/api/chat", &question)().header("accept", "text/event-stream").send().unwrap();
        assert_eq!(streamed.status(), 200);
        let events: Vec<_> = twig_tests::stream::events(streamed).collect();
        let last = events.last().unwrap();
        assert_eq!(last.name, "error", "{events:?}");
        assert!([code.0, "upstream_error"].contains(&last.data["code"].as_str().unwrap()), "{last:?}");
        assert!(last.data["requestId"].is_string() && last.data["message"].is_string(), "{last:?}");
    }
}

#[test]
fn a_position_that_is_not_reached_is_waited_for_and_then_unavailable() {
    let (_folder, server, api) = start();
    let far = || asking(&server, &api, "GET", "/api/agents")().header("x-twig-min-position", "1000000000").timeout(Duration::from_secs(30));
    assert!(met(UNAVAILABLE, far).header("retry-after").parse::<u64>().unwrap() >= 1);
    let agent = api.request(&server, "POST", "/api/agents", Some(&json!({"name": "a"})));
    let reached = agent.headers()["x-twig-position"].to_str().unwrap().to_owned();
    assert_eq!(asking(&server, &api, "GET", "/api/agents")().header("x-twig-min-position", reached).send().unwrap().status(), 200);
}

/// The real thing: a view's table is taken away under the running server.
#[test]
fn a_store_that_breaks_is_an_internal_error_that_tells_nothing() {
    if !twig_tests::stores::on_files() {
        return;
    }
    let (_folder, server, api) = start();
    things(&server, &api);
    let views = server.folder.join("views.db");
    let tables = log::tables(&views, "agents");
    assert!(!tables.is_empty());
    for table in tables {
        log::damage(&views, &format!("DROP TABLE \"{table}\""));
    }
    eventually(|| (api.request(&server, "GET", "/api/agents", None).status() == 500).then_some(()));
    met(INTERNAL_ERROR, asking(&server, &api, "GET", "/api/agents"));
}
