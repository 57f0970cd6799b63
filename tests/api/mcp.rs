//! `/mcp` message by message: what is answered in JSON-RPC's terms, and what is refused before with the API's own errors.

use reqwest::blocking::{RequestBuilder, Response};
use serde_json::{Value, json};
use twig_tests::{Api, Server};

use crate::{start, text_spec, things};

const NEWEST: &str = "2026-07-28";

fn post<'a>(server: &'a Server, api: &'a Api) -> RequestBuilder {
    api.http.post(format!("{}/mcp", server.url)).bearer_auth(&api.key).header("accept", "application/json, text/event-stream")
}

fn message(id: impl Into<Value>, method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": params})
}

fn body(response: Response, status: u16) -> Value {
    let got = response.status().as_u16();
    let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
    let body: Value = response.json().unwrap();
    assert_eq!((got, kind.as_str()), (status, "application/json"), "{body}");
    body
}

fn sent(server: &Server, api: &Api, message: &Value) -> Value {
    body(post(server, api).json(message).send().unwrap(), 200)
}

fn error(server: &Server, api: &Api, message: &Value) -> (i64, String) {
    let answer = sent(server, api, message);
    assert_eq!(answer["id"], message["id"], "{answer}");
    (answer["error"]["code"].as_i64().unwrap_or_else(|| panic!("{answer}")), answer["error"]["message"].as_str().unwrap().to_owned())
}

/// A refusal with the API's envelope.
fn refused(response: Response, status: u16, code: &str) -> Value {
    let body = body(response, status);
    assert_eq!((&body["error"]["code"], &body["status"]), (&json!(code), &json!("error")), "{body}");
    body["error"].clone()
}

#[test]
fn every_revision_that_has_a_handshake_is_agreed_on() {
    let (_folder, server, api) = start();
    for (asked, agreed) in
        [("2024-11-05", "2024-11-05"), ("2025-03-26", "2025-03-26"), ("2025-06-18", "2025-06-18"), ("2025-11-25", "2025-11-25"), ("1999-01-01", "2025-11-25")]
    {
        let client = json!({"protocolVersion": asked, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}});
        let result = sent(&server, &api, &message(1, "initialize", client))["result"].clone();
        assert_eq!((&result["protocolVersion"], &result["serverInfo"]["name"]), (&json!(agreed), &json!("twig")), "{result}");
        assert!(result["capabilities"]["tools"].is_object() && result["capabilities"]["resources"].is_object(), "{result}");
    }
}

#[test]
fn the_revision_without_a_handshake_is_spoken_too() {
    let (_folder, server, api) = start();
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": NEWEST, "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    });
    let asked = |method: &str| {
        post(&server, &api)
            .header("mcp-protocol-version", NEWEST)
            .header("mcp-method", method.to_owned())
            .json(&message(1, method, json!({"_meta": meta})))
            .send()
            .unwrap()
    };
    let found = body(asked("server/discover"), 200)["result"].clone();
    assert!(found["supportedVersions"].as_array().unwrap().contains(&json!(NEWEST)), "{found}");
    assert_eq!(body(asked("tools/list"), 200)["result"]["tools"].as_array().unwrap().len(), 2);
    assert_eq!(body(asked("colour"), 404)["error"]["code"], -32601);

    let without_meta = post(&server, &api).header("mcp-protocol-version", NEWEST).header("mcp-method", "tools/list");
    assert_eq!(body(without_meta.json(&message(7, "tools/list", json!({}))).send().unwrap(), 400)["error"]["code"], -32602);
    let contradicted = post(&server, &api).header("mcp-protocol-version", NEWEST).header("mcp-method", "ping");
    let contradicted = body(contradicted.json(&message(7, "tools/list", json!({"_meta": meta}))).send().unwrap(), 400);
    assert_eq!((&contradicted["error"]["code"], &contradicted["id"]), (&json!(-32020), &json!(7)));
}

#[test]
fn an_answer_has_the_id_of_its_request() {
    let (_folder, server, api) = start();
    for id in [json!(0), json!(-1), json!("a"), json!(""), json!(9_007_199_254_740_993_u64), json!(u64::MAX)] {
        assert_eq!(sent(&server, &api, &message(id.clone(), "ping", json!({}))), json!({"jsonrpc": "2.0", "id": id, "result": {}}));
    }
}

#[test]
fn what_asks_for_no_answer_gets_none() {
    let (_folder, server, api) = start();
    for message in [
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        json!({"jsonrpc": "2.0", "method": "notifications/colour", "params": {"a": 1}}),
        json!({"jsonrpc": "2.0", "method": "ping", "id": null}),
        json!({"jsonrpc": "2.0", "id": 1, "result": {}}),
        json!({"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": "no"}}),
    ] {
        let answer = post(&server, &api).json(&message).send().unwrap();
        assert_eq!((answer.status().as_u16(), answer.headers().contains_key("x-ratelimit-limit")), (202, true), "{message}");
        assert_eq!(answer.text().unwrap(), "");
    }
}

#[test]
fn what_cannot_be_done_is_told_in_the_terms_of_json_rpc() {
    let (_folder, server, api) = start();
    let owned = things(&server, &api);
    let error = |method: &str, params: Value| error(&server, &api, &message("m", method, params));
    for method in ["colour", "prompts/list", "prompts/get", "resources/subscribe", "subscriptions/listen", "logging/setLevel", "tasks/get"] {
        let (code, message) = error(method, json!({}));
        assert!(code == -32601 && message.contains(method), "{method}: {code} {message}");
    }
    for (method, params) in [
        ("initialize", json!({})),
        ("tools/call", json!({})),
        ("tools/call", json!({"name": "colour"})),
        ("tools/call", json!({"name": "search_knowledge"})),
        ("tools/call", json!({"name": "search_knowledge", "arguments": []})),
        ("tools/call", json!({"name": "search_knowledge", "arguments": {"query": " "}})),
        ("tools/call", json!({"name": "search_knowledge", "arguments": {"query": "x".repeat(32_001)}})),
        ("tools/call", json!({"name": "ask_a_question", "arguments": {"question": "a", "agentId": 1}})),
        ("resources/read", json!({})),
    ] {
        let (code, message) = error(method, params.clone());
        assert!(code == -32602 && !message.is_empty(), "{method} {params}: {code} {message}");
    }
    let agent = owned["agent"].as_str().unwrap();
    for uri in ["twig://", "twig://agent_00000000000000000000000000", &format!("https://{agent}"), &format!("twig://{agent}/x")] {
        assert_eq!(error("resources/read", json!({ "uri": uri })).0, -32002, "{uri}");
    }
}

#[test]
fn an_agent_that_is_not_there_is_an_error_of_the_tool() {
    let (_folder, server, api) = start();
    text_spec(&server, &api, "Refund policy", "Refunds are granted within thirty days of purchase.");
    let agent = |name: &str| api.ok(&server, "POST", "/api/agents", Some(&json!({"name": name})), 201)["id"].as_str().unwrap().to_owned();
    let (kept, gone) = (agent("kept"), agent("gone"));
    api.ok(&server, "DELETE", &format!("/api/agents/{gone}"), None, 200);
    let other = server.organization("others");
    let call = |api: &Api, tool: &str, argument: &str, agent: &str| {
        let result = sent(&server, api, &message(1, "tools/call", json!({"name": tool, "arguments": {argument: "When?", "agentId": agent}})))["result"].clone();
        assert_eq!(result["isError"], true, "{result}");
        result["content"][0]["text"].as_str().unwrap().to_owned()
    };
    for (api, agent) in [(&api, gone.as_str()), (&api, "agent_00000000000000000000000000"), (&api, "nobody"), (&other, kept.as_str())] {
        for (tool, argument) in [("search_knowledge", "query"), ("ask_a_question", "question")] {
            assert!(call(api, tool, argument, agent).contains("not found"), "{tool} {agent}");
        }
        assert_eq!(error(&server, api, &message(1, "resources/read", json!({"uri": format!("twig://{agent}")}))).0, -32002);
    }
    api.ok(&server, "PUT", &format!("/api/agents/{kept}"), Some(&json!({"status": "inactive"})), 200);
    assert_eq!(sent(&server, &api, &message(1, "resources/list", json!({})))["result"]["resources"], json!([]));
    assert!(!call(&api, "ask_a_question", "question", &kept).is_empty());
}

#[test]
fn what_stands_before_every_route_stands_before_this_one() {
    let (_folder, server, api) = start();
    let list = message(1, "tools/list", json!({}));
    let url = format!("{}/mcp", server.url);
    refused(api.http.post(&url).json(&list).send().unwrap(), 401, "unauthorized");
    refused(post(&server, &api.with_key("twigsk_live_wrong".into())).json(&list).send().unwrap(), 401, "unauthorized");
    let reader = api.with_key(server.key(&api.org, "agents:read"));
    assert_eq!(refused(post(&server, &reader).json(&list).send().unwrap(), 403, "forbidden")["details"]["requiredScope"], "chat");

    for method in ["GET", "DELETE", "PUT"] {
        let answer = api.request(&server, method, "/mcp", None);
        assert_eq!(answer.headers()["allow"], "POST");
        refused(answer, 405, "method_not_allowed");
    }
    let raw = |body: &str, kind: &str| post(&server, &api).header("content-type", kind.to_owned()).body(body.to_owned()).send().unwrap();
    for malformed in ["{", "", "[]", "null", "\"x\"", &json!([list]).to_string(), "{\"jsonrpc\": \"2.0\"} x"] {
        refused(raw(malformed, "application/json"), 400, "invalid_request");
    }
    refused(raw(&list.to_string(), "text/plain"), 415, "unsupported_media_type");
    refused(raw(&" ".repeat((1 << 20) + 1), "application/json"), 413, "payload_too_large");
    for (wrong, pointer) in [
        (json!({"jsonrpc": "1.0", "id": 1, "method": "ping"}), "/jsonrpc"),
        (json!({"jsonrpc": "2.0", "id": [], "method": "ping"}), "/id"),
        (json!({"jsonrpc": "2.0", "id": 1, "method": 5}), "/method"),
        (json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": []}), "/params"),
        (json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": 1}}), "/params/_meta"),
    ] {
        assert_eq!(refused(post(&server, &api).json(&wrong).send().unwrap(), 400, "invalid_request")["details"]["fields"][0]["pointer"], pointer);
    }
}

#[test]
fn the_header_of_the_revision_is_heeded_and_accept_is_not() {
    let (_folder, server, api) = start();
    let list = message(1, "tools/list", json!({}));
    for message in [&list, &json!({"jsonrpc": "2.0", "method": "notifications/initialized"}), &json!({"jsonrpc": "2.0", "id": 1, "result": {}})] {
        let wrong = post(&server, &api).header("mcp-protocol-version", "1999-01-01").json(message).send().unwrap();
        assert_eq!(refused(wrong, 400, "invalid_request")["details"]["fields"][0]["pointer"], "/MCP-Protocol-Version", "{message}");
    }
    for known in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        body(post(&server, &api).header("mcp-protocol-version", known).json(&list).send().unwrap(), 200);
    }
    for accept in ["application/json", "text/event-stream", "text/html", "*/*"] {
        let asked = api.http.post(format!("{}/mcp", server.url)).bearer_auth(&api.key).header("accept", accept).json(&list);
        body(asked.send().unwrap(), 200);
    }
}
