//! Near-duplicate passages become one hit: the same text again says nothing more and takes the place of something else.

use super::Hit;
use crate::terms::for_each_term;
use std::{cell::OnceCell, collections::HashSet};

/// Passages further apart in cosine are not compared word by word.
const COSINE_APART: f32 = 0.005;
/// The share of words two passages must have in common.
const WORDS_IN_COMMON: f32 = 0.95;
/// Shorter texts differ by a word that matters.
const LEAST_WORDS: usize = 12;

/// Hits of which none repeats another.
#[derive(Default)]
pub(super) struct Distinct {
    hits: Vec<Hit>,
    /// Of the hits that had to be compared word by word.
    words: Vec<OnceCell<HashSet<String>>>,
}

impl Distinct {
    pub(super) fn len(&self) -> usize {
        self.hits.len()
    }

    pub(super) fn push(&mut self, hit: Hit) {
        let words = OnceCell::new();
        let same = |known: &Hit| known.fingerprint == hit.fingerprint && known.passage.text.len() == hit.passage.text.len();
        let repeats = |(known, known_words): (&Hit, &OnceCell<_>)| {
            same(known)
                || may_be_near(known, &hit)
                    && near(known_words.get_or_init(|| self::words(&known.passage.text)), words.get_or_init(|| self::words(&hit.passage.text)))
        };
        if !self.hits.iter().zip(&self.words).any(repeats) {
            self.hits.push(hit);
            self.words.push(words);
        }
    }

    pub(super) fn into_hits(self) -> Vec<Hit> {
        self.hits
    }
}

fn may_be_near(a: &Hit, b: &Hit) -> bool {
    let apart = match (a.vector, b.vector) {
        (Some(a), Some(b)) => (a - b).abs() > COSINE_APART,
        _ => (a.fused - b.fused).abs() > COSINE_APART,
    };
    !apart && a.passage.text.len().abs_diff(b.passage.text.len()) * 10 <= a.passage.text.len()
}

fn near(a: &HashSet<String>, b: &HashSet<String>) -> bool {
    let common = a.intersection(b).count();
    let all = a.len() + b.len() - common;
    // Rows and versions that differ in a number only are not duplicates.
    let numbers_agree = a.symmetric_difference(b).all(|word| !word.contains(|c: char| c.is_ascii_digit()));
    all >= LEAST_WORDS && numbers_agree && common as f32 >= WORDS_IN_COMMON * all as f32
}

fn words(text: &str) -> HashSet<String> {
    let mut words = HashSet::new();
    for_each_term(text, |term, _| {
        words.insert(term.to_owned());
    });
    words
}
