//! Answers, the passages they cite, and interactions.

use serde_json::{Value, json};

use super::{count, described, fraction, id, list_of, named, nullable, position, shape, string, strings, time, version};

pub fn all() -> Vec<(&'static str, Value)> {
    vec![
        ("ChatResponse", shape(&[], chat())),
        ("StreamEvent", stream_event()),
        ("MessageCreated", message("message.created", json!({"id": id("int"), "sessionId": string()}))),
        ("MessageSources", message("message.sources", json!({"sources": list_of("Source")}))),
        ("MessageDelta", message("message.delta", json!({"text": string()}))),
        ("MessageCompleted", message("message.completed", chat())),
        ("MessageError", message("error", super::error_members())),
        ("Source", shape(&[], source())),
        ("Location", location()),
        ("Usage", shape(&[], json!({"promptTokens": count(), "completionTokens": count(), "totalTokens": count()}))),
        ("SearchResults", shape(&[], json!({"results": list_of("SearchResult"), "latencyMs": count()}))),
        ("SearchResult", search_result()),
        ("Interaction", interaction()),
        ("Feedback", shape(&[], feedback())),
        ("FeedbackHistory", history()),
        ("Provenance", provenance()),
        ("Session", shape(&[], json!({"id": string(), "turns": described("Oldest first", list_of("Interaction"))}))),
    ]
}

fn chat() -> Value {
    json!({
        "id": id("int"), "sessionId": string(), "agentId": id("agent"), "agentVersion": version(),
        "response": described("Each `[n]` is the `index` of a source", string()), "sources": described("In falling score, numbered from 1", list_of("Source")),
        "answered": {"type": "boolean", "description": "`false` when nothing relevant was found; `response` is then the agent's `fallbackMessage`"},
        "finishReason": described("`stop`, or `length`", string()), "model": string(), "ragStrategy": {"enum": ["redwood", "cedar", "cypress"]}, "usage": named("Usage"),
        "latencyMs": count(), "createdAt": time(),
        "grounding": described("The share of the answer's sentences that its sources support; `null` without a language model", nullable(fraction())),
    })
}

/// One server-sent event: its number, its name, and one of the messages as JSON.
fn stream_event() -> Value {
    let messages = ["MessageCreated", "MessageSources", "MessageDelta", "MessageCompleted", "MessageError"];
    let data = json!({"type": "string", "contentMediaType": "application/json", "contentSchema": {"anyOf": messages.map(named)}});
    let names = ["message.created", "message.sources", "message.delta", "message.completed", "error"];
    shape(&[], json!({"id": described("`<interactionId>:<sequenceNumber>`", string()), "event": {"enum": names}, "data": data}))
}

fn message(kind: &str, mut members: Value) -> Value {
    members["type"] = json!({ "const": kind });
    members["sequenceNumber"] = described("From 0, without a gap", count());
    shape(&["retryAfter"], members)
}

fn source() -> Value {
    json!({
        "index": {"type": "integer", "minimum": 1}, "chunkId": id("chk"), "documentId": id("doc"), "documentTitle": string(),
        "documentUrl": {"type": ["string", "null"]}, "dataSpecId": id("ds"), "snippet": string(), "score": {"type": "number"}, "location": named("Location"),
    })
}

fn location() -> Value {
    shape(
        &["page"],
        json!({
            "page": {"type": "integer", "minimum": 1, "description": "Only where the format has pages"}, "headingPath": strings(),
            "start": described("A character offset in the extracted text", count()), "end": count(),
        }),
    )
}

fn search_result() -> Value {
    let score = || json!({"type": ["number", "null"]});
    let mut members = source();
    members["content"] = described("The whole passage", string());
    members["scores"] = shape(&[], json!({"vector": score(), "keyword": score()}));
    shape(&[], members)
}

/// An answer's members with what surrounds them; what is not there yet, never came or was erased is `null`.
fn interaction() -> Value {
    let mut members = chat();
    for name in ["response", "answered", "finishReason", "usage", "latencyMs"] {
        members[name] = nullable(members[name].take());
    }
    let more = json!({
        "prompt": {"type": ["string", "null"]}, "status": {"enum": ["started", "completed", "failed"]},
        "error": nullable(shape(&[], json!({"code": string(), "message": string()}))), "feedback": nullable(named("Feedback")), "reviewStatus": review_status(),
        "userId": {"type": ["string", "null"]}, "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
        "origin": {"enum": ["api", "openai", "mcp", "console", "import"]}, "version": version(), "erased": {"const": true},
        "provenance": described("With `include=provenance`", nullable(named("Provenance"))),
        "feedbackHistory": described("With `include=history`", list_of("FeedbackHistory")),
    });
    for (name, schema) in more.as_object().into_iter().flatten() {
        members[name] = schema.clone();
    }
    shape(&["erased", "provenance", "feedbackHistory"], members)
}

fn review_status() -> Value {
    json!({"enum": ["accurate", "edited", "inaccurate", "no_answer", null]})
}

fn feedback() -> Value {
    let text = || json!({"type": ["string", "null"]});
    json!({"rating": {"enum": ["positive", "negative"]}, "comment": text(), "reviewStatus": review_status(), "correctedResponse": text(), "createdAt": time()})
}

fn history() -> Value {
    let mut members = feedback();
    members["actor"] = named("Actor");
    shape(&[], members)
}

fn provenance() -> Value {
    let words = || json!({"type": ["string", "null"]});
    let text = shape(&[], json!({"index": count(), "chunkId": id("chk"), "text": words(), "before": words(), "after": words()}));
    let index = shape(&[], json!({"dataSpecId": id("ds"), "manifest": string(), "model": string()}));
    described(
        "How the answer came about",
        shape(
            &[],
            json!({
                "agent": {"type": ["object", "null"], "description": "Its exact configuration at that version"}, "sources": {"type": "array", "items": text},
                "steps": {"description": "Of the strategy: rewritten queries, candidates, scores"}, "positions": {"type": "array", "items": position()},
                "messagesSha256": {"type": ["string", "null"], "description": "Of the messages sent, as canonical JSON (RFC 8785)"},
                "messages": {"type": ["array", "null"], "description": "What the model was sent; `null` where none was, and where words of it were erased"},
                "costUsd": {"type": ["number", "null"]}, "indexes": {"type": "array", "items": index},
            }),
        ),
    )
}
