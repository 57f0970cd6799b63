//! The indexed word that a misspelt one most likely means.

use crate::{index::SpecIndex, model::is_known_word};
use std::sync::Arc;

/// Shorter words are each other's neighbours by chance.
const LEAST_LETTERS: usize = 4;
/// From here on a word may have two mistakes.
const LETTERS_FOR_TWO: usize = 8;

/// How many mistakes a word may have. Only asked for words that no passage has, so that a word spelt right is never bent; one of other letters than a to z is
/// left alone, and so is one that the language has.
pub(super) fn mistakes(written: &str, term: &str) -> Option<usize> {
    let may_be_mended = term.len() >= LEAST_LETTERS && !is_known_word(written) && term.bytes().all(|byte| byte.is_ascii_lowercase());
    may_be_mended.then_some(if term.len() >= LETTERS_FOR_TWO { 2 } else { 1 })
}

/// The term nearest to a word's own, within so many mistakes.
pub(super) fn nearest(indexes: &[Arc<SpecIndex>], word: &str, most: usize) -> Option<String> {
    let mut best: Option<(usize, std::cmp::Reverse<usize>, &str)> = None;
    for (term, passages) in indexes.iter().flat_map(|index| index.terms_on(word.as_bytes()[0])) {
        if term.len().abs_diff(word.len()) <= most
            && let Some(distance) = distance(word.as_bytes(), term.as_bytes(), most)
        {
            let found = (distance, std::cmp::Reverse(passages), term);
            if best.is_none_or(|best| found < best) {
                best = Some(found);
            }
        }
    }
    best.map(|(_, _, term)| term.to_owned())
}

/// Insertions, deletions, replacements and swaps of neighbours; None above `most`.
fn distance(a: &[u8], b: &[u8], most: usize) -> Option<usize> {
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut next = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = row[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            next[j] = replaced.min(row[j] + 1).min(next[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                next[j] = next[j].min(before[j - 2] + 1);
            }
        }
        if next.iter().min().is_some_and(|&least| least > most) {
            return None;
        }
        before = std::mem::replace(&mut row, next);
    }
    row.last().copied().filter(|&distance| distance <= most)
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn a_swap_is_one_mistake() {
        assert_eq!(distance(b"refnud", b"refund", 1), Some(1));
        assert_eq!(distance(b"penguin", b"pingvin", 1), None);
    }
}
