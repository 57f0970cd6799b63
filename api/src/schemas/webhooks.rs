//! Webhooks, their deliveries, and the message that an endpoint gets.

use serde_json::{Value, json};
use twig_projections::MESSAGE_TYPES;

use super::{count, described, id, nullable, position, shape, string, strings, time, version};

pub fn all() -> Vec<(&'static str, Value)> {
    let mut created = webhook();
    created["secret"] = described("The signing secret, in this answer only", json!({"type": "string", "pattern": "^whsec_"}));
    vec![
        ("Webhook", shape(&[], webhook())),
        ("WebhookWithSecret", shape(&[], created)),
        ("WebhookReplay", shape(&[], json!({"webhookId": id("wh"), "status": {"const": "queued"}, "untilPosition": nullable(position())}))),
        ("WebhookRetries", shape(&[], json!({"webhookId": id("wh"), "retried": count()}))),
        ("Delivery", delivery()),
        ("DeliveryAttempt", attempt()),
        ("WebhookMessage", message()),
    ]
}

fn webhook() -> Value {
    json!({
        "id": id("wh"), "url": string(), "events": described("Types, groups such as `interaction.*`, or `*`", strings()), "description": {"type": ["string", "null"]},
        "filter": shape(&["agentIds", "dataSpecIds"], json!({"agentIds": strings(), "dataSpecIds": strings()})),
        "headers": {"type": "object", "additionalProperties": {"type": "string"}, "description": "Secret values are answered as `***`"},
        "status": {"enum": ["active", "paused", "disabled"]}, "disabledReason": {"type": ["string", "null"]}, "version": version(), "createdAt": time(),
        "updatedAt": time(),
    })
}

fn delivery() -> Value {
    shape(
        &["payload"],
        json!({
            "id": id("dlv"), "webhookId": id("wh"), "eventId": id("evt"), "type": {"enum": MESSAGE_TYPES}, "sequence": count(), "position": nullable(position()),
            "status": {"enum": ["pending", "succeeded", "failed"]}, "replayed": {"type": "boolean"}, "nextAttemptAt": nullable(time()), "createdAt": time(),
            "attempts": super::list_of("DeliveryAttempt"), "payload": described("The message, when one delivery is read", json!({})),
        }),
    )
}

fn attempt() -> Value {
    let text = || json!({"type": ["string", "null"]});
    shape(
        &[],
        json!({
            "number": count(), "at": time(), "status": {"type": ["integer", "null"], "description": "Of the endpoint's answer"}, "latencyMs": count(),
            "response": text(), "error": text(),
        }),
    )
}

fn message() -> Value {
    described(
        "What an endpoint gets, signed by Standard Webhooks 1.0",
        shape(
            &[],
            json!({
                "id": id("evt"), "type": {"enum": MESSAGE_TYPES}, "timestamp": time(), "organizationId": id("org"), "sequence": count(),
                "data": {"type": "object", "description": "The thing as it was at that event"},
            }),
        ),
    )
}
