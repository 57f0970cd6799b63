//! `/v1/chat/completions` and `/v1/models`: OpenAI's own shapes, so that OpenAI's official clients work with `model` = an agent's id.
//!
//! The last user message is the prompt; what stands before it is the conversation; system and developer messages are added to the agent's own. Unknown
//! parameters are ignored, as OpenAI ignores them. Sources stand in the extra member `sources`.

use std::{collections::BTreeMap, sync::Arc};

use actix_web::http::Method;
use bytes::Bytes;
use futures_util::stream;
use serde_json::{Value, json};
use twig_commands::ids::new_id;
use twig_domain::{
    id::{AgentId, SessionId},
    interaction::Origin,
    organization::Scope,
};
use twig_generation::Turn;
use twig_knowledge::{
    ask::Ask,
    live::{End, LiveAnswer, LiveEvent},
};
use twig_projections::{ListAt, ListQuery};

use super::{chat, titled};
use crate::{
    problem::{Code, Field, Problem},
    reply::{Answer, Reply},
    request::Request,
    route::{Gives, Route, Takes, handler},
    schemas::named,
};

const MAX_PROMPT_CHARS: usize = 32_000;
const MAX_MESSAGES: usize = 1000;
/// What OpenAI's clients may ask for; an agent's own limit bounds what is given.
const MAX_TOKENS: f64 = 1e9;
const MAX_MODELS: u32 = 1000;
const PING_EVERY: std::time::Duration = std::time::Duration::from_secs(8);

pub fn routes(all: &mut Vec<Route>) {
    let streamed = Gives::Streamed(named("ChatCompletion"), named("ChatCompletionEvent"));
    let shape = |name| Gives::Shape(200, "application/json", named(name));
    all.extend([
        Route::new(Method::POST, "/v1/chat/completions", &[Scope::Chat], "Ask an agent, as OpenAI's chat completions", streamed, handler!(complete))
            .takes(Takes::Json(titled("ChatCompletionRequest", request_schema()))),
        Route::new(Method::GET, "/v1/models", &[Scope::Chat], "List active agents, as OpenAI's models", shape("Models"), handler!(models)),
        Route::new(Method::GET, "/v1/models/{id}", &[Scope::Chat], "Read an agent, as OpenAI's model", shape("Model"), handler!(model)),
    ]);
}

/// What is heeded of a request; whatever else OpenAI knows is ignored.
fn request_schema() -> Value {
    let tokens = || json!({"type": ["integer", "null"], "minimum": 1, "maximum": MAX_TOKENS});
    let content = json!({"anyOf": [{"type": "string"}, {"type": "null"}, {"type": "array", "items": {"type": "object"}}]});
    let message = json!({
        "type": "object", "required": ["role"],
        "properties": {"role": {"enum": ["system", "developer", "user", "assistant", "tool", "function"]}, "content": content},
        "if": {"properties": {"role": {"const": "user"}}}, "then": {"required": ["content"], "properties": {"content": {"type": ["string", "array"]}}},
    });
    json!({
        "type": "object", "required": ["model", "messages"],
        "properties": {
            "model": {"type": "string", "description": "An agent's id"},
            "messages": {"type": "array", "minItems": 1, "maxItems": MAX_MESSAGES, "items": message, "contains": {"required": ["role"], "properties": {"role": {"const": "user"}}}},
            "stream": {"type": ["boolean", "null"]},
            "stream_options": {"type": ["object", "null"], "properties": {"include_usage": {"type": ["boolean", "null"]}}},
            "temperature": {"type": ["number", "null"], "minimum": 0, "maximum": 2}, "max_tokens": tokens(), "max_completion_tokens": tokens(),
            "user": {"type": ["string", "null"]}, "metadata": {"type": ["object", "null"]},
        },
    })
}

/// What is used of a request.
struct Conversation {
    agent: String,
    system: Option<String>,
    turns: Vec<Turn>,
    prompt: String,
    stream: bool,
    include_usage: bool,
    temperature: Option<f64>,
    max_tokens: Option<u32>,
    user: Option<String>,
    metadata: BTreeMap<String, String>,
}

impl Conversation {
    fn read(body: &Value) -> Result<Self, Problem> {
        let mut fields = Vec::new();
        let agent = body["model"].as_str().unwrap_or_else(|| {
            fields.push(Field::new("/model", "must be an agent's id"));
            ""
        });
        let messages = body["messages"].as_array().filter(|all| !all.is_empty() && all.len() <= MAX_MESSAGES);
        if messages.is_none() {
            fields.push(Field::new("/messages", format!("must be a list of 1 to {MAX_MESSAGES} messages")));
        }
        let said: Vec<(&str, String)> = messages.into_iter().flatten().enumerate().filter_map(|(place, message)| said(place, message, &mut fields)).collect();
        let mut number = |name: &str, min: f64, max: f64| match &body[name] {
            Value::Null => None,
            given => given.as_f64().filter(|number| (min..=max).contains(number)).or_else(|| {
                fields.push(Field::new(format!("/{name}"), format!("must be a number from {min} to {max}")));
                None
            }),
        };
        let temperature = number("temperature", 0.0, 2.0);
        let max_tokens = number("max_completion_tokens", 1.0, MAX_TOKENS).or(number("max_tokens", 1.0, MAX_TOKENS)).map(|tokens| tokens.min(32_000.0) as u32);
        let last = said.iter().rposition(|(role, _)| *role == "user");
        let prompt = last.map(|last| said[last].1.clone()).unwrap_or_default();
        if fields.is_empty() && !(1..=MAX_PROMPT_CHARS).contains(&prompt.trim().chars().count()) {
            fields.push(Field::new("/messages", format!("the last user message must have 1 to {MAX_PROMPT_CHARS} characters")));
        }
        if !fields.is_empty() {
            return Err(Problem::fields(fields));
        }
        let system: Vec<&str> = said.iter().filter(|(role, _)| matches!(*role, "system" | "developer")).map(|(_, text)| text.as_str()).collect();
        let metadata = body["metadata"].as_object().into_iter().flatten().filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
        Ok(Self {
            agent: agent.to_owned(),
            system: (!system.is_empty()).then(|| system.join("\n\n")),
            turns: turns(&said[..last.unwrap_or(0)]),
            prompt,
            stream: body["stream"].as_bool().unwrap_or(false),
            include_usage: body["stream_options"]["include_usage"].as_bool().unwrap_or(false),
            temperature,
            max_tokens,
            user: body["user"].as_str().filter(|user| !user.is_empty()).map(|user| user.chars().take(256).collect()),
            metadata: metadata.take(16).collect(),
        })
    }
}

/// A message's role and text; content is a string or a list of parts, of which the texts count.
fn said<'a>(place: usize, message: &'a Value, fields: &mut Vec<Field>) -> Option<(&'a str, String)> {
    let role = message["role"].as_str().filter(|role| ["system", "developer", "user", "assistant", "tool", "function"].contains(role));
    let Some(role) = role else {
        fields.push(Field::new(format!("/messages/{place}/role"), "must be system, developer, user, assistant, tool or function"));
        return None;
    };
    let text = match &message["content"] {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n"),
        Value::Null if role != "user" => String::new(),
        _ => {
            fields.push(Field::new(format!("/messages/{place}/content"), "must be a text or a list of parts"));
            return None;
        }
    };
    Some((role, text))
}

/// Questions with the answers that follow them.
fn turns(said: &[(&str, String)]) -> Vec<Turn> {
    let mut turns: Vec<Turn> = Vec::new();
    for (role, text) in said {
        match (*role, turns.last_mut()) {
            ("user", _) => turns.push(Turn { prompt: text.clone(), response: String::new() }),
            ("assistant", Some(turn)) => turn.response.push_str(text),
            _ => {}
        }
    }
    turns
}

fn no_model(model: &str) -> Problem {
    Problem {
        details: Box::new(json!({"openaiCode": "model_not_found"})),
        ..Problem::new(Code::NotFound, format!("The model {model:?} does not exist: give an agent's id"))
    }
}

async fn complete(request: Arc<Request>) -> Answer {
    let given = Conversation::read(&request.body)?;
    let agent_id: AgentId = given.agent.parse().map_err(|_| no_model(&given.agent))?;
    let organization = request.org()?;
    if request.app.views.agent(organization, agent_id).await?.is_none() {
        return Err(no_model(&given.agent));
    }
    let ask = Ask {
        organization,
        meta: request.meta(organization),
        agent_id,
        prompt: given.prompt,
        session_id: new_id::<SessionId>(request.now).to_string(),
        user_id: given.user,
        metadata: given.metadata,
        temperature: given.temperature,
        max_tokens: given.max_tokens,
        top_k: None,
        origin: Origin::Openai,
        idempotency: request.idempotency.clone(),
        earlier_turns: Some(given.turns),
        extra_system: given.system,
    };
    let live = request.app.knowledge.ask(ask).await.map_err(chat::problem)?;
    let head = Head { id: format!("chatcmpl-{}", live.id), created: request.now.millis() / 1000, model: given.agent };
    if given.stream {
        return Ok(streamed(live, head, given.include_usage));
    }
    match live.end().await {
        End::Completed { body, position } => {
            request.app.wait_for(position).await?;
            Ok(Reply::raw(head.whole(&body).to_string().into_bytes(), "application/json").position(Some(position), request.app.head()))
        }
        End::Failed { failure, .. } => Err(chat::failed(&failure.code, &failure.message, &live)),
    }
}

/// The members that every object of an answer shares.
struct Head {
    id: String,
    created: i64,
    model: String,
}

fn usage(body: &Value) -> Value {
    json!({"prompt_tokens": body["usage"]["promptTokens"], "completion_tokens": body["usage"]["completionTokens"], "total_tokens": body["usage"]["totalTokens"]})
}

fn finish_reason(body: &Value) -> &'static str {
    if body["finishReason"] == "length" { "length" } else { "stop" }
}

impl Head {
    fn whole(&self, body: &Value) -> Value {
        let message = json!({"role": "assistant", "content": body["response"], "refusal": null});
        json!({
            "id": self.id, "object": "chat.completion", "created": self.created, "model": self.model,
            "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": finish_reason(body)}],
            "usage": usage(body), "sources": body["sources"], "answered": body["answered"], "interactionId": body["id"],
        })
    }

    fn chunk(&self, choices: Value, include_usage: bool) -> Value {
        let mut chunk = json!({"id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": self.model, "choices": choices});
        if include_usage {
            chunk["usage"] = Value::Null;
        }
        chunk
    }

    /// What one event of the answer is in OpenAI's stream.
    fn data(&self, event: &LiveEvent, include_usage: bool) -> Vec<Value> {
        let choice = |delta: Value, finish: Value| json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}]);
        match event.name {
            "message.created" => vec![self.chunk(choice(json!({"role": "assistant", "content": "", "refusal": null}), Value::Null), include_usage)],
            "message.sources" => {
                let mut chunk = self.chunk(choice(json!({}), Value::Null), include_usage);
                chunk["sources"] = event.data["sources"].clone();
                vec![chunk]
            }
            "message.delta" => vec![self.chunk(choice(json!({"content": event.data["text"]}), Value::Null), include_usage)],
            "message.completed" => {
                let mut all = vec![self.chunk(choice(json!({}), finish_reason(&event.data).into()), include_usage)];
                if include_usage {
                    let mut last = self.chunk(json!([]), true);
                    last["usage"] = usage(&event.data);
                    all.push(last);
                }
                all
            }
            _ => vec![json!({"error": {"message": event.data["message"], "type": "server_error", "param": null, "code": event.data["code"]}})],
        }
    }
}

fn streamed(live: Arc<LiveAnswer>, head: Head, include_usage: bool) -> Reply {
    let events = stream::unfold((live, 0, head, false), move |(live, next, head, ended)| async move {
        if ended {
            return None;
        }
        let events = tokio::time::timeout(PING_EVERY, live.after(next)).await.unwrap_or_default();
        let next = next + events.len();
        let mut text: String = events.iter().flat_map(|event| head.data(event, include_usage)).map(|data| format!("data: {data}\n\n")).collect();
        let ended = live.is_done_at(next);
        if ended {
            text.push_str("data: [DONE]\n\n");
        } else if text.is_empty() {
            text.push_str(": ping\n\n");
        }
        Some((Ok(Bytes::from(text)), (live, next, head, ended)))
    });
    Reply::stream(Box::pin(events), "text/event-stream").header("cache-control", "no-store").header("x-accel-buffering", "no")
}

async fn models(request: Arc<Request>) -> Answer {
    let page = request.app.views.agents(request.org()?, ListQuery { limit: MAX_MODELS, at: ListAt::Offset(0) }).await?;
    let data: Vec<Value> = page.rows.iter().filter(|agent| agent["status"] == "active").map(shown).collect();
    Ok(Reply::raw(json!({"object": "list", "data": data}).to_string().into_bytes(), "application/json"))
}

async fn model(request: Arc<Request>) -> Answer {
    let id = request.parameters.get("id").cloned().unwrap_or_default();
    let agent = match id.parse() {
        Ok(agent) => request.app.views.agent(request.org()?, agent).await?,
        Err(_) => None,
    };
    let agent = agent.ok_or_else(|| no_model(&id))?;
    Ok(Reply::raw(shown(&agent.body).to_string().into_bytes(), "application/json"))
}

fn shown(agent: &Value) -> Value {
    let created = agent["createdAt"].as_str().and_then(|text| text.parse::<twig_domain::Timestamp>().ok()).map_or(0, |at| at.millis() / 1000);
    json!({"id": agent["id"], "object": "model", "created": created, "owned_by": "organization", "name": agent["name"]})
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_last_user_message_is_the_prompt_and_the_rest_the_conversation() {
        let body = json!({"model": "agent_1", "temperatur": 9, "messages": [
            {"role": "system", "content": "Be brief."}, {"role": "user", "content": "One?"}, {"role": "assistant", "content": "1."},
            {"role": "user", "content": [{"type": "text", "text": "Two?"}]}]});
        let read = Conversation::read(&body).unwrap();
        assert_eq!((read.prompt.as_str(), read.system.as_deref()), ("Two?", Some("Be brief.")));
        assert_eq!((read.turns.len(), read.turns[0].response.as_str()), (1, "1."));
    }

    #[test]
    fn every_wrong_field_is_named() {
        let problem = Conversation::read(&json!({"messages": [{"role": "nobody"}], "temperature": 3})).err().unwrap();
        let pointers: Vec<_> = problem.details["fields"].as_array().unwrap().iter().map(|field| field["pointer"].clone()).collect();
        assert_eq!(pointers, ["/model", "/messages/0/role", "/temperature"]);
    }
}
