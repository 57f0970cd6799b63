//! What is searched: one data spec's passages under one embedding model, as keyword postings and 8-bit vectors.
//!
//! Invariant: an index never changes after it is built; a switch to a new one is a switch of a pointer. It carries counts rather than statistics, so that
//! a search over several indexes weighs a term by exactly the passages it searches and nothing leaks between those that are not searched together.

mod build;
mod part;
mod vectors;

use crate::passage::Passage;
pub use part::{StoredIndex, StoredPassage, StoredTerm};
use std::sync::Arc;
pub(crate) use vectors::{Quantised, Vectors};

/// What a passage takes beside its text, and a term beside its letters.
const PASSAGE_BYTES: usize = 400;
const TERM_BYTES: usize = 40;

/// One (data spec, manifest, model).
pub struct SpecIndex {
    pub model: String,
    pub(crate) passages: Vec<Arc<Passage>>,
    /// How many passages the whole index has, of which this may be a part.
    pub(crate) whole: usize,
    /// Sorted.
    pub(crate) terms: Vec<Box<str>>,
    /// Of term n: `postings[offsets[n]..offsets[n + 1]]`.
    pub(crate) offsets: Vec<u32>,
    pub(crate) postings: Vec<Posting>,
    /// How many passages of the whole have term n.
    pub(crate) frequencies: Vec<u32>,
    /// Weighted terms of each passage.
    pub(crate) lengths: Vec<f32>,
    pub(crate) total_length: f64,
    pub(crate) vectors: Option<Vectors>,
    /// Of the folded text: equal for passages that say the same in the same words.
    pub(crate) fingerprints: Vec<u64>,
}

/// A passage and how often it has the term, in quarters; terms of the title and the headings count by their field's weight.
#[derive(Clone, Copy)]
pub(crate) struct Posting {
    pub(crate) passage: u32,
    pub(crate) quarters: u8,
}

impl SpecIndex {
    /// `vectors` are those of `embedding_texts`, in the same order, or none at all for an index that is searched by keywords only.
    #[must_use]
    pub fn build(model_name: &str, passages: Vec<Passage>, vectors: Vec<Vec<f32>>) -> Self {
        build::build(model_name, passages, &vectors)
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.passages.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.passages.is_empty()
    }

    #[must_use]
    pub fn passages(&self) -> &[Arc<Passage>] {
        &self.passages
    }

    /// Bytes of memory, roughly.
    #[must_use]
    pub fn weight(&self) -> usize {
        let texts: usize = self.passages.iter().map(|passage| passage.text.len() + PASSAGE_BYTES).sum();
        let terms: usize = self.terms.iter().map(|term| term.len() + TERM_BYTES).sum();
        texts + terms + self.postings.len() * size_of::<Posting>() + self.vectors.as_ref().map_or(0, Vectors::bytes)
    }

    pub(crate) fn postings_of(&self, term: &str) -> &[Posting] {
        let Ok(id) = self.terms.binary_search_by(|known| (**known).cmp(term)) else { return &[] };
        self.postings_at(id)
    }

    /// How many passages of the whole index have the term.
    pub(crate) fn frequency(&self, term: &str) -> usize {
        self.terms.binary_search_by(|known| (**known).cmp(term)).map_or(0, |id| self.frequencies[id] as usize)
    }

    fn postings_at(&self, id: usize) -> &[Posting] {
        &self.postings[self.offsets[id] as usize..self.offsets[id + 1] as usize]
    }

    /// The terms that begin with this byte, with the number of passages that have each.
    pub(crate) fn terms_on(&self, first: u8) -> impl Iterator<Item = (&str, usize)> {
        let from = self.terms.partition_point(|term| term.as_bytes().first().copied().unwrap_or(0) < first);
        let own = self.terms[from..].iter().take_while(move |term| term.as_bytes().first() == Some(&first));
        own.enumerate().map(move |(place, term)| (&**term, self.frequencies[from + place] as usize))
    }
}
