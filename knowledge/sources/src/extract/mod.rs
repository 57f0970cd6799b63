//! From a file's bytes to its text, as Markdown where the format has a structure. The invariants: an `Ok` is never empty; the same bytes give the same text; an error's text is for the
//! person who uploaded the file. Third-party parsers may panic, hang or eat memory, so that the risky ones run in a process of their own (`isolated`).

mod csv;
mod decode;
mod detect;
mod html;
mod isolated;
mod json;
mod office;
mod pdf;
mod plain;
mod pptx;
mod worker;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(crate) use csv::qna_markdown;
pub(crate) use detect::is_hopeless;
use detect::{Format, detect};
pub(crate) use html::page_links;
pub use isolated::extract_isolated;
pub use worker::extract_worker_main;

/// Raised whenever the same bytes may give another text: extractions kept by content are kept by this too.
pub const PARSER_VERSION: &str = "twig-2";

/// What was read out of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extraction {
    /// The document's own title: HTML title, first heading, PDF or office title.
    pub title: Option<String>,
    pub text: String,
    /// Byte offsets in `text` at which each page (PDF) or slide starts; empty where the format has none.
    pub pages: Vec<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum ExtractError {
    #[error("the file contains no text")]
    Empty,
    #[error("the file contains no text: its pages are pictures, as of a scan, and need text recognition first")]
    Scanned,
    #[error("the file is encrypted; upload it without its password")]
    Encrypted,
    #[error("this kind of file is not supported")]
    Unsupported,
    #[error("the file could not be read: {0}")]
    Failed(String),
}

impl ExtractError {
    fn damaged(kind: &str) -> Self {
        Self::Failed(format!("it is damaged or no {kind}"))
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ExtractLimits {
    /// The longest text taken from one file.
    pub max_text_bytes: usize,
    /// What a packed format (docx, pptx, xlsx) may expand to.
    pub max_unpacked_bytes: u64,
    /// For a parser in its own process: its address space, its time on the clock and on the processor.
    pub memory_bytes: u64,
    pub wall_s: u64,
    pub cpu_s: u64,
}

impl ExtractLimits {
    fn wall(&self) -> Duration {
        Duration::from_secs(self.wall_s)
    }
}

impl Default for ExtractLimits {
    fn default() -> Self {
        Self { max_text_bytes: 64 * 1024 * 1024, max_unpacked_bytes: 512 * 1024 * 1024, memory_bytes: 1536 * 1024 * 1024, wall_s: 60, cpu_s: 60 }
    }
}

/// The text of a file. `name` and `media_type` help to tell its format; its first bytes win over both.
///
/// # Errors
/// Why there is no text, for people.
pub fn extract(name: &str, media_type: Option<&str>, bytes: &[u8], limits: &ExtractLimits) -> Result<Extraction, ExtractError> {
    if bytes.is_empty() {
        return Err(ExtractError::Empty);
    }
    let extraction = match detect(name, media_type, bytes) {
        Format::Pdf => pdf::extract(bytes)?,
        Format::Docx => office::docx(bytes, limits)?,
        Format::Pptx => pptx::extract(bytes, limits)?,
        Format::Xlsx(extension) => office::spreadsheet(bytes, extension, limits)?,
        Format::Html => html::extract(&decode::html(bytes, media_type)),
        Format::Markdown => plain::markdown(decode::text(bytes, media_type).ok_or(ExtractError::Unsupported)?),
        Format::Csv => csv::extract(&decode::text(bytes, media_type).ok_or(ExtractError::Unsupported)?)?,
        Format::Json => json::extract(decode::text(bytes, media_type).ok_or(ExtractError::Unsupported)?),
        Format::Text => plain::text(decode::text(bytes, media_type).ok_or(ExtractError::Unsupported)?),
        Format::Code => plain::code(name, decode::text(bytes, media_type).ok_or(ExtractError::Unsupported)?),
        Format::Archive => return Err(ExtractError::Failed("it is an archive; upload it as a .zip file to have its members read".to_owned())),
        Format::Unknown => return Err(ExtractError::Unsupported),
    };
    finish(extraction, limits)
}

fn finish(mut extraction: Extraction, limits: &ExtractLimits) -> Result<Extraction, ExtractError> {
    if extraction.text.trim().is_empty() {
        return Err(ExtractError::Empty);
    }
    if extraction.text.len() > limits.max_text_bytes {
        return Err(ExtractError::Failed(format!("it has more than {} of text", crate::text::mebibytes(limits.max_text_bytes as u64))));
    }
    extraction.title = extraction.title.map(|title| crate::text::one_line(&title, MAX_TITLE_CHARS)).filter(|title| !title.is_empty());
    Ok(extraction)
}

const MAX_TITLE_CHARS: usize = 300;

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;
