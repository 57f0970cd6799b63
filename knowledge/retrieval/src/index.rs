//! What is searched: one data spec's passages under one embedding model, as keyword postings and 8-bit vectors.
//!
//! Invariant: an index never changes after it is built; a switch to a new one is a switch of a pointer. It carries counts rather than statistics, so that
//! a search over several indexes weighs a term by exactly the passages it searches and nothing leaks between those that are not searched together.

mod build;
mod vectors;

use crate::passage::Passage;
use std::{collections::HashMap, sync::Arc};
pub(crate) use vectors::Vectors;

/// What a passage takes beside its text, and a term beside its letters.
const PASSAGE_BYTES: usize = 400;
const TERM_BYTES: usize = 40;

/// One (data spec, manifest, model).
pub struct SpecIndex {
    pub model: String,
    pub(crate) passages: Vec<Arc<Passage>>,
    pub(crate) terms: HashMap<Box<str>, u32>,
    /// Of term n: `postings[offsets[n]..offsets[n + 1]]`.
    pub(crate) offsets: Vec<u32>,
    pub(crate) postings: Vec<Posting>,
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
    /// `vectors` are the passages' in the same order, or none at all for an index that is searched by keywords only.
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

    /// Bytes of memory, roughly.
    #[must_use]
    pub fn weight(&self) -> usize {
        let texts: usize = self.passages.iter().map(|passage| passage.text.len() + PASSAGE_BYTES).sum();
        let terms: usize = self.terms.keys().map(|term| term.len() + TERM_BYTES).sum();
        texts + terms + self.postings.len() * size_of::<Posting>() + self.vectors.as_ref().map_or(0, Vectors::bytes)
    }

    pub(crate) fn postings_of(&self, term: &str) -> &[Posting] {
        let Some(&id) = self.terms.get(term) else { return &[] };
        let id = id as usize;
        &self.postings[self.offsets[id] as usize..self.offsets[id + 1] as usize]
    }
}
