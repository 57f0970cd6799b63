//! From a source to its documents, one connector a file. The invariants: documents flow through a bounded channel, so that a slow reader slows the fetch and nothing piles up; a document
//! that cannot be had is [`Found::Failed`] and the fetch goes on; only a source that cannot be read at all is an error; a cancellation ends it at the next await.

mod archive;
mod bucket;
mod csv;
mod local;
mod robots;
mod sitemap;
mod text;
mod upload;
mod website;

use std::{io, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    config::{SourceKind, SourceSettings},
    egress::{EgressClient, EgressError, EgressOptions, Names, NetworkPolicy},
    filters::{Filters, Matcher},
};

/// Connections kept open to a host for the next requests.
const IDLE_CONNECTIONS_PER_HOST: usize = 2;

/// One document as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Stable within the data spec: upload id, URL, object key, `key!/inner/path` for an archive's member.
    pub key: String,
    /// File name; what its format is told from, with `media_type`.
    pub name: String,
    /// What a source shows as `documentUrl`: the file name of an upload, a page's URL, `archive.zip/path` for a member.
    pub url: String,
    /// A title given by the source's own configuration; it wins over what the document says of itself.
    pub title_hint: Option<String>,
    pub media_type: Option<String>,
    pub bytes: Bytes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Document(Document),
    /// A document that could not be had; `message` is for people.
    Failed {
        url: String,
        message: String,
    },
    /// How many documents there will be, where that is known ahead.
    Seen(u64),
}

/// Loads an uploaded file by the hash of its content.
#[async_trait]
pub trait BlobReader: Send + Sync {
    /// The file's bytes; `None` when the store does not have them.
    async fn read(&self, content_sha256: &str) -> io::Result<Option<Bytes>>;
}

#[derive(Clone)]
pub struct Upload {
    pub id: String,
    pub name: String,
    pub media_type: Option<String>,
    pub content_sha256: String,
    pub reader: Arc<dyn BlobReader>,
}

#[derive(Clone)]
pub struct Source {
    pub kind: SourceKind,
    /// As [`crate::validate_config`] passed it, with secrets in clear.
    pub config: Value,
    pub uploads: Vec<Upload>,
    pub filters: Filters,
}

/// The source as a whole could not be read. The text is for people.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("the fetch was canceled")]
    Canceled,
    #[error("{0}")]
    Source(String),
}

impl FetchError {
    fn source(message: impl Into<String>) -> Self {
        Self::Source(message.into())
    }
}

/// Sends every document of `source` to `out` and returns when there are no more.
///
/// # Errors
/// [`FetchError::Canceled`] when `cancel` fires or nobody reads any more; [`FetchError::Source`] when the source itself cannot be read.
pub async fn fetch(
    source: &Source,
    settings: &SourceSettings,
    policy: Arc<NetworkPolicy>,
    cancel: CancellationToken,
    out: mpsc::Sender<Found>,
) -> Result<(), FetchError> {
    let own = Filters { include: strings(&source.config, "include"), exclude: strings(&source.config, "exclude") };
    let job = Job { source, settings, policy, matcher: Matcher::new([&own, &source.filters]), out };
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(FetchError::Canceled),
        done = job.run() => done,
    }
}

/// One fetch under way: what every connector needs.
struct Job<'a> {
    source: &'a Source,
    settings: &'a SourceSettings,
    policy: Arc<NetworkPolicy>,
    matcher: Matcher,
    out: mpsc::Sender<Found>,
}

impl Job<'_> {
    async fn run(&self) -> Result<(), FetchError> {
        match self.source.kind {
            SourceKind::Text => text::fetch(self).await,
            SourceKind::File => upload::fetch(self).await,
            SourceKind::Website => website::fetch(self).await,
            SourceKind::Sitemap => sitemap::fetch(self).await,
            SourceKind::Csv | SourceKind::QnaCsv => csv::fetch(self).await,
            SourceKind::Bucket => bucket::fetch(self).await,
        }
    }

    async fn send(&self, found: Found) -> Result<(), FetchError> {
        self.out.send(found).await.map_err(|_| FetchError::Canceled)
    }

    async fn failed(&self, url: impl Into<String>, message: impl Into<String>) -> Result<(), FetchError> {
        self.send(Found::Failed { url: url.into(), message: message.into() }).await
    }

    /// Sends a file; an archive becomes its members.
    async fn send_file(&self, document: Document) -> Result<(), FetchError> {
        if archive::is_archive(&document.name, &document.bytes) { archive::fetch(self, document).await } else { self.send(Found::Document(document)).await }
    }

    /// Whether a file of this path is wanted; an archive is when its members may be.
    fn takes_file(&self, path: &str) -> bool {
        self.matcher.takes(path) || (path.to_ascii_lowercase().ends_with(".zip") && self.matcher.takes_archive(path))
    }

    fn string(&self, field: &str) -> Option<&str> {
        self.source.config.get(field).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    fn url(&self) -> Result<Url, FetchError> {
        let text = self.string("url").ok_or_else(|| FetchError::source("the source has no URL"))?;
        Url::parse(text).map_err(|_| FetchError::source("the source's URL cannot be read"))
    }

    fn client(&self) -> Result<EgressClient, FetchError> {
        let options = EgressOptions {
            user_agent: self.settings.user_agent.clone(),
            idle_connections: IDLE_CONNECTIONS_PER_HOST,
            proxy: None,
            names: Names::default(),
            silence: Duration::from_secs(self.settings.fetch_silence_s),
            total: Duration::from_secs(self.settings.fetch_total_s),
        };
        EgressClient::new(Arc::clone(&self.policy), options).map_err(|error| FetchError::Source(error.to_string()))
    }

    fn requests_per_second(&self) -> f64 {
        let most = self.settings.crawl_requests_per_second;
        self.source.config.get("requestsPerSecond").and_then(Value::as_f64).map_or(most, |asked| asked.min(most))
    }

    fn too_large(&self) -> String {
        EgressError::TooLarge { limit_bytes: self.settings.max_document_bytes }.to_string()
    }
}

fn strings(config: &Value, field: &str) -> Vec<String> {
    config.get(field).and_then(Value::as_array).into_iter().flatten().filter_map(|value| value.as_str().map(str::to_owned)).collect()
}

/// The last part of a path, for a file name.
fn base_name(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or(path)
}
