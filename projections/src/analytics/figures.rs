//! Figures of some set of interactions, and the cells that keep them by time.
//!
//! A failed interaction counts in `interactions` and `failures`; rates are of the completed ones. A cell is a sum: what changes later (feedback, an
//! erasure) is a difference that is added. Only [`Distinct`] cannot be taken back, and what it counts never changes.

use std::collections::HashMap;

use super::{
    bytes::{Damaged, Reader, put, put_count},
    distinct::Distinct,
    fact::{Fact, Status},
    histogram::Histogram,
};

/// The reviews that feedback may carry, in the order they are counted.
pub const REVIEWS: [&str; 4] = ["accurate", "edited", "inaccurate", "no_answer"];
const SUMS: usize = 11;
const DOCUMENT_BYTES: usize = 16;
/// A cell in which more documents than this were cited keeps the most cited.
const MAX_DOCUMENTS: usize = 8192;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    pub interactions: i64,
    pub completed: i64,
    pub answered: i64,
    pub failures: i64,
    pub positive: i64,
    pub negative: i64,
    pub tokens: i64,
    pub reviews: [i64; REVIEWS.len()],
    pub latency: Histogram,
}

impl Figures {
    /// Counts an interaction, or takes it back where `sign` is -1.
    pub fn add(&mut self, fact: &Fact, sign: i64) {
        self.interactions += sign;
        self.tokens += sign * fact.tokens;
        match fact.status {
            Status::Completed => {
                self.completed += sign;
                self.answered += sign * i64::from(fact.answered);
                if let Some(bucket) = fact.latency {
                    self.latency.add(bucket, sign);
                }
            }
            Status::Failed => self.failures += sign,
            Status::Started => {}
        }
        match fact.positive {
            Some(true) => self.positive += sign,
            Some(false) => self.negative += sign,
            None => {}
        }
        if let Some(review) = fact.review {
            self.reviews[review] += sign;
        }
    }

    pub fn merge(&mut self, other: &Self) {
        self.sums_mut().into_iter().zip(other.sums()).for_each(|(ours, theirs)| *ours += theirs);
        self.latency.merge(&other.latency);
    }

    pub fn is_empty(&self) -> bool {
        self.sums() == [0; SUMS] && self.latency.is_empty()
    }

    pub fn sums(&self) -> [i64; SUMS] {
        let [accurate, edited, inaccurate, no_answer] = self.reviews;
        [self.interactions, self.completed, self.answered, self.failures, self.positive, self.negative, self.tokens, accurate, edited, inaccurate, no_answer]
    }

    pub fn sums_mut(&mut self) -> [&mut i64; SUMS] {
        let [accurate, edited, inaccurate, no_answer] = &mut self.reviews;
        [
            &mut self.interactions,
            &mut self.completed,
            &mut self.answered,
            &mut self.failures,
            &mut self.positive,
            &mut self.negative,
            &mut self.tokens,
            accurate,
            edited,
            inaccurate,
            no_answer,
        ]
    }

    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.sums().into_iter().for_each(|sum| put_count(&mut out, sum));
        self.latency.encode(&mut out);
        out
    }

    pub fn add_encoded(&mut self, bytes: &[u8]) -> Result<(), Damaged> {
        let mut reader = Reader(bytes);
        for sum in self.sums_mut() {
            *sum += reader.count()?;
        }
        self.latency.add_encoded(&mut reader)
    }
}

/// Citations by document.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Documents(pub HashMap<u128, i64>);

impl Documents {
    pub fn add(&mut self, document: u128, count: i64) {
        *self.0.entry(document).or_default() += count;
    }

    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut counted: Vec<(u128, i64)> = self.0.iter().filter(|(_, count)| **count > 0).map(|(document, count)| (*document, *count)).collect();
        if counted.len() > MAX_DOCUMENTS {
            counted.sort_unstable_by_key(|(document, count)| (-count, *document));
            counted.truncate(MAX_DOCUMENTS);
        }
        counted.sort_unstable();
        let mut out = Vec::with_capacity(counted.len() * (DOCUMENT_BYTES + 1));
        for (document, count) in counted {
            out.extend(document.to_be_bytes());
            put_count(&mut out, count);
        }
        out
    }

    pub fn add_encoded(&mut self, bytes: &[u8]) -> Result<(), Damaged> {
        let mut reader = Reader(bytes);
        while !reader.is_empty() {
            let document = u128::from_be_bytes(*reader.array::<DOCUMENT_BYTES>()?);
            self.add(document, reader.count()?);
        }
        Ok(())
    }
}

/// Unanswered questions by group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Groups(pub HashMap<i64, i64>);

impl Groups {
    pub fn add(&mut self, group: i64, count: i64) {
        *self.0.entry(group).or_default() += count;
    }

    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut counted: Vec<(i64, i64)> = self.0.iter().filter(|(_, count)| **count > 0).map(|(group, count)| (*group, *count)).collect();
        counted.sort_unstable();
        let mut out = Vec::new();
        let mut before = 0;
        for (group, count) in counted {
            put(&mut out, (group - before) as u64);
            put_count(&mut out, count);
            before = group;
        }
        out
    }

    pub fn add_encoded(&mut self, bytes: &[u8]) -> Result<(), Damaged> {
        let mut reader = Reader(bytes);
        let mut group = 0;
        while !reader.is_empty() {
            group += reader.count()?;
            self.add(group, reader.count()?);
        }
        Ok(())
    }
}

/// What is kept of a stretch of time. Agents and models within it have figures alone.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    pub figures: Figures,
    pub sessions: Distinct,
    pub users: Distinct,
    pub documents: Documents,
    pub groups: Groups,
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cell_with_too_many_documents_keeps_the_most_cited() {
        let mut documents = Documents::default();
        (0..MAX_DOCUMENTS as u128 + 100).for_each(|document| documents.add(document, if document % 2 == 0 { 2 } else { 1 }));
        let mut kept = Documents::default();
        kept.add_encoded(&documents.encode()).unwrap();
        assert_eq!(kept.0.len(), MAX_DOCUMENTS);
        assert!((0..MAX_DOCUMENTS as u128 + 100).step_by(2).all(|document| kept.0[&document] == 2));
    }

    proptest! {
        #[test]
        fn maps_are_read_back(documents in prop::collection::hash_map(any::<u128>(), 1i64..1000, 0..40), groups in prop::collection::hash_map(0..i64::MAX, 1i64..1000, 0..40)) {
            let (documents, groups) = (Documents(documents), Groups(groups));
            let (mut read, mut grouped) = (Documents::default(), Groups::default());
            read.add_encoded(&documents.encode()).unwrap();
            grouped.add_encoded(&groups.encode()).unwrap();
            prop_assert_eq!((read, grouped), (documents, groups));
        }
    }
}
