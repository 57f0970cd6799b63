//! `POST /api/data-specs/{id}/files`: uploads, each file stored by its content hash before the event that names it.

use std::sync::Arc;

use actix_multipart::Multipart;
use actix_web::http::Method;
use bytes::BytesMut;
use futures_util::StreamExt;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use twig_commands::ids::new_id;
use twig_domain::{
    data_spec::{DataSpec, DataSpecCommand, DataSpecEvent, UploadedFile},
    id::DataSpecId,
    organization::Scope,
};

use super::data_specs::{WHAT, current};
use crate::{
    dispatch::{Begun, begin, keep},
    problem::{Code, Problem},
    reply::{Answer, Reply},
    request::Request,
    route::{Gives, Route, Takes, handler},
    schemas::list_of,
};

const MAX_FILE_BYTES: usize = 50 << 20;
const MAX_FILES_PER_REQUEST: usize = 1000;
const MAX_NAME_CHARS: usize = 300;

pub fn routes(all: &mut Vec<Route>) {
    all.push(
        Route::new(
            Method::POST,
            "/api/data-specs/{id}/files",
            &[Scope::DataWrite],
            "Upload files (form field `file`, repeatable)",
            Gives::One(201, list_of("Document")),
            handler!(upload),
        )
        .takes(Takes::Files),
    );
}

async fn upload(request: Arc<Request>) -> Answer {
    let id: DataSpecId = request.id("id", WHAT)?;
    current(&request, id).await?;
    let files = receive(&request).await?;
    let mut fingerprint = Sha256::new();
    for file in &files {
        fingerprint.update(format!("{}\0{}\0", file.name, file.sha256));
    }
    let fingerprint = fingerprint.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let (key, _guard) = match begin(&request, fingerprint).await? {
        Some(Begun::Replay(reply)) => return Ok(reply),
        Some(Begun::Run(key, guard)) => (Some(key), Some(guard)),
        None => (None, None),
    };
    let mut context = request.command(None)?;
    context.idempotency = key.clone();
    let outcome = request.app.bus.execute::<DataSpec>(id, vec![DataSpecCommand::AddFiles { files }], context).await?;
    if let Some(position) = outcome.position {
        request.app.wait_for(position).await?;
    }
    let Some(DataSpecEvent::FilesAdded { files }) = outcome.events.first() else { return Err(Problem::internal("an upload made no event")) };
    let data: Vec<Value> = files.iter().map(document).collect();
    let reply = Reply::created(format!("/api/data-specs/{id}/documents"), &Value::Array(data)).position(outcome.position, request.app.head());
    if let Some(key) = &key {
        keep(&request, key, &reply).await;
    }
    Ok(reply)
}

/// An uploaded file as a document that no run has seen yet.
pub(super) fn document(file: &UploadedFile) -> Value {
    json!({"id": file.document_id, "name": file.name, "title": file.name, "url": file.name, "bytes": file.bytes, "chunks": 0, "status": "pending"})
}

async fn receive(request: &Request) -> Result<Vec<UploadedFile>, Problem> {
    let malformed = || Problem::field("", "The body is not a whole multipart/form-data form");
    let is_form = request.header("content-type").is_some_and(|kind| kind.trim().to_ascii_lowercase().starts_with("multipart/form-data"));
    if !is_form {
        return Err(Problem::new(Code::UnsupportedMediaType, "The body must be multipart/form-data with the field `file`"));
    }
    let payload = request.payload.borrow_mut().take().ok_or_else(malformed)?;
    let mut form = Multipart::new(&request.headers, payload);
    let mut files = Vec::new();
    while let Some(field) = form.next().await {
        let mut field = field.map_err(|_| malformed())?;
        let disposition = field.content_disposition();
        let (member, name) =
            (disposition.and_then(|d| d.get_name()).unwrap_or_default().to_owned(), disposition.and_then(|d| d.get_filename()).map(str::to_owned));
        if member != "file" {
            return Err(Problem::field(format!("/{member}"), "is not a known field; files are sent as `file`"));
        }
        let name = file_name(name.as_deref().unwrap_or_default()).ok_or_else(|| Problem::field(format!("/file/{}", files.len()), "needs a file name"))?;
        if files.len() == MAX_FILES_PER_REQUEST {
            return Err(Problem::field("/file", format!("must have at most {MAX_FILES_PER_REQUEST} items")));
        }
        let mut bytes = BytesMut::new();
        while let Some(chunk) = field.next().await {
            let chunk = chunk.map_err(|_| malformed())?;
            if bytes.len() + chunk.len() > MAX_FILE_BYTES {
                return Err(Problem::new(Code::PayloadTooLarge, format!("{name} is over 50 MiB")));
            }
            bytes.extend_from_slice(&chunk);
        }
        let (content, size) = (request.app.content.clone(), bytes.len() as u64);
        let sha256 = request.app.blocking(move || content.put(&bytes)).await?.map_err(|error| Problem::fault(&error))?;
        files.push(UploadedFile { document_id: new_id(request.now), name, sha256, bytes: size });
    }
    if files.is_empty() { Err(Problem::field("/file", "is required")) } else { Ok(files) }
}

/// The last part of a path, without control characters: some clients send whole paths.
fn file_name(given: &str) -> Option<String> {
    let last = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let clean: String = last.chars().filter(|c| !c.is_control()).take(MAX_NAME_CHARS).collect();
    let clean = clean.trim();
    (!clean.is_empty() && clean != "." && clean != "..").then(|| clean.to_owned())
}
