//! Data specs, their runs and their uploads.

use serde_json::{Value, json};
use twig_commands::log::RecordedEvent;
use twig_domain::data_spec::{DataSpecEvent, DataSpecSettings};

use super::{DELETED, created, touch};
use crate::fold::{FoldError, Row, Rows, Table};

pub fn fold(rows: &mut dyn Rows, recorded: &RecordedEvent, event: &DataSpecEvent) -> Result<(), FoldError> {
    let (organization, id) = (recorded.meta.organization, recorded.aggregate_id.clone());
    if let DataSpecEvent::DataSpecCreated { settings, .. } = event {
        let mut body = body(settings);
        for (name, value) in [
            ("status", json!("pending")),
            ("stats", json!({"documents": 0, "chunks": 0, "bytes": 0})),
            ("embedding", json!({"model": null, "next": null})),
            ("lastRun", Value::Null),
            ("_index", Value::Null),
            ("_files", json!([])),
        ] {
            body[name] = value;
        }
        rows.put(Table::DataSpecs, organization, &id, created(recorded, &id, body));
        return Ok(());
    }
    let mut row = rows.need(Table::DataSpecs, organization, &id)?;
    match event {
        DataSpecEvent::DataSpecCreated { .. } => {}
        DataSpecEvent::DataSpecUpdated { settings, .. } => {
            for (name, value) in body(settings).as_object().into_iter().flatten() {
                row.body[name] = value.clone();
            }
        }
        DataSpecEvent::FilesAdded { files } => {
            let known = row.body["_files"].as_array().cloned().unwrap_or_default();
            let added: Vec<Value> = files.iter().map(|file| json!(file)).collect();
            let kept = known.into_iter().filter(|old| added.iter().all(|new| new["documentId"] != old["documentId"]));
            row.body["_files"] = kept.chain(added.iter().cloned()).collect();
            for file in files {
                let body = json!({"id": file.document_id, "name": file.name, "title": file.name, "url": file.name, "bytes": file.bytes, "chunks": 0, "status": "pending"});
                rows.put(Table::Uploads, organization, &file.document_id.to_string(), child(recorded, body));
            }
        }
        DataSpecEvent::ProcessingRequested { run_id, .. } => {
            let before = row.body["status"].clone();
            row.body["_before"] = before;
            row.body["status"] = "processing".into();
            row.body["lastRun"] = json!(run_id);
            let body = json!({
                "id": run_id, "dataSpecId": id, "status": "queued", "stage": "fetch", "progress": progress(0, 0, 0), "documents": {"added": 0, "updated": 0, "unchanged": 0, "removed": 0},
                "errors": [], "reason": null, "createdAt": recorded.recorded_at, "startedAt": null, "finishedAt": null, "heartbeatAt": null,
            });
            rows.put(Table::Runs, organization, &run_id.to_string(), child(recorded, body));
        }
        DataSpecEvent::ProcessingStarted { run_id } => {
            change_run(rows, recorded, &run_id.to_string(), &[("status", json!("running")), ("startedAt", json!(recorded.recorded_at))])?
        }
        DataSpecEvent::ProcessingCompleted { run_id, documents, index, errors, failed } => {
            row.body["status"] = "active".into();
            row.body["stats"] = json!({"documents": index.documents, "chunks": index.chunks, "bytes": index.bytes});
            row.body["embedding"] = json!({"model": index.model, "next": null});
            row.body["_index"] = json!(index);
            let done = documents.added + documents.updated + documents.unchanged;
            let set = [
                ("status", json!("succeeded")),
                ("stage", json!("index")),
                ("documents", json!(documents)),
                ("errors", json!(errors)),
                ("progress", progress(done, *failed, index.chunks)),
            ];
            end_run(rows, recorded, &run_id.to_string(), &set)?;
        }
        DataSpecEvent::ProcessingFailed { run_id, reason, errors, failed } => {
            row.body["status"] = "failed".into();
            let set = [("status", json!("failed")), ("reason", json!(reason)), ("errors", json!(errors)), ("progress", progress(0, *failed, 0))];
            end_run(rows, recorded, &run_id.to_string(), &set)?;
        }
        DataSpecEvent::ProcessingCanceled { run_id } => {
            row.body["status"] = row.body["_before"].clone();
            end_run(rows, recorded, &run_id.to_string(), &[("status", json!("canceled"))])?;
        }
        DataSpecEvent::EmbeddingSwitched { to, .. } => {
            row.body["embedding"] = json!({"model": to, "next": null});
            row.body["_index"]["model"] = json!(to);
        }
        DataSpecEvent::DataSpecDeleted {} => row.parent = Some(DELETED.to_owned()),
    }
    touch(&mut row, recorded);
    rows.put(Table::DataSpecs, organization, &id, row);
    Ok(())
}

fn body(settings: &DataSpecSettings) -> Value {
    serde_json::to_value(settings).unwrap_or_default()
}

fn progress(done: u64, failed: u64, chunks: u64) -> Value {
    json!({"documentsSeen": done + failed, "documentsDone": done, "documentsFailed": failed, "chunks": chunks})
}

fn child(recorded: &RecordedEvent, body: Value) -> Row {
    Row { parent: Some(recorded.aggregate_id.clone()), at: recorded.recorded_at.millis(), sort: recorded.position as i64, body }
}

fn end_run(rows: &mut dyn Rows, recorded: &RecordedEvent, run: &str, members: &[(&str, Value)]) -> Result<(), FoldError> {
    let ended = ("finishedAt", json!(recorded.recorded_at));
    change_run(rows, recorded, run, &members.iter().cloned().chain([ended]).collect::<Vec<_>>())
}

fn change_run(rows: &mut dyn Rows, recorded: &RecordedEvent, run: &str, members: &[(&str, Value)]) -> Result<(), FoldError> {
    let mut row = rows.need(Table::Runs, recorded.meta.organization, run)?;
    for (name, value) in members {
        row.body[*name] = value.clone();
    }
    rows.put(Table::Runs, recorded.meta.organization, run, row);
    Ok(())
}
