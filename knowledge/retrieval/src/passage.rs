//! A passage: the piece of a document that is found, shown and cited.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Passage {
    pub chunk_id: String,
    pub document_id: String,
    pub data_spec_id: String,
    pub title: String,
    pub url: Option<String>,
    pub heading_path: Vec<String>,
    pub text: String,
    /// From 1, where the format has pages.
    pub page: Option<u32>,
    /// In characters of the extracted text.
    pub start: usize,
    pub end: usize,
    pub tags: Vec<String>,
}

/// What is embedded for a passage: its title and heading path on a line of their own, then its text. Searched titles name what the text only refers to.
pub fn embedding_text(passage: &Passage) -> String {
    let heading = heading_line(passage);
    if heading.is_empty() { passage.text.clone() } else { format!("{heading}\n{}", passage.text) }
}

/// Title and headings, each named once, the title first.
pub(crate) fn heading_line(passage: &Passage) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in std::iter::once(&passage.title).chain(&passage.heading_path) {
        let part = part.trim();
        if !part.is_empty() && !parts.contains(&part) {
            parts.push(part);
        }
    }
    parts.join(" > ")
}
