//! An index as rows of a store, and the part of one that a question touches, put together from such rows.
//!
//! Invariant: a part weighs a term as its whole index does, for it carries the whole's counts.

use super::{Posting, SpecIndex, Vectors};
use crate::passage::Passage;
use std::{collections::BTreeMap, sync::Arc};

/// A passage's number, its length in terms, and how often it has the term.
const POSTING_BYTES: usize = 4 + 4 + 1;

/// What is known of a stored index before anything of it is read.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredIndex {
    pub id: i64,
    pub model: String,
    pub passages: usize,
    /// Weighted terms of all passages together.
    pub total_length: f64,
    /// Of its vectors; 0 where it has none.
    pub dimension: usize,
}

/// A term of a stored index.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredTerm {
    pub index: i64,
    pub term: String,
    /// How many passages of the index have it.
    pub passages: usize,
    /// Of each of these, nine bytes; empty where they were not asked for.
    pub postings: Vec<u8>,
}

/// A passage of a stored index.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredPassage {
    pub index: i64,
    pub number: u32,
    pub passage: Passage,
    pub fingerprint: u64,
    /// Its vectors, at a byte a dimension, each behind its scale.
    pub vectors: Vec<u8>,
}

impl SpecIndex {
    /// What a store keeps of it, under the identifier that it gave the index.
    #[must_use]
    pub fn stored(&self, id: i64) -> StoredIndex {
        StoredIndex {
            id,
            model: self.model.clone(),
            passages: self.whole,
            total_length: self.total_length,
            dimension: self.vectors.as_ref().map_or(0, Vectors::dimension),
        }
    }

    pub fn stored_terms(&self, id: i64) -> impl Iterator<Item = StoredTerm> + '_ {
        self.terms.iter().enumerate().map(move |(place, term)| {
            let mut postings = Vec::new();
            for posting in self.postings_at(place) {
                postings.extend(posting.passage.to_le_bytes());
                postings.extend(self.lengths[posting.passage as usize].to_le_bytes());
                postings.push(posting.quarters);
            }
            StoredTerm { index: id, term: term.to_string(), passages: postings.len() / POSTING_BYTES, postings }
        })
    }

    pub fn stored_passages(&self, id: i64) -> impl Iterator<Item = StoredPassage> + '_ {
        (0u32..).zip(&self.passages).map(move |(number, passage)| StoredPassage {
            index: id,
            number,
            passage: passage.as_ref().clone(),
            fingerprint: self.fingerprints[number as usize],
            vectors: self.vectors.as_ref().map_or_else(Vec::new, |vectors| vectors.to_bytes(number)),
        })
    }

    /// The directions of a passage, as long as each counts: what a store's own index of vectors takes.
    #[must_use]
    pub fn directions(&self, passage: u32) -> Vec<Vec<f32>> {
        self.vectors.as_ref().map_or_else(Vec::new, |vectors| vectors.directions(passage))
    }

    /// The index as far as its terms go: what is scored by words, and cannot be shown. The passages of the part have these numbers in the whole.
    pub(crate) fn of_terms(stored: &StoredIndex, terms: &[StoredTerm]) -> (Self, Vec<u32>) {
        let own = || terms.iter().filter(|term| term.index == stored.id);
        let mut numbers: Vec<u32> = own().flat_map(|term| decoded(&term.postings).map(|(number, _, _)| number)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        (Self::part(stored, own(), &numbers), numbers)
    }

    /// The index as far as these passages go.
    pub(crate) fn of_passages(stored: &StoredIndex, terms: &[StoredTerm], mut passages: Vec<StoredPassage>) -> Self {
        passages.sort_unstable_by_key(|passage| passage.number);
        let numbers: Vec<u32> = passages.iter().map(|passage| passage.number).collect();
        let mut part = Self::part(stored, terms.iter().filter(|term| term.index == stored.id), &numbers);
        part.vectors = Vectors::of_bytes(stored.dimension, passages.iter().map(|passage| passage.vectors.as_slice()));
        part.fingerprints = passages.iter().map(|passage| passage.fingerprint).collect();
        part.passages = passages.into_iter().map(|passage| Arc::new(passage.passage)).collect();
        part
    }

    fn part<'a>(stored: &StoredIndex, terms: impl Iterator<Item = &'a StoredTerm>, numbers: &[u32]) -> Self {
        let sorted: BTreeMap<&str, &StoredTerm> = terms.map(|term| (term.term.as_str(), term)).collect();
        let mut part = Self {
            model: stored.model.clone(),
            passages: Vec::new(),
            whole: stored.passages,
            terms: sorted.keys().map(|term| (*term).into()).collect(),
            offsets: vec![0],
            postings: Vec::new(),
            frequencies: sorted.values().map(|term| u32::try_from(term.passages).unwrap_or(u32::MAX)).collect(),
            lengths: vec![0.0; numbers.len()],
            total_length: stored.total_length,
            vectors: None,
            fingerprints: Vec::new(),
        };
        for term in sorted.values() {
            for (number, length, quarters) in decoded(&term.postings) {
                let Ok(place) = numbers.binary_search(&number) else { continue };
                part.lengths[place] = length;
                part.postings.push(Posting { passage: u32::try_from(place).unwrap_or(u32::MAX), quarters });
            }
            part.offsets.push(u32::try_from(part.postings.len()).unwrap_or(u32::MAX));
        }
        part
    }
}

fn decoded(postings: &[u8]) -> impl Iterator<Item = (u32, f32, u8)> + '_ {
    postings.chunks_exact(POSTING_BYTES).map(|bytes| {
        let four = |from: usize| [bytes[from], bytes[from + 1], bytes[from + 2], bytes[from + 3]];
        (u32::from_le_bytes(four(0)), f32::from_le_bytes(four(4)), bytes[8])
    })
}
