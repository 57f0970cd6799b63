//! `/mcp`: the Model Context Protocol over Streamable HTTP, stateless: every message is a POST of its own and is answered as JSON. Two tools, and each
//! active agent as a resource `twig://{agentId}`. The API key is the bearer token; limits and records are those of every other request.

use std::sync::Arc;

use actix_web::http::{Method, StatusCode};
use serde_json::{Value, json};
use twig_commands::ids::new_id;
use twig_domain::{
    id::{AgentId, SessionId},
    interaction::Origin,
    organization::Scope,
};
use twig_knowledge::{ask::Ask, live::End};
use twig_projections::{ListAt, ListQuery};

use super::{chat, search, titled};
use crate::{
    problem::Problem,
    reply::{Answer, Body, Reply},
    request::Request,
    route::{Gives, Route, Takes, handler},
    schemas::named,
};

/// Protocol revisions that are spoken, the newest first.
const REVISIONS: [&str; 3] = ["2025-06-18", "2025-03-26", "2024-11-05"];
const MAX_AGENTS: u32 = 1000;
const MAX_TEXT_CHARS: usize = 32_000;
// JSON-RPC 2.0 §5.1, and MCP's own for a resource that is not there.
const INVALID_REQUEST: i64 = -32600;
const METHOD_NOT_FOUND: i64 = -32601;
const INVALID_PARAMS: i64 = -32602;
const RESOURCE_NOT_FOUND: i64 = -32002;

pub fn routes(all: &mut Vec<Route>) {
    let gives = Gives::Shape(200, "application/json", named("JsonRpcResponse"));
    let route = Route::new(Method::POST, "/mcp", &[Scope::Chat], "Model Context Protocol (Streamable HTTP)", gives, handler!(message));
    let route = route.takes(Takes::Json(titled("JsonRpcMessage", message_schema()))).also(202, Value::Null);
    all.push(
        route
            .header("X-Twig-Agent-Id", "The agent that tools use where their arguments name none")
            .header("MCP-Protocol-Version", "The revision that was agreed on"),
    );
}

/// A request or a notification, or an answer that a client sends.
fn message_schema() -> Value {
    json!({
        "type": "object", "required": ["jsonrpc"], "anyOf": [{"required": ["method"]}, {"required": ["result"]}, {"required": ["error"]}],
        "properties": {
            "jsonrpc": {"const": "2.0"}, "id": {"type": ["string", "integer", "null"]}, "method": {"type": "string", "minLength": 1}, "params": {"type": "object"},
            "error": {"type": "object"}, "result": {"type": "object"},
        },
    })
}

/// A refusal in JSON-RPC's terms.
struct Refused(i64, String);

async fn message(request: Arc<Request>) -> Answer {
    let (body, id) = (&request.body, request.body["id"].clone());
    // A notification, or a client's answer to what nobody asked: nothing is said to either.
    let Some(method) = body["method"].as_str().filter(|_| !id.is_null()) else {
        return Ok(Reply { status: StatusCode::ACCEPTED, ..Reply::raw(Vec::new(), "") });
    };
    let params = &body["params"];
    let result = match method {
        "initialize" => Ok(initialize(params)),
        "ping" => Ok(json!({})),
        "tools/list" => Ok(json!({ "tools": tools() })),
        "tools/call" => call(&request, params).await,
        "resources/list" => resources(&request).await,
        "resources/templates/list" => Ok(json!({"resourceTemplates": [{"uriTemplate": "twig://{agentId}", "name": "agent", "mimeType": "application/json"}]})),
        "resources/read" => read(&request, params).await,
        _ => Err(Refused(METHOD_NOT_FOUND, format!("the method {method} is not known"))),
    };
    Ok(accepted_or(id, result))
}

fn accepted_or(id: Value, result: Result<Value, Refused>) -> Reply {
    let body = match result {
        Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
        Err(Refused(code, message)) => json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}}),
    };
    Reply::raw(body.to_string().into_bytes(), "application/json")
}

fn initialize(params: &Value) -> Value {
    let asked = params["protocolVersion"].as_str().unwrap_or_default();
    let revision = REVISIONS.iter().find(|known| **known == asked).unwrap_or(&REVISIONS[0]);
    json!({
        "protocolVersion": revision, "capabilities": {"tools": {"listChanged": false}, "resources": {"subscribe": false, "listChanged": false}},
        "serverInfo": {"name": "twig", "title": "Twig AI", "version": env!("CARGO_PKG_VERSION")},
        "instructions": "Search an organization's documents with search_knowledge, or have one of its agents answer with cited sources by ask_a_question.",
    })
}

fn tools() -> Value {
    let tool = |name: &str, title: &str, description: &str, argument: &str| {
        let agent = json!({"type": "string", "description": "The agent's id; else the header X-Twig-Agent-Id"});
        let properties = json!({argument: {"type": "string", "minLength": 1, "maxLength": MAX_TEXT_CHARS}, "agentId": agent});
        json!({
            "name": name, "title": title, "description": description, "inputSchema": {"type": "object", "properties": properties, "required": [argument]},
            "annotations": {"readOnlyHint": true, "openWorldHint": false},
        })
    };
    json!([
        tool("search_knowledge", "Search knowledge", "Finds the passages of the organization's documents that fit a query best.", "query"),
        tool("ask_a_question", "Ask a question", "Has an agent answer a question from the organization's documents, with cited sources.", "question"),
    ])
}

async fn call(request: &Arc<Request>, params: &Value) -> Result<Value, Refused> {
    let arguments = &params["arguments"];
    let text = |name: &str| {
        let text = arguments[name].as_str().filter(|text| !text.trim().is_empty() && text.chars().count() <= MAX_TEXT_CHARS);
        text.map(str::to_owned).ok_or_else(|| Refused(INVALID_PARAMS, format!("{name} must be a text of 1 to {MAX_TEXT_CHARS} characters")))
    };
    let agent = arguments["agentId"].as_str().or_else(|| request.header("x-twig-agent-id")).map(str::to_owned);
    let called = match params["name"].as_str() {
        Some("search_knowledge") => searched(request, text("query")?, agent).await,
        Some("ask_a_question") => asked(request, text("question")?, agent).await,
        other => return Err(Refused(INVALID_PARAMS, format!("there is no tool {}", other.unwrap_or_default()))),
    };
    // What goes wrong in a tool is told to the model as the tool's result.
    Ok(match called {
        Ok((text, data)) => json!({"content": [{"type": "text", "text": text}], "structuredContent": data, "isError": false}),
        Err(problem) => json!({"content": [{"type": "text", "text": problem.message}], "isError": true}),
    })
}

async fn searched(request: &Arc<Request>, query: String, agent: Option<String>) -> Result<(String, Value), Problem> {
    let mut body = json!({ "query": query });
    if let Some(agent) = agent {
        body["agentId"] = agent.into();
    }
    let Body::Whole(bytes, _) = search::run(request, &body).await?.body else { return Err(Problem::internal("a search streams nothing")) };
    let found: Value = serde_json::from_slice(&bytes).map_err(Problem::internal)?;
    let passage = |source: &Value| {
        format!("[{}] {}\n{}", source["index"], source["documentTitle"].as_str().unwrap_or_default(), source["content"].as_str().unwrap_or_default())
    };
    let texts: Vec<String> = found["data"]["results"].as_array().into_iter().flatten().map(passage).collect();
    let text = if texts.is_empty() { "Nothing was found.".to_owned() } else { texts.join("\n\n") };
    Ok((text, found["data"].clone()))
}

async fn asked(request: &Arc<Request>, question: String, agent: Option<String>) -> Result<(String, Value), Problem> {
    let organization = request.org()?;
    let agent_id: AgentId = match agent {
        Some(agent) => agent.parse().map_err(|_| Problem::not_found("The agent"))?,
        None => only_agent(request).await?,
    };
    let ask = Ask {
        organization,
        meta: request.meta(organization),
        agent_id,
        prompt: question,
        session_id: new_id::<SessionId>(request.now).to_string(),
        user_id: None,
        metadata: std::collections::BTreeMap::new(),
        temperature: None,
        max_tokens: None,
        top_k: None,
        origin: Origin::Mcp,
        idempotency: None,
        earlier_turns: None,
        extra_system: None,
    };
    let live = request.app.knowledge.ask(ask).await.map_err(chat::problem)?;
    match live.end().await {
        End::Completed { body, .. } => {
            let source = |source: &Value| {
                format!(
                    "[{}] {} ({})",
                    source["index"],
                    source["documentTitle"].as_str().unwrap_or_default(),
                    source["documentUrl"].as_str().unwrap_or_default()
                )
            };
            let sources: Vec<String> = body["sources"].as_array().into_iter().flatten().map(source).collect();
            let answer = body["response"].as_str().unwrap_or_default();
            Ok((if sources.is_empty() { answer.to_owned() } else { format!("{answer}\n\nSources:\n{}", sources.join("\n")) }, body))
        }
        End::Failed { failure, .. } => Err(chat::failed(&failure.code, &failure.message, &live)),
    }
}

/// Where no agent is named, there must be no choice.
async fn only_agent(request: &Request) -> Result<AgentId, Problem> {
    let agents = active(request).await?;
    match agents.as_slice() {
        [one] => one["id"].as_str().and_then(|id| id.parse().ok()).ok_or_else(|| Problem::not_found("The agent")),
        [] => Err(Problem::not_found("An active agent")),
        _ => Err(Problem::field("/agentId", "is needed: there are several agents; resources/list names them")),
    }
}

async fn active(request: &Request) -> Result<Vec<Value>, Problem> {
    let page = request.app.views.agents(request.org()?, ListQuery { limit: MAX_AGENTS, at: ListAt::Offset(0) }).await?;
    Ok(page.rows.into_iter().filter(|agent| agent["status"] == "active").collect())
}

async fn resources(request: &Request) -> Result<Value, Refused> {
    let agents = active(request).await.map_err(|problem| Refused(INVALID_REQUEST, problem.message))?;
    let shown = |agent: &Value| {
        let uri = format!("twig://{}", agent["id"].as_str().unwrap_or_default());
        json!({"uri": uri, "name": agent["name"], "description": agent["description"].as_str().unwrap_or_default(), "mimeType": "application/json"})
    };
    Ok(json!({"resources": agents.iter().map(shown).collect::<Vec<_>>()}))
}

async fn read(request: &Request, params: &Value) -> Result<Value, Refused> {
    let uri = params["uri"].as_str().unwrap_or_default();
    let missing = || Refused(RESOURCE_NOT_FOUND, format!("the resource {uri} was not found"));
    let id: AgentId = uri.strip_prefix("twig://").and_then(|id| id.trim_end_matches('/').parse().ok()).ok_or_else(missing)?;
    let organization = request.org().map_err(|_| missing())?;
    let agent = request.app.views.agent(organization, id).await.ok().flatten().ok_or_else(missing)?;
    let about: serde_json::Map<String, Value> = ["id", "name", "description", "status", "model", "ragStrategy", "dataSpecs"]
        .into_iter()
        .map(|name| (name.to_owned(), agent.body[name].clone()))
        .collect();
    Ok(json!({"contents": [{"uri": uri, "mimeType": "application/json", "text": Value::Object(about).to_string()}]}))
}
