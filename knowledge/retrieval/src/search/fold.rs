//! Near-duplicate passages become one hit: the same text again says nothing more and takes the place of something else.

use super::Hit;
use crate::terms::for_each_term;
use std::collections::HashSet;

/// Passages further apart in cosine are not compared word by word.
const COSINE_APART: f32 = 0.005;
/// The share of words two passages must have in common.
const WORDS_IN_COMMON: f32 = 0.95;
/// Shorter texts differ by a word that matters.
const LEAST_WORDS: usize = 12;

pub(super) fn repeats(hits: &[Hit], hit: &Hit) -> bool {
    hits.iter().any(|known| (known.fingerprint == hit.fingerprint && same_words(&known.passage.text, &hit.passage.text)) || near(known, hit))
}

fn same_words(a: &str, b: &str) -> bool {
    a.split_whitespace().map(str::to_lowercase).eq(b.split_whitespace().map(str::to_lowercase))
}

fn near(a: &Hit, b: &Hit) -> bool {
    let apart = match (a.vector, b.vector) {
        (Some(a), Some(b)) => (a - b).abs() > COSINE_APART,
        _ => (a.fused - b.fused).abs() > COSINE_APART,
    };
    if apart || a.passage.text.len().abs_diff(b.passage.text.len()) * 10 > a.passage.text.len() {
        return false;
    }
    let (a, b) = (words(&a.passage.text), words(&b.passage.text));
    let common = a.intersection(&b).count();
    let all = a.len() + b.len() - common;
    // Rows and versions that differ in a number only are not duplicates.
    let numbers_agree = a.symmetric_difference(&b).all(|word| !word.contains(|c: char| c.is_ascii_digit()));
    all >= LEAST_WORDS && numbers_agree && common as f32 >= WORDS_IN_COMMON * all as f32
}

fn words(text: &str) -> HashSet<String> {
    let mut words = HashSet::new();
    for_each_term(text, |term, _| {
        words.insert(term.to_owned());
    });
    words
}
