//! Jobs: erasures with their receipts, replays with their reports.

use serde_json::{Value, json};

use super::{count, described, id, list_of, named, nullable, shape, string, strings, time};

pub fn all() -> Vec<(&'static str, Value)> {
    let failure = described("Why a job failed", shape(&[], json!({"reason": string()})));
    vec![
        ("Erasure", described("An erasure; its `result` is there when it has ended", job(&["ErasureReceipt", "JobFailure"]))),
        ("ErasureReceipt", receipt()),
        ("JobFailure", failure),
        ("Replay", described("A replay; its `result` is there when it has ended", job(&["ReplayReport"]))),
        ("ReplayReport", report()),
        ("ReplayedQuestion", question()),
        ("SourceName", source_name()),
    ]
}

fn job(results: &[&str]) -> Value {
    let progress = shape(&[], json!({"done": count(), "total": {"type": ["integer", "null"], "minimum": 0}}));
    let results: Vec<Value> = results.iter().map(|name| named(name)).chain([json!({"type": "null"})]).collect();
    shape(&[], json!({"id": id("job"), "status": {"enum": ["queued", "running", "succeeded", "failed"]}, "progress": progress, "result": {"anyOf": results}}))
}

fn receipt() -> Value {
    let store = shape(&[], json!({"store": string(), "cleared": count(), "note": string()}));
    let receiver = shape(&[], json!({"webhookId": id("wh"), "deliveries": count()}));
    described(
        "What an erasure came to",
        shape(
            &[],
            json!({
                "erasedAt": time(), "interactions": count(), "keys": described("Keys that were destroyed, whole or for single interactions", count()),
                "stores": {"type": "array", "items": store, "description": "What each store held, and holds no longer"},
                "receivers": {"type": "array", "items": receiver, "description": "Webhooks that were sent the words, and must be asked to erase them themselves"},
                "beyond": described("What the message broker, backups and model providers may still hold", strings()),
            }),
        ),
    )
}

fn report() -> Value {
    let summary = shape(&[], json!({"questions": count(), "answered": count(), "answeredBefore": count(), "failed": count()}));
    let reason = json!({"type": ["string", "null"], "description": "Why the replay failed"});
    described("What a replay came to", shape(&[], json!({"summary": summary, "questions": list_of("ReplayedQuestion"), "reason": reason})))
}

/// The new answer's figures are there when it came about.
fn question() -> Value {
    let text = || json!({"type": ["string", "null"]});
    let answered = || json!({"type": ["boolean", "null"]});
    let whole = || json!({"type": ["integer", "null"], "minimum": 0});
    let number = || json!({"type": ["number", "null"]});
    let before = json!({
        "answer": text(), "answered": answered(), "agentVersion": whole(), "latencyMs": whole(), "usage": nullable(named("Usage")), "grounding": number(),
        "sources": described("How many there were", count()),
    });
    let members = json!({
        "interactionId": id("int"), "prompt": text(), "answer": text(), "answered": answered(), "error": nullable(shape(&[], json!({"code": string(), "message": string()}))),
        "before": described("As it was answered first", shape(&[], before)), "sourcesGained": list_of("SourceName"), "sourcesLost": list_of("SourceName"),
        "sourcesKept": count(), "latencyMs": count(), "usage": named("Usage"), "grounding": number(), "costUsd": number(), "agentVersion": whole(), "erased": {"const": true},
    });
    let optional = ["sourcesGained", "sourcesLost", "sourcesKept", "latencyMs", "usage", "grounding", "costUsd", "agentVersion", "erased"];
    described("A past question and its new answer", shape(&optional, members))
}

fn source_name() -> Value {
    shape(
        &[],
        json!({"chunkId": id("chk"), "documentId": id("doc"), "documentTitle": string(), "documentUrl": {"type": ["string", "null"]}, "dataSpecId": id("ds")}),
    )
}
