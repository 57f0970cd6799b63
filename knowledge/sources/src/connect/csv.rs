//! `csv` and `qna_csv`, by upload or from a URL. A table goes on as it is; its rows get their headers when its text is extracted. A list of questions and answers becomes Markdown with a
//! heading a question, so that a pair stays one chunk.

use bytes::Bytes;

use super::{Document, FetchError, Job, base_name, upload};
use crate::{config::SourceKind, extract::qna_markdown};

pub(super) async fn fetch(job: &Job<'_>) -> Result<(), FetchError> {
    if job.string("url").is_some() {
        let document = download(job).await?;
        return send(job, document).await;
    }
    if job.source.uploads.is_empty() {
        return Err(FetchError::source("there is no file yet: upload one, or give a URL"));
    }
    for upload in &job.source.uploads {
        if let Some(bytes) = upload::load(job, upload).await? {
            send(job, upload::document(upload, bytes)).await?;
        }
    }
    Ok(())
}

async fn send(job: &Job<'_>, mut document: Document) -> Result<(), FetchError> {
    if job.source.kind == SourceKind::Csv {
        document.media_type = Some("text/csv".to_owned());
        return job.send_file(document).await;
    }
    match qna_markdown(&document.bytes) {
        Ok(markdown) => {
            document.bytes = Bytes::from(markdown);
            document.media_type = Some("text/markdown".to_owned());
            job.send(super::Found::Document(document)).await
        }
        Err(message) => job.failed(document.url, message).await,
    }
}

async fn download(job: &Job<'_>) -> Result<Document, FetchError> {
    let url = job.url()?;
    let client = job.client()?;
    let (last, reply) =
        super::website::follow(&client, &url, 1.0f64.max(job.requests_per_second())).await.map_err(|error| FetchError::Source(format!("{url}: {error}")))?;
    if !reply.status().is_success() {
        return Err(FetchError::Source(format!("{url} answered {}", super::website::status_text(reply.status()))));
    }
    let bytes = reply.bytes(job.settings.max_document_bytes).await.map_err(|error| FetchError::Source(format!("{url}: {error}")))?;
    let name = base_name(last.path()).to_owned();
    Ok(Document {
        key: url.to_string(),
        name: if name.is_empty() { "table.csv".to_owned() } else { name },
        url: url.to_string(),
        title_hint: None,
        media_type: None,
        bytes,
    })
}
