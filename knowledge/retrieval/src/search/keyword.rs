//! BM25 over several indexes as if they were one, and how much of a query a passage covers.

use super::fuzzy;
use crate::{
    index::{Posting, SpecIndex},
    model::importance,
    terms::{self, WHOLE},
};
use std::sync::Arc;

const K1: f32 = 1.2;
const B: f32 = 0.75;
/// What a word found only after a typo was mended is worth beside one that was found as written.
const MENDED_WORTH: f32 = 0.8;
/// A whole identifier repeats its parts, so it counts a little less than a word of its own.
const WHOLE_WORTH: f32 = 1.0;

/// A query's terms with their statistics over the indexes searched.
pub(crate) struct Keywords {
    terms: Vec<Weighed>,
    average_length: f32,
}

struct Weighed {
    word: String,
    /// As it stands in the indexes: the term, or the one it was mended to; None where nothing is like it.
    term: Option<String>,
    idf: f32,
    worth: f32,
    importance: f32,
    /// Where no passage has it as written: in how many letters the word may be mistaken.
    mistakes: Option<usize>,
    term_as_written: String,
}

impl Keywords {
    pub(crate) fn new(indexes: &[Arc<SpecIndex>], text: &str) -> Self {
        let passages: usize = indexes.iter().map(|index| index.whole).sum();
        let total: f64 = indexes.iter().map(|index| index.total_length).sum();
        let terms = searched_terms(text).into_iter().map(|term| weigh(indexes, &term, passages)).collect();
        #[expect(clippy::cast_possible_truncation, reason = "an average length is small")]
        let average_length = if passages == 0 { 1.0 } else { ((total / passages as f64) as f32).max(1.0) };
        Self { terms, average_length }
    }

    /// The most a passage of average length could score: every term many times.
    pub(super) fn ideal(&self) -> f32 {
        self.terms.iter().filter(|term| term.term.is_some()).map(|term| term.idf * term.worth * (K1 + 1.0)).sum()
    }

    pub(super) fn all_scores(&self, indexes: &[Arc<SpecIndex>]) -> Vec<Vec<f32>> {
        indexes.iter().map(|index| self.scores(index)).collect()
    }

    fn scores(&self, index: &SpecIndex) -> Vec<f32> {
        let mut scores = vec![0.0; index.lengths.len()];
        let inverse_average = 1.0 / self.average_length;
        for weighed in &self.terms {
            let Some(term) = &weighed.term else { continue };
            let top = weighed.idf * weighed.worth * (K1 + 1.0);
            for posting in index.postings_of(term) {
                let passage = posting.passage as usize;
                let frequency = f32::from(posting.quarters) * 0.25;
                let length = K1 * (1.0 - B + B * index.lengths[passage] * inverse_average);
                scores[passage] += top * frequency / (frequency + length);
            }
        }
        scores
    }

    /// The terms that no passage has as they are written, where they may be mistaken, with the most mistakes that are mended.
    pub(crate) fn misspelt(&self) -> impl Iterator<Item = (&str, usize)> {
        self.terms.iter().filter_map(|term| Some((term.term_as_written.as_str(), term.mistakes?)))
    }

    /// The terms that passages have, mended ones as they were mended.
    pub(crate) fn found(&self) -> impl Iterator<Item = &str> {
        self.terms.iter().filter_map(|term| term.term.as_deref())
    }

    /// The words that stand in no passage, nor any that they could be misspelt from.
    pub(crate) fn absent_words(&self) -> impl Iterator<Item = &str> {
        self.terms.iter().filter(|term| term.term.is_none() && term.importance > 0.0).map(|term| term.word.as_str())
    }

    /// The share of what the query's words say that stands in the passage, 0 to 1.
    pub(super) fn coverage(&self, index: &SpecIndex, passage: u32) -> f32 {
        let mut all = 0.0;
        let mut found = 0.0;
        for weighed in self.terms.iter().filter(|weighed| weighed.importance > 0.0) {
            all += weighed.importance;
            if let Some(term) = &weighed.term
                && has(index.postings_of(term), passage)
            {
                found += weighed.importance * weighed.worth;
            }
        }
        if all > 0.0 { found / all } else { 0.0 }
    }
}

/// The terms that a text is searched by.
pub(crate) fn searched_terms(text: &str) -> Vec<terms::Term> {
    let mut terms = terms::query_terms(text);
    if terms.iter().any(|term| !terms::is_stop_word(&term.word)) {
        terms.retain(|term| !terms::is_stop_word(&term.word));
    }
    terms
}

fn has(postings: &[Posting], passage: u32) -> bool {
    postings.binary_search_by_key(&passage, |posting| posting.passage).is_ok()
}

fn weigh(indexes: &[Arc<SpecIndex>], term: &terms::Term, passages: usize) -> Weighed {
    let whole = term.term.starts_with(WHOLE);
    // A whole identifier says nothing of coverage: its parts do, and a passage may well write it another way.
    let importance = if whole || terms::is_stop_word(&term.word) { 0.0 } else { importance(&term.word) };
    let mut frequency = frequency(indexes, &term.term);
    let mut found = Some(term.term.clone());
    let mut worth = if whole { WHOLE_WORTH } else { 1.0 };
    let mistakes = if frequency == 0 && !whole { fuzzy::mistakes(&term.word, &term.term) } else { None };
    if frequency == 0 {
        found = mistakes.and_then(|most| fuzzy::nearest(indexes, &term.term, most));
        worth *= MENDED_WORTH;
        frequency = found.as_ref().map_or(0, |found| self::frequency(indexes, found));
    }
    Weighed { word: term.word.clone(), term: found, idf: idf(passages, frequency), worth, importance, mistakes, term_as_written: term.term.clone() }
}

fn frequency(indexes: &[Arc<SpecIndex>], term: &str) -> usize {
    indexes.iter().map(|index| index.frequency(term)).sum()
}

fn idf(passages: usize, with_term: usize) -> f32 {
    let (passages, with_term) = (passages as f32, with_term as f32);
    (1.0 + (passages - with_term + 0.5) / (with_term + 0.5)).ln()
}
