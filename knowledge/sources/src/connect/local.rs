//! `file://` buckets: a folder of this machine under a root that the operator has opened. The invariant: nothing outside the folder is ever read. Links are followed only to files inside
//! it, and what was opened is compared with what was checked, so that a link swapped in between gains nothing. (`object_store`'s own local store follows links wherever they lead.)

use std::{
    fs::{self, File},
    io::Read,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use url::Url;

use super::{Document, FetchError, Found, Job, base_name, bucket::not_worth_loading};
use crate::config::local_folder;

const MAX_FOLDER_DEPTH: usize = 64;

pub(super) async fn fetch(job: &Job<'_>, url: &Url) -> Result<(), FetchError> {
    let folder = local_folder(url, &job.settings.bucket_roots).map_err(|reason| FetchError::Source(format!("the bucket's URL {reason}")))?;
    let max_files = job.settings.max_documents;
    let walked = folder.clone();
    let keys =
        tokio::task::spawn_blocking(move || walk(&walked, max_files)).await.ok().flatten().ok_or_else(|| FetchError::source("the folder cannot be listed"))?;
    let prefix = job.string("prefix").unwrap_or_default().trim_start_matches('/');
    let wanted: Vec<_> = keys.into_iter().filter(|key| key.starts_with(prefix) && job.takes_file(key)).collect();
    job.send(Found::Seen(wanted.len() as u64)).await?;
    let base = url.as_str().trim_end_matches('/');
    for key in wanted {
        let url = format!("{base}/{key}");
        let (folder, inner, limit_bytes) = (folder.clone(), key.clone(), job.settings.max_document_bytes);
        let size_bytes = fs::metadata(folder.join(&key)).map_or(0, |meta| meta.len());
        if let Some(message) = not_worth_loading(job, &key, size_bytes) {
            job.failed(url, message).await?;
            continue;
        }
        match tokio::task::spawn_blocking(move || read_inside(&folder, &inner, limit_bytes)).await {
            Ok(Ok(Some(bytes))) => job.send_file(Document { name: base_name(&key).to_owned(), key, url, title_hint: None, media_type: None, bytes }).await?,
            Ok(Ok(None)) => job.failed(url, job.too_large()).await?,
            Ok(Err(message)) => job.failed(url, message).await?,
            Err(_) => job.failed(url, "the file could not be read").await?,
        }
    }
    Ok(())
}

/// Every file's path below `folder`, sorted, hidden ones left out. Folders that are links are not entered.
fn walk(folder: &Path, max_files: usize) -> Option<Vec<String>> {
    let mut keys = Vec::new();
    let mut queue = vec![(PathBuf::new(), 0)];
    while let Some((inner, depth)) = queue.pop() {
        let Ok(entries) = fs::read_dir(folder.join(&inner)) else {
            if depth == 0 {
                return None;
            }
            continue;
        };
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let path = inner.join(&name);
            let Ok(kind) = entry.file_type() else { continue };
            if name.starts_with('.') || keys.len() >= max_files {
                continue;
            }
            if kind.is_dir() && depth < MAX_FOLDER_DEPTH {
                queue.push((path, depth + 1));
            } else if kind.is_file() || (kind.is_symlink() && fs::metadata(folder.join(&path)).is_ok_and(|meta| meta.is_file())) {
                keys.extend(path.to_str().map(str::to_owned));
            }
        }
    }
    keys.sort_unstable();
    Some(keys)
}

fn read_inside(folder: &Path, key: &str, limit_bytes: u64) -> Result<Option<Bytes>, String> {
    let unreadable = |_| "the file could not be read".to_owned();
    let real = folder.join(key).canonicalize().map_err(unreadable)?;
    if !real.starts_with(folder) {
        return Err("is a link that leads out of the folder".to_owned());
    }
    let checked = fs::symlink_metadata(&real).map_err(unreadable)?;
    if !checked.is_file() {
        return Err("is no ordinary file".to_owned());
    }
    let file = File::open(&real).map_err(unreadable)?;
    let opened = file.metadata().map_err(unreadable)?;
    if (opened.dev(), opened.ino()) != (checked.dev(), checked.ino()) {
        return Err("changed while it was read".to_owned());
    }
    let mut bytes = Vec::new();
    file.take(limit_bytes + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok((bytes.len() as u64 <= limit_bytes).then(|| bytes.into()))
}
