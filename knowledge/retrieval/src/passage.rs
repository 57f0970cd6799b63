//! A passage: the piece of a document that is found, shown and cited.

use crate::model::{BuiltIn, count_tokens};
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

/// What is read for a passage: its title and heading path on a line of their own, then its text. Searched titles name what the text only refers to.
#[must_use]
pub fn embedding_text(passage: &Passage) -> String {
    with_heading(&heading_line(passage), body(passage))
}

/// What is embedded of these passages, in their order: one text each, and several where a passage is longer than the model reads.
#[must_use]
pub fn embedding_texts(model: &str, passages: &[Passage]) -> Vec<String> {
    passages.iter().flat_map(|passage| pieces(model, passage)).collect()
}

/// The static model takes the mean of a text's words: a passage with more than this is not helped by a title that it shares with its neighbours (measured).
const STATIC_TOKENS_WITHOUT_HEADING: usize = 50;
/// The transformer reads 256 tokens: what a passage longer than this has beyond its beginning is embedded in pieces of its own.
const TOKENS_IN_ONE_PIECE: usize = 350;
const TOKENS_OF_THE_BEGINNING: usize = 220;
const TOKENS_OF_A_PIECE: usize = 240;
/// What a cosine of a later piece is worth beside one of the beginning, which tells what a passage is about (measured).
pub(crate) const LATER_PIECE_WORTH: f32 = 0.9;

pub(crate) fn pieces(model: &str, passage: &Passage) -> Vec<String> {
    let text = body(passage);
    match BuiltIn::by_name(model) {
        Some(BuiltIn::Static) if count_tokens(text) > STATIC_TOKENS_WITHOUT_HEADING => vec![text.to_owned()],
        Some(BuiltIn::MiniLm) if count_tokens(text) > TOKENS_IN_ONE_PIECE => {
            let heading = heading_line(passage);
            let later = &text[beginning(text)..];
            let tokens = count_tokens(later);
            let each = tokens.div_ceil(tokens.div_ceil(TOKENS_OF_A_PIECE)).max(1);
            let later = cut(later, each).into_iter().map(|piece| with_heading(&heading, piece));
            std::iter::once(embedding_text(passage)).chain(later).collect()
        }
        _ => vec![embedding_text(passage)],
    }
}

/// The text without the headings that it opens with, where they stand in its heading path.
pub(crate) fn body(passage: &Passage) -> &str {
    let mut text = passage.text.trim_start();
    while text.starts_with('#') {
        let (line, rest) = text.split_once('\n').unwrap_or((text, ""));
        let heading = line.trim_matches(['#', ' ']);
        if rest.trim().is_empty() || heading != passage.title.trim() && passage.heading_path.iter().all(|known| known.trim() != heading) {
            break;
        }
        text = rest.trim_start();
    }
    text
}

/// The share of a piece after which it may end with a sentence or a line.
const ENDS_FROM: f32 = 0.85;

/// Bytes of a long text that the transformer reads first.
fn beginning(text: &str) -> usize {
    let (mut at, mut tokens) = (0, 0);
    for word in text.split_inclusive(char::is_whitespace) {
        tokens += count_tokens(word);
        if tokens > TOKENS_OF_THE_BEGINNING {
            break;
        }
        at += word.len();
    }
    at
}

fn cut(text: &str, tokens_each: usize) -> Vec<&str> {
    let (mut pieces, mut from, mut at, mut tokens) = (Vec::new(), 0, 0, 0);
    for word in text.split_inclusive(char::is_whitespace) {
        at += word.len();
        tokens += count_tokens(word);
        let ends = word.ends_with('\n') || word.trim_end().ends_with(['.', '!', '?']);
        if tokens >= tokens_each || ends && tokens as f32 >= ENDS_FROM * tokens_each as f32 {
            pieces.push(&text[from..at]);
            (from, tokens) = (at, 0);
        }
    }
    if !text[from..].trim().is_empty() {
        pieces.push(&text[from..]);
    }
    pieces
}

fn with_heading(heading: &str, text: &str) -> String {
    if heading.is_empty() { text.to_owned() } else { format!("{heading}\n{text}") }
}

/// Title and headings, each named once, the title first. A file's name stands in for a title by the words in it.
pub(crate) fn heading_line(passage: &Passage) -> String {
    let title = if is_file_name(&passage.title) { words_of_file_name(&passage.title) } else { passage.title.trim().to_owned() };
    let mut parts: Vec<&str> = Vec::new();
    for part in std::iter::once(title.as_str()).chain(passage.heading_path.iter().map(|heading| heading.trim())) {
        if !part.is_empty() && !parts.contains(&part) {
            parts.push(part);
        }
    }
    parts.join(" > ")
}

const DOCUMENT_ENDINGS: [&str; 13] = ["csv", "doc", "docx", "htm", "html", "json", "jsonl", "md", "pdf", "pptx", "txt", "xls", "xlsx"];

fn is_file_name(title: &str) -> bool {
    title.rsplit_once('.').is_some_and(|(stem, ending)| !stem.trim().is_empty() && DOCUMENT_ENDINGS.contains(&ending.to_ascii_lowercase().as_str()))
}

/// `refund-policy_v2.pdf` tells of a refund policy; numbers and codes tell of nothing.
fn words_of_file_name(name: &str) -> String {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let words = stem.split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() > 2 && word.chars().all(char::is_alphabetic));
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passage(title: &str, text: &str) -> Passage {
        Passage { title: title.into(), text: text.into(), ..Passage::default() }
    }

    #[test]
    fn a_file_name_is_a_title_by_its_words() {
        assert_eq!(embedding_text(&passage("refund-policy_v2.pdf", "Text.")), "refund policy\nText.");
        assert_eq!(embedding_text(&passage("p00012.txt", "Text.")), "Text.");
        assert_eq!(embedding_text(&passage("Node.js", "Text.")), "Node.js\nText.");
        assert_eq!(embedding_text(&passage("What is new in 2.0 and later", "Text.")), "What is new in 2.0 and later\nText.");
    }

    #[test]
    fn a_heading_is_read_once() {
        let mut section = passage("Guide", "# Guide\n\n## Setup\n\nRun it.\n\n## Not above");
        section.heading_path = vec!["Guide".into(), "Setup".into()];
        assert_eq!(embedding_text(&section), "Guide > Setup\nRun it.\n\n## Not above");
        assert_eq!(embedding_text(&passage("Other", "# Alone")), "Other\n# Alone");
    }

    #[test]
    fn a_long_passage_is_embedded_whole_piece_by_piece() {
        let text = "This sentence has some seven words. ".repeat(120);
        let long = passage("Title", &text);
        let pieces = pieces("minilm", &long);
        assert_eq!(pieces[0], format!("Title\n{text}"));
        assert!(pieces.len() > 2 && pieces[1..].iter().all(|piece| piece.starts_with("Title\n") && count_tokens(piece) <= TOKENS_OF_A_PIECE + 10));
        let later: String = pieces[1..].iter().map(|piece| &piece[6..]).collect();
        assert_eq!(&text[beginning(&text)..], later);
        assert_eq!(embedding_texts("static", &[long]).len(), 1);
    }
}
