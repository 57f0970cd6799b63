//! Counting the terms of every passage into compact postings.

use super::{Posting, SpecIndex, Vectors};
use crate::{
    passage::{Passage, body, heading_line, pieces},
    terms::{fold, for_each_term},
};
use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

/// How much a mention in the title or a heading counts beside one in the text, in quarters of a mention.
const HEADING_QUARTERS: u32 = 4;
const TEXT_QUARTERS: u32 = 4;

pub(super) fn build(model: &str, passages: Vec<Passage>, vectors: &[Vec<f32>]) -> SpecIndex {
    let mut terms: HashMap<Box<str>, u32> = HashMap::new();
    let mut lists: Vec<Vec<Posting>> = Vec::new();
    let mut lengths = Vec::with_capacity(passages.len());
    let mut counts: HashMap<u32, u32> = HashMap::new();
    for (number, passage) in (0u32..).zip(&passages) {
        counts.clear();
        let mut length = 0;
        let mut count = |text: &str, quarters: u32| {
            for_each_term(text, |term, _| {
                let id = term_id(&mut terms, &mut lists, term);
                *counts.entry(id).or_default() += quarters;
                length += quarters;
            });
        };
        count(&heading_line(passage), HEADING_QUARTERS);
        count(body(passage), TEXT_QUARTERS);
        for (&id, &quarters) in &counts {
            lists[id as usize].push(Posting { passage: number, quarters: u8::try_from(quarters).unwrap_or(u8::MAX) });
        }
        lengths.push(length as f32 / TEXT_QUARTERS as f32);
    }
    let mut terms: Vec<(Box<str>, u32)> = terms.into_iter().collect();
    terms.sort_unstable();
    let mut offsets = Vec::with_capacity(lists.len() + 1);
    let mut postings = Vec::with_capacity(lists.iter().map(Vec::len).sum());
    for (_, id) in &terms {
        offsets.push(u32::try_from(postings.len()).expect("an index has fewer than four billion postings"));
        postings.append(&mut lists[*id as usize]);
    }
    offsets.push(u32::try_from(postings.len()).expect("an index has fewer than four billion postings"));
    SpecIndex {
        model: model.to_owned(),
        whole: passages.len(),
        frequencies: offsets.windows(2).map(|pair| pair[1] - pair[0]).collect(),
        fingerprints: passages.iter().map(fingerprint).collect(),
        total_length: lengths.iter().map(|&length| f64::from(length)).sum(),
        vectors: Vectors::new(vectors, passages.iter().map(|passage| pieces(model, passage).len())),
        passages: passages.into_iter().map(Arc::new).collect(),
        terms: terms.into_iter().map(|(term, _)| term).collect(),
        offsets,
        postings,
        lengths,
    }
}

fn term_id(terms: &mut HashMap<Box<str>, u32>, lists: &mut Vec<Vec<Posting>>, term: &str) -> u32 {
    if let Some(&id) = terms.get(term) {
        return id;
    }
    let id = u32::try_from(lists.len()).expect("an index has fewer than four billion terms");
    terms.insert(term.into(), id);
    lists.push(Vec::new());
    id
}

fn fingerprint(passage: &Passage) -> u64 {
    let mut hasher = DefaultHasher::new();
    for word in passage.text.split_whitespace() {
        fold(word).hash(&mut hasher);
    }
    hasher.finish()
}
