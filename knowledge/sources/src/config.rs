//! What a source's `config` may say. The invariant: a configuration that passed here can be fetched without a further look at its shape, and whatever is wrong is named, every field at once.

mod rules;

use std::{fmt, path::PathBuf, str::FromStr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(crate) use rules::{bucket_url, local_folder};

/// The kinds of source; the strings are the API's `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    Text,
    File,
    Website,
    Sitemap,
    QnaCsv,
    Csv,
    Bucket,
}

impl SourceKind {
    pub const ALL: [Self; 7] = [Self::Text, Self::File, Self::Website, Self::Sitemap, Self::QnaCsv, Self::Csv, Self::Bucket];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::File => "file",
            Self::Website => "website",
            Self::Sitemap => "sitemap",
            Self::QnaCsv => "qna_csv",
            Self::Csv => "csv",
            Self::Bucket => "bucket",
        }
    }

    /// Whether documents of this kind may arrive by upload.
    #[must_use]
    pub fn takes_uploads(self) -> bool {
        matches!(self, Self::File | Self::QnaCsv | Self::Csv)
    }
}

impl fmt::Display for SourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be one of text, file, website, sitemap, qna_csv, csv, bucket")]
pub struct UnknownSourceKind;

impl FromStr for SourceKind {
    type Err = UnknownSourceKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(UnknownSourceKind)
    }
}

/// One offending field of a `config`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// A JSON pointer inside the config, `""` for the config itself.
    pub pointer: String,
    pub reason: String,
}

/// The operator's settings that bound every source.
#[derive(Debug, Clone)]
pub struct SourceSettings {
    /// `TWIG_CRAWL_ALLOW_NETWORKS`: networks that may be reached although they are not public.
    pub allow_networks: Vec<IpNet>,
    /// `TWIG_BUCKET_ROOTS`: the folders under which `file://` buckets may lie.
    pub bucket_roots: Vec<PathBuf>,
    /// `TWIG_CRAWL_REQUESTS_PER_SECOND`: the most that is asked of one host, by all runs of this process together.
    pub crawl_requests_per_second: f64,
    pub max_document_bytes: u64,
    pub max_archive_members: usize,
    /// All members of one archive together, unpacked.
    pub max_archive_bytes: u64,
    /// Objects of one bucket, and URLs of one sitemap with its index.
    pub max_documents: usize,
    /// The wait for the next sign of life of a server.
    pub fetch_silence_s: u64,
    /// The wait for one document as a whole.
    pub fetch_total_s: u64,
    pub user_agent: String,
}

impl Default for SourceSettings {
    fn default() -> Self {
        Self {
            allow_networks: Vec::new(),
            bucket_roots: Vec::new(),
            crawl_requests_per_second: 1.0,
            max_document_bytes: 50 * 1024 * 1024,
            max_archive_members: 10_000,
            max_archive_bytes: 1024 * 1024 * 1024,
            max_documents: 100_000,
            fetch_silence_s: 30,
            fetch_total_s: 300,
            user_agent: concat!("TwigBot/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// Checks `config` for a source of `kind`.
///
/// # Errors
/// Every offending field, in the order of their pointers.
pub fn validate_config(kind: SourceKind, config: &Value, settings: &SourceSettings) -> Result<(), Vec<FieldError>> {
    rules::check(kind, config, settings)
}

/// The members of a `config` that are write-only: stored encrypted and answered as `"***"`.
#[must_use]
pub fn secret_fields(kind: SourceKind) -> &'static [&'static str] {
    match kind {
        SourceKind::Bucket => &["secretAccessKey", "sessionToken"],
        SourceKind::Text | SourceKind::File | SourceKind::Website | SourceKind::Sitemap | SourceKind::QnaCsv | SourceKind::Csv => &[],
    }
}

#[cfg(test)]
mod tests;
