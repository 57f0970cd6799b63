//! `/mcp`: the Model Context Protocol over Streamable HTTP by `rmcp`, stateless: every message is a POST of its own and is answered as JSON.
//!
//! Invariant: a message comes to `rmcp` only after the key, its scope, the limits and the body's checks have let it in, like a request of any other route; what
//! `rmcp` answers goes out like any other answer.

mod server;
mod tools;

use std::{convert::Infallible, sync::Arc};

use actix_web::http::{Method, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use rmcp::{
    model::ProtocolVersion,
    transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager},
};
use serde_json::{Value, json};
use twig_domain::organization::Scope;

use self::server::AgentServer;
use super::titled;
use crate::{
    problem::Problem,
    reply::{Answer, Reply},
    request::{Request, bad_parameter},
    route::{Gives, Route, Takes, handler},
    schemas::named,
};

const JSON: &str = "application/json";
/// The protocol's own headers begin so: the revision, and since 2026-07-28 the method, the name and the parameters of a message.
const OWN_HEADERS: &str = "mcp-";

pub fn routes(all: &mut Vec<Route>) {
    let gives = Gives::Shape(200, JSON, named("JsonRpcResponse"));
    let route = Route::new(Method::POST, "/mcp", &[Scope::Chat], "Model Context Protocol (Streamable HTTP)", gives, handler!(message));
    let refused = json!({"anyOf": [named("JsonRpcResponse"), named("Error")]});
    let route = route.takes(Takes::Json(titled("JsonRpcMessage", message_schema()))).also(202, Value::Null).also(400, refused.clone()).also(404, refused);
    all.push(
        route
            .header("X-Twig-Agent-Id", "The agent that tools use where their arguments name none")
            .header_of(
                "MCP-Protocol-Version",
                json!({"type": "string", "enum": revisions()}),
                "The revision that was agreed on; from 2026-07-28 on `params._meta` says the same, and what the client can do",
            )
            .header("Mcp-Method", "From 2026-07-28 on: the `method`")
            .header("Mcp-Name", "From 2026-07-28 on: the `name` or the `uri` of the `params`"),
    );
}

/// A request or a notification, or an answer that a client sends.
fn message_schema() -> Value {
    json!({
        "type": "object", "required": ["jsonrpc"], "anyOf": [{"required": ["method"]}, {"required": ["result"]}, {"required": ["error"]}],
        "properties": {
            "jsonrpc": {"const": "2.0"}, "id": {"type": ["string", "integer", "null"]}, "method": {"type": "string", "minLength": 1},
            "params": {"type": "object", "additionalProperties": true, "properties": {"_meta": {"type": "object"}}}, "error": {"type": "object"}, "result": {"type": "object"},
        },
    })
}

async fn message(request: Arc<Request>) -> Answer {
    let Some(message) = asked(&request.body) else { return unasked(&request) };
    let server = AgentServer::of(&request)?;
    let config = StreamableHttpServerConfig::default().with_legacy_session_mode(false).with_json_response(true);
    let service = StreamableHttpService::new(move || Ok(server.clone()), Arc::new(NeverSessionManager::default()), config);
    answered(service.handle(http(&request, &message)?).await, &request.body["id"]).await
}

/// A client's answer to what nobody asked: nothing is said to it.
fn unasked(request: &Request) -> Answer {
    match request.headers.get("mcp-protocol-version") {
        Some(given) if !revisions().iter().any(|known| given == known) => Err(unknown_revision()),
        _ => Ok(accepted()),
    }
}

/// The message as `rmcp` gets it. It numbers each request 1, since not every id that JSON can write fits its type; the answer gets the client's own.
fn asked(body: &Value) -> Option<Value> {
    let mut message = json!({"jsonrpc": "2.0", "method": body["method"].as_str()?});
    if !body["id"].is_null() {
        message["id"] = 1.into();
    }
    if let Some(params) = body.get("params") {
        message["params"] = params.clone();
    }
    Some(message)
}

/// The request in the terms of `rmcp`: it asks for both media types, though it answers in one, and for a host that it knows, though a foreign page, which that is
/// against, has no key to send.
fn http(request: &Request, message: &Value) -> Result<http::Request<Full<Bytes>>, Problem> {
    let fixed = [("host", "localhost"), ("content-type", JSON), ("accept", "application/json, text/event-stream")];
    let mut http = fixed.into_iter().fold(http::Request::post(&request.path), |http, (name, value)| http.header(name, value));
    for (name, value) in request.headers.iter().filter(|(name, _)| name.as_str().starts_with(OWN_HEADERS)) {
        http = http.header(name.as_str(), value.as_bytes());
    }
    http.body(Full::new(message.to_string().into())).map_err(Problem::internal)
}

/// What is JSON is the protocol's own answer, an error or not. Words alone refuse the message before it was one.
async fn answered(response: http::Response<BoxBody<Bytes, Infallible>>, id: &Value) -> Answer {
    let status = StatusCode::from_u16(response.status().as_u16()).map_err(Problem::internal)?;
    let is_json = response.headers().get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(JSON.as_bytes()));
    let Ok(body) = response.into_body().collect().await;
    let body = body.to_bytes();
    match status {
        StatusCode::ACCEPTED => Ok(accepted()),
        _ if is_json => {
            let mut body: Value = serde_json::from_slice(&body).map_err(Problem::internal)?;
            body["id"] = id.clone();
            Ok(Reply { status, ..Reply::raw(body.to_string().into_bytes(), JSON) })
        }
        // Without a session, and with its own `Accept`, there is no other reason for this status.
        StatusCode::BAD_REQUEST => Err(unknown_revision()),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Err(Problem::field("", "is not a message of JSON-RPC 2.0")),
        _ => Err(Problem::internal(format!("rmcp answered {status}: {}", String::from_utf8_lossy(&body)))),
    }
}

fn revisions() -> Vec<&'static str> {
    ProtocolVersion::KNOWN_VERSIONS.iter().map(ProtocolVersion::as_str).collect()
}

fn unknown_revision() -> Problem {
    bad_parameter("MCP-Protocol-Version", &format!("one of {}", revisions().join(", ")))
}

fn accepted() -> Reply {
    Reply { status: StatusCode::ACCEPTED, ..Reply::raw(Vec::new(), "") }
}
