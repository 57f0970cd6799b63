//! Uploaded files, in the order of their upload. An archive becomes its members.

use bytes::Bytes;

use super::{Document, FetchError, Found, Job, Upload};

pub(super) async fn fetch(job: &Job<'_>) -> Result<(), FetchError> {
    job.send(Found::Seen(job.source.uploads.len() as u64)).await?;
    for upload in job.source.uploads.iter().filter(|upload| job.takes_file(&upload.name)) {
        let Some(bytes) = load(job, upload).await? else { continue };
        job.send_file(document(upload, bytes)).await?;
    }
    Ok(())
}

/// An upload's bytes; `None` when it failed and that has been told.
pub(super) async fn load(job: &Job<'_>, upload: &Upload) -> Result<Option<Bytes>, FetchError> {
    match upload.reader.read(&upload.content_sha256).await {
        Ok(Some(bytes)) if bytes.len() as u64 > job.settings.max_document_bytes => job.failed(&upload.name, job.too_large()).await?,
        Ok(Some(bytes)) => return Ok(Some(bytes)),
        Ok(None) => job.failed(&upload.name, "the uploaded file is no longer stored; upload it again").await?,
        Err(error) => {
            tracing::warn!(upload = %upload.id, %error, "an uploaded file could not be loaded");
            job.failed(&upload.name, "the uploaded file could not be loaded").await?;
        }
    }
    Ok(None)
}

pub(super) fn document(upload: &Upload, bytes: Bytes) -> Document {
    Document { key: upload.id.clone(), name: upload.name.clone(), url: upload.name.clone(), title_hint: None, media_type: upload.media_type.clone(), bytes }
}
