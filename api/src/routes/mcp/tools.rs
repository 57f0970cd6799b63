//! The two tools.

use std::collections::BTreeMap;

use rmcp::{
    ErrorData,
    model::{CallToolResult, ContentBlock, JsonObject, Tool, ToolAnnotations},
};
use serde_json::{Value, json};
use twig_commands::ids::new_id;
use twig_domain::{
    id::{AgentId, SessionId},
    interaction::Origin,
};
use twig_knowledge::{ask::Ask, live::End};

use super::{super::chat, super::search, server::AgentServer};
use crate::problem::Problem;

const MAX_TEXT_CHARS: usize = 32_000;

pub fn all() -> Vec<Tool> {
    let tool = |name: &'static str, title: &str, description: &'static str, argument: &str| {
        let agent = json!({"type": "string", "description": "The agent's id; else the header X-Twig-Agent-Id"});
        let properties = json!({argument: {"type": "string", "minLength": 1, "maxLength": MAX_TEXT_CHARS}, "agentId": agent});
        let members = [("type", json!("object")), ("properties", properties), ("required", json!([argument]))];
        let schema: JsonObject = members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Tool::new(name, description, schema).with_title(title).with_annotations(ToolAnnotations::new().read_only(true).open_world(false))
    };
    vec![
        tool("search_knowledge", "Search knowledge", "Finds the passages of the organization's documents that fit a query best.", "query"),
        tool("ask_a_question", "Ask a question", "Has an agent answer a question from the organization's documents, with cited sources.", "question"),
    ]
}

pub async fn call(server: &AgentServer, name: &str, arguments: JsonObject) -> Result<CallToolResult, ErrorData> {
    let agent = agent(&arguments)?.or_else(|| server.agent.clone());
    let called = match name {
        "search_knowledge" => searched(server, text(&arguments, "query")?, agent).await,
        "ask_a_question" => asked(server, text(&arguments, "question")?, agent).await,
        other => return Err(ErrorData::invalid_params(format!("there is no tool {other}"), None)),
    };
    // What goes wrong in a tool is told to the model as the tool's result.
    Ok(match called {
        Ok((text, data)) => {
            let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
            result.structured_content = Some(data);
            result
        }
        Err(problem) => CallToolResult::error(vec![ContentBlock::text(problem.message)]),
    })
}

fn text(arguments: &JsonObject, name: &str) -> Result<String, ErrorData> {
    let given = arguments.get(name).and_then(Value::as_str);
    let fits = given.filter(|text| !text.trim().is_empty() && text.chars().count() <= MAX_TEXT_CHARS);
    fits.map(str::to_owned).ok_or_else(|| ErrorData::invalid_params(format!("{name} must be a text of 1 to {MAX_TEXT_CHARS} characters"), None))
}

fn agent(arguments: &JsonObject) -> Result<Option<String>, ErrorData> {
    match arguments.get("agentId") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(id)) => Ok(Some(id.clone())),
        Some(_) => Err(ErrorData::invalid_params("agentId must be a text", None)),
    }
}

async fn searched(server: &AgentServer, query: String, agent: Option<String>) -> Result<(String, Value), Problem> {
    let mut body = json!({ "query": query });
    if let Some(agent) = agent {
        body["agentId"] = agent.into();
    }
    let found = search::find(&server.app, server.organization, &body).await?;
    let passage = |source: &Value| {
        format!("[{}] {}\n{}", source["index"], source["documentTitle"].as_str().unwrap_or_default(), source["content"].as_str().unwrap_or_default())
    };
    let texts: Vec<String> = found["results"].as_array().into_iter().flatten().map(passage).collect();
    let text = if texts.is_empty() { "Nothing was found.".to_owned() } else { texts.join("\n\n") };
    Ok((text, found))
}

async fn asked(server: &AgentServer, question: String, agent: Option<String>) -> Result<(String, Value), Problem> {
    let agent_id: AgentId = match agent {
        Some(agent) => agent.parse().map_err(|_| Problem::not_found("The agent"))?,
        None => only_agent(server).await?,
    };
    let ask = Ask {
        organization: server.organization,
        meta: server.meta.clone(),
        agent_id,
        prompt: question,
        session_id: new_id::<SessionId>(server.now).to_string(),
        user_id: None,
        metadata: BTreeMap::new(),
        temperature: None,
        max_tokens: None,
        top_k: None,
        origin: Origin::Mcp,
        idempotency: None,
        earlier_turns: None,
        extra_system: None,
    };
    let live = server.app.knowledge.ask(ask).await.map_err(chat::problem)?;
    match live.end().await {
        End::Completed { body, .. } => Ok((cited(&body), body)),
        End::Failed { failure, .. } => Err(chat::failed(&failure.code, &failure.message, &live)),
    }
}

/// Where no agent is named, there must be no choice.
async fn only_agent(server: &AgentServer) -> Result<AgentId, Problem> {
    match server.active().await?.as_slice() {
        [one] => one["id"].as_str().and_then(|id| id.parse().ok()).ok_or_else(|| Problem::not_found("The agent")),
        [] => Err(Problem::not_found("An active agent")),
        _ => Err(Problem::field("/agentId", "is needed: there are several agents; resources/list names them")),
    }
}

/// An answer as text, its sources below it.
fn cited(body: &Value) -> String {
    let source = |source: &Value| {
        let text = |member: &str| source[member].as_str().unwrap_or_default();
        format!("[{}] {} ({})", source["index"], text("documentTitle"), text("documentUrl"))
    };
    let sources: Vec<String> = body["sources"].as_array().into_iter().flatten().map(source).collect();
    let answer = body["response"].as_str().unwrap_or_default();
    if sources.is_empty() { answer.to_owned() } else { format!("{answer}\n\nSources:\n{}", sources.join("\n")) }
}
