//! A text typed into the configuration: one document.

use bytes::Bytes;

use super::{Document, FetchError, Found, Job};

pub(super) async fn fetch(job: &Job<'_>) -> Result<(), FetchError> {
    let title = job.string("title").unwrap_or("Text").to_owned();
    let content = job.string("content").unwrap_or_default();
    let document = Document {
        key: "text".to_owned(),
        name: title.clone(),
        url: title.clone(),
        title_hint: Some(title),
        media_type: Some("text/markdown".to_owned()),
        bytes: Bytes::copy_from_slice(content.as_bytes()),
    };
    job.send(Found::Document(document)).await
}
