//! `POST /api/chat`: a question to an agent, answered whole or as a stream.

use std::{collections::BTreeMap, sync::Arc};

use actix_web::http::Method;
use serde::Deserialize;
use serde_json::json;
use twig_commands::{idempotency::StoredResponse, ids::new_id};
use twig_domain::{
    id::{AgentId, SessionId},
    interaction::Origin,
    organization::Scope,
};
use twig_knowledge::{
    ask::{Ask, AskError},
    live::{End, LiveAnswer},
};

use super::{object, text, titled};
use crate::{
    problem::{Code, Problem},
    reply::{Answer, Body, Reply},
    request::Request,
    route::{Gives, Route, Takes, handler},
    schemas::named,
    sse,
};

pub fn routes(all: &mut Vec<Route>) {
    let metadata = json!({"type": "object", "maxProperties": 16, "propertyNames": {"minLength": 1, "maxLength": 100}, "additionalProperties": {"type": "string", "maxLength": 1000}});
    let prompt = json!({"type": "string", "minLength": 1, "maxLength": 32_000, "pattern": "\\S"});
    let body = object(
        &["prompt", "agentId"],
        json!({
            "prompt": prompt, "agentId": text(1, 64), "sessionId": text(1, 128), "stream": {"type": "boolean"},
            "temperature": {"type": "number", "minimum": 0, "maximum": 2}, "maxTokens": {"type": "integer", "minimum": 1, "maximum": 32_000},
            "topK": {"type": "integer", "minimum": 1, "maximum": 50}, "userId": text(1, 256), "metadata": metadata, "semanticSearchOnly": {"type": "boolean"},
        }),
    );
    let given = json!({"anyOf": [named("ChatResponse"), named("SearchResults")], "description": "The passages alone with `semanticSearchOnly`"});
    all.push(
        Route::new(Method::POST, "/api/chat", &[Scope::Chat], "Ask an agent", Gives::Answer(given), handler!(chat))
            .takes(Takes::Json(titled("ChatRequest", body))),
    );
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Given {
    prompt: String,
    agent_id: String,
    session_id: Option<String>,
    #[serde(default)]
    stream: bool,
    temperature: Option<f64>,
    max_tokens: Option<f64>,
    top_k: Option<f64>,
    user_id: Option<String>,
    metadata: Option<BTreeMap<String, String>>,
    #[serde(default)]
    semantic_search_only: bool,
}

async fn chat(request: Arc<Request>) -> Answer {
    let given: Given = request.body()?;
    let agent_id: AgentId = given.agent_id.parse().map_err(|_| Problem::not_found("The agent"))?;
    if given.prompt.trim().is_empty() {
        return Err(Problem::field("/prompt", "must not be blank"));
    }
    if given.semantic_search_only {
        let search = json!({"query": given.prompt, "agentId": given.agent_id, "topK": given.top_k.unwrap_or(8.0) as u64});
        return Ok(Reply::ok(&super::search::find(&request.app, request.org()?, &search).await?));
    }
    let streamed = given.stream || request.wants("text/event-stream");
    let ask = Ask {
        organization: request.org()?,
        meta: request.meta(request.org()?),
        agent_id,
        prompt: given.prompt,
        session_id: given.session_id.unwrap_or_else(|| new_id::<SessionId>(request.now).to_string()),
        user_id: given.user_id,
        metadata: given.metadata.unwrap_or_default(),
        temperature: given.temperature,
        max_tokens: given.max_tokens.map(|tokens| tokens as u32),
        top_k: given.top_k.map(|k| k as u32),
        origin: Origin::Api,
        idempotency: request.idempotency.clone(),
        earlier_turns: None,
        extra_system: None,
    };
    let live = request.app.knowledge.ask(ask).await.map_err(problem)?;
    if streamed {
        keep_when_ended(&request, live.clone());
        return Ok(sse::reply(live, 0));
    }
    whole(&request, &live).await
}

/// A stream's `Idempotency-Key` is running until the answer ends, whoever still listens; then the whole answer is kept for it.
fn keep_when_ended(request: &Request, live: Arc<LiveAnswer>) {
    let (guard, app) = (request.running.borrow_mut().take(), request.app.clone());
    let Some(key) = request.idempotency.clone() else { return };
    request.app.runtime.spawn(async move {
        if let End::Completed { body, position } = live.end().await {
            let headers = vec![("x-twig-position".to_owned(), position.to_string())];
            let body = json!({"data": body, "status": "success"}).to_string().into_bytes();
            if let Err(error) = app.idempotency.save_response(&key, StoredResponse { status: 200, headers, body }).await {
                tracing::warn!(%error, "a streamed answer could not be kept for its Idempotency-Key");
            }
        }
        drop(guard);
    });
}

/// A kept answer to a question, as the stream of events that is asked for; any other as it was.
pub fn as_asked(request: &Request, kept: Reply) -> Reply {
    let streamed = request.body["stream"] == true || request.wants("text/event-stream");
    let Body::Whole(bytes, _) = &kept.body else { return kept };
    let data = (streamed && request.path == "/api/chat").then(|| serde_json::from_slice::<serde_json::Value>(bytes).ok()).flatten();
    let Some(mut data) = data.map(|mut whole| whole["data"].take()).filter(|data| data["response"].is_string()) else { return kept };
    let Some(id) = data["id"].as_str().and_then(|id| id.parse().ok()) else { return kept };
    data["status"] = "completed".into();
    sse::reply(Arc::new(LiveAnswer::recorded(id, &data, &request.request_id)), 0).header("idempotent-replayed", "true")
}

/// Waits for the end of an answer and gives it whole.
pub(super) async fn whole(request: &Request, live: &LiveAnswer) -> Answer {
    match live.end().await {
        End::Completed { body, position } => {
            request.app.wait_for(position).await?;
            Ok(Reply::ok(&body).position(Some(position), request.app.head()))
        }
        End::Failed { failure, .. } => Err(failed(&failure.code, &failure.message, live)),
    }
}

pub(super) fn failed(code: &str, message: &str, live: &LiveAnswer) -> Problem {
    let code = Code::ALL.into_iter().find(|known| known.name() == code).unwrap_or(Code::InternalError);
    let problem = if code == Code::Unavailable { Problem::unavailable(message) } else { Problem::new(code, message) };
    Problem { details: Box::new(json!({"interactionId": live.id})), ..problem }
}

/// What keeps an answer from being begun.
pub(super) fn problem(error: AskError) -> Problem {
    match error {
        AskError::AgentNotFound => Problem::not_found("The agent"),
        AskError::AgentNotActive(status) => Problem::conflict(format!("The agent is {status}; only an active agent answers")),
        AskError::Command(error) => error.into(),
        AskError::View(error) => error.into(),
        AskError::Vault(error) => Problem::fault(&error),
    }
}
