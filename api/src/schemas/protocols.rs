//! What other protocols' clients send and get: OpenAI's chat completions and models, and JSON-RPC 2.0 of the Model Context Protocol.

use serde_json::{Value, json};

use super::{count, described, list_of, nullable, shape, string};

pub fn all() -> Vec<(&'static str, Value)> {
    vec![
        ("ChatCompletion", completion()),
        ("ChatCompletionEvent", event()),
        ("ChatCompletionChunk", chunk()),
        ("Model", shape(&[], json!({"id": string(), "object": {"const": "model"}, "created": count(), "owned_by": string(), "name": string()}))),
        ("Models", shape(&[], json!({"object": {"const": "list"}, "data": list_of("Model")}))),
        ("OpenAIError", openai_error()),
        ("JsonRpcResponse", json_rpc()),
    ]
}

fn completion() -> Value {
    let message = shape(&[], json!({"role": {"const": "assistant"}, "content": string(), "refusal": {"type": "null"}}));
    let choice = shape(&[], json!({"index": {"const": 0}, "message": message, "logprobs": {"type": "null"}, "finish_reason": {"enum": ["stop", "length"]}}));
    described(
        "OpenAI's object, with the sources beside its own members",
        shape(
            &[],
            json!({
                "id": {"type": "string", "pattern": "^chatcmpl-"}, "object": {"const": "chat.completion"}, "created": count(), "model": string(),
                "choices": {"type": "array", "items": choice}, "usage": usage(), "sources": list_of("Source"), "answered": {"type": "boolean"}, "interactionId": super::id("int"),
            }),
        ),
    )
}

/// One server-sent event of a streamed completion.
fn event() -> Value {
    let data = json!({"type": "string", "contentMediaType": "application/json", "contentSchema": super::named("ChatCompletionChunk"), "description": "A chunk; the last one is `[DONE]`"});
    shape(&[], json!({ "data": data }))
}

fn chunk() -> Value {
    let text = || json!({"type": ["string", "null"]});
    let delta = shape(&["role", "content", "refusal"], json!({"role": {"const": "assistant"}, "content": string(), "refusal": {"type": "null"}}));
    let choice = shape(&[], json!({"index": {"const": 0}, "delta": delta, "logprobs": {"type": "null"}, "finish_reason": text()}));
    shape(
        &["usage", "sources"],
        json!({
            "id": string(), "object": {"const": "chat.completion.chunk"}, "created": count(), "model": string(), "choices": {"type": "array", "items": choice},
            "usage": nullable(usage()), "sources": list_of("Source"),
        }),
    )
}

fn usage() -> Value {
    shape(&[], json!({"prompt_tokens": count(), "completion_tokens": count(), "total_tokens": count()}))
}

fn openai_error() -> Value {
    let error = json!({"message": string(), "type": string(), "param": {"type": ["string", "null"]}, "code": {"type": ["string", "null"]}, "details": {"type": ["object", "null"]}});
    shape(&[], json!({"error": shape(&[], error)}))
}

fn json_rpc() -> Value {
    let error = shape(&["data"], json!({"code": {"type": "integer"}, "message": string(), "data": {}}));
    let members = json!({
        "jsonrpc": {"const": "2.0"}, "id": nullable(json!({"type": ["string", "integer", "number"]})), "result": {"type": "object"}, "error": error,
    });
    described("A result, or an error of JSON-RPC 2.0", shape(&["result", "error"], members))
}
