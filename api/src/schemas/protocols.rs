//! What other protocols' clients send and get: OpenAI's chat completions and models, and JSON-RPC 2.0 of the Model Context Protocol.

use serde_json::{Value, json};

use super::{count, described, list_of, nullable, shape, string};

pub fn all() -> Vec<(&'static str, Value)> {
    vec![
        ("ChatCompletion", completion()),
        ("Model", shape(&[], json!({"id": string(), "object": {"const": "model"}, "created": count(), "owned_by": string(), "name": string()}))),
        ("Models", shape(&[], json!({"object": {"const": "list"}, "data": list_of("Model")}))),
        ("OpenAIError", openai_error()),
        ("JsonRpcResponse", json_rpc()),
    ]
}

fn completion() -> Value {
    let message = shape(&[], json!({"role": {"const": "assistant"}, "content": string(), "refusal": {"type": "null"}}));
    let choice = shape(&[], json!({"index": {"const": 0}, "message": message, "logprobs": {"type": "null"}, "finish_reason": {"enum": ["stop", "length"]}}));
    let usage = shape(&[], json!({"prompt_tokens": count(), "completion_tokens": count(), "total_tokens": count()}));
    described(
        "OpenAI's object, with the sources beside its own members",
        shape(
            &[],
            json!({
                "id": {"type": "string", "pattern": "^chatcmpl-"}, "object": {"const": "chat.completion"}, "created": count(), "model": string(),
                "choices": {"type": "array", "items": choice}, "usage": usage, "sources": list_of("Source"), "answered": {"type": "boolean"}, "interactionId": super::id("int"),
            }),
        ),
    )
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
