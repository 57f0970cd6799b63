//! Data specs, their runs and documents.

use serde_json::{Value, json};

use super::{count, described, id, named, nullable, shape, string, strings, time, version};

pub fn all() -> Vec<(&'static str, Value)> {
    vec![("DataSpec", data_spec()), ("Run", run()), ("RunStarted", started()), ("Document", document())]
}

fn data_spec() -> Value {
    let next = shape(&[], json!({"model": string(), "done": count(), "total": count()}));
    let embedding = shape(&[], json!({"model": {"type": ["string", "null"]}, "next": described("The sharper model that is being prepared", nullable(next))}));
    shape(
        &[],
        json!({
            "id": id("ds"), "name": string(), "description": {"type": ["string", "null"]},
            "type": {"enum": ["text", "file", "website", "sitemap", "qna_csv", "csv", "bucket"]}, "config": {"type": "object", "description": "Secrets are answered as `***`"},
            "syncSchedule": {"enum": ["manual", "hourly", "daily", "weekly"]}, "tags": strings(), "filters": shape(&[], json!({"include": strings(), "exclude": strings()})),
            "status": {"enum": ["pending", "processing", "active", "failed"]}, "stats": shape(&[], json!({"documents": count(), "chunks": count(), "bytes": count()})),
            "embedding": embedding, "lastRun": nullable(named("Run")), "version": version(), "createdAt": time(), "updatedAt": time(),
        }),
    )
}

fn statuses() -> Value {
    json!({"enum": ["queued", "running", "succeeded", "failed", "canceled"]})
}

fn run() -> Value {
    let error = shape(&[], json!({"documentUrl": {"type": ["string", "null"]}, "stage": string(), "message": string()}));
    let moment = || nullable(time());
    shape(
        &[],
        json!({
            "id": id("run"), "dataSpecId": id("ds"), "status": statuses(), "stage": {"enum": ["fetch", "parse", "chunk", "embed", "index"]},
            "progress": shape(&[], json!({"documentsSeen": count(), "documentsDone": count(), "documentsFailed": count(), "chunks": count()})),
            "documents": shape(&[], json!({"added": count(), "updated": count(), "unchanged": count(), "removed": count()})),
            "errors": {"type": "array", "items": error}, "reason": {"type": ["string", "null"], "description": "Why it failed"}, "createdAt": time(),
            "startedAt": moment(), "finishedAt": moment(), "heartbeatAt": moment(),
        }),
    )
}

fn started() -> Value {
    shape(&[], json!({"id": id("run"), "dataSpecId": id("ds"), "status": statuses()}))
}

fn document() -> Value {
    shape(
        &[],
        json!({
            "id": id("doc"), "name": string(), "title": string(), "url": {"type": ["string", "null"]}, "bytes": count(), "chunks": count(),
            "status": string(),
        }),
    )
}
