//! Answers that are quotations: the sentences that say most of what was asked, verbatim, each with the number of its source.
//!
//! Invariant: white space folded, every piece of an answer stands in the source cited behind it.

use std::collections::HashSet;

use unicode_segmentation::UnicodeSegmentation;

use crate::{
    model::{BuiltIn, count_tokens, dot},
    search::Hit,
    terms::{terms, weighted},
};

const MAX_SOURCES_READ: usize = 4;
const MAX_PIECES_READ: usize = 400;
/// A further sentence must say at least this share of what the best one does.
const MIN_SHARE_OF_BEST: f32 = 0.55;
const MEANING_WEIGHT: f32 = 0.5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Concise,
    Balanced,
    Detailed,
}

impl Style {
    fn pieces(self) -> usize {
        match self {
            Self::Concise => 1,
            Self::Balanced => 3,
            Self::Detailed => 6,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Quoted {
    /// Pieces with their citations, to be joined; none where nothing could be quoted.
    pub pieces: Vec<String>,
}

struct Piece {
    source: usize,
    place: usize,
    text: String,
    score: f32,
}

/// Sources are numbered from 1 in the order of the hits.
#[must_use]
pub fn quote(question: &str, hits: &[Hit], max_tokens: usize, style: Style) -> Quoted {
    let asked = weighted(question);
    let meaning = BuiltIn::Static.embed_query(question);
    let mut pieces: Vec<Piece> = Vec::new();
    for (source, hit) in hits.iter().enumerate().take(MAX_SOURCES_READ) {
        let heading: HashSet<String> = terms(&hit.passage.heading_path.join(" ")).into_iter().collect();
        for (place, text) in split(&hit.passage.text).into_iter().enumerate().take(MAX_PIECES_READ) {
            let own: HashSet<String> = terms(&text).into_iter().collect();
            if own.is_empty() {
                continue;
            }
            let said: f32 = asked.iter().map(|(term, weight)| if own.contains(term) { *weight } else if heading.contains(term) { *weight * 0.5 } else { 0.0 }).sum();
            let near = dot(&meaning, &BuiltIn::Static.embed_query(&text)).max(0.0);
            pieces.push(Piece { source, place, text, score: (said + MEANING_WEIGHT * near) * (0.5 + 0.5 * hit.score) });
        }
    }
    pieces.sort_by(|a, b| b.score.total_cmp(&a.score));
    let Some(best) = pieces.first().map(|piece| piece.score) else { return Quoted { pieces: Vec::new() } };
    let (mut chosen, mut used): (Vec<Piece>, usize) = (Vec::new(), 0);
    for piece in pieces {
        let size = count_tokens(&piece.text);
        let repeats = chosen.iter().any(|known| folded(&known.text) == folded(&piece.text));
        if piece.score < best * MIN_SHARE_OF_BEST || chosen.len() >= style.pieces() || repeats || (!chosen.is_empty() && used + size > max_tokens) {
            continue;
        }
        used += size;
        chosen.push(piece);
    }
    // The best source first, and within a source in its own order.
    let order: Vec<usize> = chosen.iter().map(|piece| piece.source).collect();
    chosen.sort_by_key(|piece| (order.iter().position(|source| *source == piece.source), piece.place));
    Quoted { pieces: chosen.into_iter().map(|piece| cited(&piece.text, piece.source + 1)).collect() }
}

/// The number goes before the sentence's end mark, as in print.
fn cited(text: &str, number: usize) -> String {
    match text.char_indices().next_back() {
        Some((end, mark @ ('.' | '!' | '?'))) => format!("{} [{number}]{mark}", &text[..end]),
        _ => format!("{text} [{number}]"),
    }
}

fn folded(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What is quoted as one: a sentence, a list item or row, a code block whole. Headings are not quoted.
fn split(text: &str) -> Vec<String> {
    let (mut pieces, mut code, mut paragraph) = (Vec::new(), None::<String>, String::new());
    let mut flush = |paragraph: &mut String, pieces: &mut Vec<String>| {
        let text = std::mem::take(paragraph);
        pieces.extend(text.unicode_sentences().map(str::trim).filter(|sentence| !sentence.is_empty()).map(str::to_owned));
    };
    for line in text.lines() {
        let trimmed = line.trim();
        if let Some(block) = &mut code {
            block.push('\n');
            block.push_str(line);
            if trimmed.starts_with("```") {
                pieces.extend(code.take());
            }
        } else if trimmed.starts_with("```") {
            flush(&mut paragraph, &mut pieces);
            code = Some(line.to_owned());
        } else if trimmed.is_empty() || trimmed.starts_with('#') {
            flush(&mut paragraph, &mut pieces);
        } else if trimmed.starts_with(['-', '*', '|', '•']) || trimmed.split_once(['.', ')']).is_some_and(|(number, _)| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())) {
            flush(&mut paragraph, &mut pieces);
            if !trimmed.chars().all(|c| matches!(c, '|' | '-' | ':' | ' ' | '*')) {
                pieces.push(trimmed.trim_start_matches(['-', '*', '•']).trim().to_owned());
            }
        } else {
            if !paragraph.is_empty() {
                paragraph.push(' ');
            }
            paragraph.push_str(trimmed);
        }
    }
    pieces.extend(code);
    flush(&mut paragraph, &mut pieces);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{passage::Passage, search::{Mode, Query, SpecIndex, search}};
    use proptest::prelude::*;
    use std::{collections::HashMap, sync::Arc};

    fn hits(question: &str, texts: &[&str]) -> Vec<Hit> {
        let passages: Vec<Passage> = texts.iter().enumerate().map(|(n, text)| Passage { chunk_id: n.to_string(), text: (*text).into(), ..Passage::default() }).collect();
        let vectors = passages.iter().map(|passage| BuiltIn::Static.embed_passage(&passage.text)).collect();
        let index = Arc::new(SpecIndex::build("static", passages, vectors));
        let vectors = HashMap::from([("static".to_owned(), BuiltIn::Static.embed_query(question))]);
        search(&[index], &Query { text: question, vectors: &vectors, mode: Mode::Hybrid, limit: 8 })
    }

    #[test]
    fn the_sentence_that_answers_is_quoted_with_its_source() {
        let question = "Within how many days of purchase are refunds granted?";
        let hits = hits(question, &["Refunds are granted within thirty days of purchase. The customer must show the receipt.", "The emperor penguin incubates its egg."]);
        let quoted = quote(question, &hits, 500, Style::Concise);
        assert_eq!(quoted.pieces, ["Refunds are granted within thirty days of purchase [1]."]);
    }

    proptest! {
        #[test]
        fn every_piece_stands_in_its_source(texts in proptest::collection::vec("([A-Z][a-z]{2,8} [a-z]{3,9}( [a-z]{2,9}){0,5}[.!?] ?){1,4}", 1..4), question in "[a-z]{3,8} [a-z]{3,8}") {
            let refs: Vec<&str> = texts.iter().map(String::as_str).collect();
            let hits = hits(&question, &refs);
            for piece in quote(&question, &hits, 200, Style::Detailed).pieces {
                let open = piece.rfind(" [").unwrap_or(0);
                let close = piece.rfind(']').unwrap_or(0);
                let number: usize = piece[open + 2..close].parse().unwrap_or(0);
                let said = format!("{}{}", &piece[..open], &piece[close + 1..]);
                prop_assert!(folded(&hits[number - 1].passage.text).contains(&folded(&said)));
            }
        }
    }
}
