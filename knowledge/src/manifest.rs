//! A manifest: the documents of a published index, with their extracted texts and passages, by content hash.
//!
//! An event names a manifest by its SHA-256; everything a search needs can be made again from it and the content store.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use twig_commands::{
    content::{ContentError, ContentStore},
    ids::derived_id,
};
use twig_domain::{
    Timestamp,
    id::{ChunkId, DataSpecId, DocumentId, Identifier},
};
use twig_retrieval::Passage;
pub use twig_sources::PARSER_VERSION as PARSER;
use twig_sources::{Chunk, Extraction};

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Manifest {
    pub documents: Vec<ManifestDocument>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ManifestDocument {
    pub id: DocumentId,
    pub key: String,
    pub name: String,
    pub title: String,
    pub url: String,
    /// Of the document's bytes.
    pub sha256: String,
    pub bytes: u64,
    /// Of the extraction, as JSON, in the content store.
    pub extraction: String,
    pub chunks: Vec<ManifestChunk>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ManifestChunk {
    pub id: ChunkId,
    /// Byte range in the extracted text.
    pub start: usize,
    pub end: usize,
    /// The same in characters.
    pub start_char: usize,
    pub end_char: usize,
    pub heading_path: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<u32>,
}

/// Why a manifest could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error("the content store failed")]
    Store(#[source] ContentError),
    #[error("content {0} is missing")]
    Missing(String),
    #[error("stored content has an unexpected shape")]
    Shape(#[source] serde_json::Error),
}

/// A passage between the text before and after it.
#[derive(Debug, PartialEq, Eq)]
pub struct Surrounded {
    pub before: String,
    pub text: String,
    pub after: String,
}

/// How much of a document is shown on either side of a passage.
const MAX_AROUND_CHARS: usize = 400;

impl Manifest {
    pub fn chunks(&self) -> usize {
        self.documents.iter().map(|document| document.chunks.len()).sum()
    }

    pub fn bytes(&self) -> u64 {
        self.documents.iter().map(|document| document.bytes).sum()
    }

    pub fn store(&self, content: &ContentStore) -> Result<String, ManifestError> {
        let bytes = serde_json::to_vec(self).map_err(ManifestError::Shape)?;
        content.put(&bytes).map_err(ManifestError::Store)
    }

    pub fn load(content: &ContentStore, sha256: &str) -> Result<Self, ManifestError> {
        read(content, sha256)
    }

    /// The passages of the index, each with its text.
    pub fn passages(&self, content: &ContentStore, spec: DataSpecId) -> Result<Vec<Passage>, ManifestError> {
        let mut passages = Vec::with_capacity(self.chunks());
        for document in &self.documents {
            let extraction: Extraction = read(content, &document.extraction)?;
            passages.extend(document.chunks.iter().map(|chunk| document.passage(chunk, &extraction.text, spec)));
        }
        Ok(passages)
    }

    /// The rows of the documents list.
    pub fn rows(&self) -> Vec<(DocumentId, Value)> {
        let row = |d: &ManifestDocument| json!({"id": d.id, "name": d.name, "title": d.title, "url": d.url, "bytes": d.bytes, "chunks": d.chunks.len(), "status": "indexed"});
        self.documents.iter().map(|document| (document.id, row(document))).collect()
    }

    pub fn find(&self, chunk: ChunkId) -> Option<(&ManifestDocument, &ManifestChunk)> {
        self.documents.iter().find_map(|document| document.chunks.iter().find(|known| known.id == chunk).map(|found| (document, found)))
    }
}

impl ManifestDocument {
    fn passage(&self, chunk: &ManifestChunk, text: &str, spec: DataSpecId) -> Passage {
        Passage {
            chunk_id: chunk.id.to_string(),
            document_id: self.id.to_string(),
            data_spec_id: spec.to_string(),
            title: self.title.clone(),
            url: Some(
                chunk
                    .page
                    .filter(|_| self.name.to_ascii_lowercase().ends_with(".pdf"))
                    .map_or_else(|| self.url.clone(), |page| format!("{}#page={page}", self.url)),
            ),
            heading_path: chunk.heading_path.clone(),
            text: text.get(chunk.start..chunk.end).unwrap_or_default().to_owned(),
            page: chunk.page,
            start: chunk.start_char,
            end: chunk.end_char,
            tags: Vec::new(),
        }
    }

    /// One passage, and what stands around it in the document.
    pub fn surrounded(&self, chunk: &ManifestChunk, content: &ContentStore) -> Result<Surrounded, ManifestError> {
        let Extraction { text, .. } = read(content, &self.extraction)?;
        let (before, after) = (text.get(..chunk.start).unwrap_or_default(), text.get(chunk.end..).unwrap_or_default());
        let from = before.char_indices().nth_back(MAX_AROUND_CHARS - 1).map_or(0, |(at, _)| at);
        let to = after.char_indices().nth(MAX_AROUND_CHARS).map_or(after.len(), |(at, _)| at);
        let passage = text.get(chunk.start..chunk.end).unwrap_or_default();
        Ok(Surrounded { before: before[from..].to_owned(), text: passage.to_owned(), after: after[..to].to_owned() })
    }
}

impl ManifestChunk {
    /// The same passage of the same bytes always has the same identifier.
    pub fn of(chunk: Chunk, document: DocumentId, sha256: &str) -> Self {
        let range = format!("{}-{}", chunk.start, chunk.end);
        let id = derived_id(made_at(&document), &[document.to_string().as_bytes(), sha256.as_bytes(), PARSER.as_bytes(), range.as_bytes()]);
        Self {
            id,
            start: chunk.start,
            end: chunk.end,
            start_char: chunk.start_char,
            end_char: chunk.end_char,
            heading_path: chunk.heading_path,
            page: chunk.page,
        }
    }
}

/// The document of a key: an upload has its identifier from the start, all others derive it from where they stand.
pub fn document_id(spec: DataSpecId, key: &str) -> DocumentId {
    key.parse().unwrap_or_else(|_| derived_id(made_at(&spec), &[spec.to_string().as_bytes(), key.as_bytes()]))
}

/// The time in an identifier: its first 48 bits.
fn made_at(id: &impl Identifier) -> Timestamp {
    Timestamp::from_millis((id.uuid().as_u128() >> 80) as i64)
}

fn read<T: for<'de> Deserialize<'de>>(content: &ContentStore, sha256: &str) -> Result<T, ManifestError> {
    let bytes = content.get(sha256).map_err(ManifestError::Store)?.ok_or_else(|| ManifestError::Missing(sha256.to_owned()))?;
    serde_json::from_slice(&bytes).map_err(ManifestError::Shape)
}
