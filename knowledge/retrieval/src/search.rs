//! The index of one data spec's published passages, and the search over several: BM25 over their union, cosine by each model, fused by relative score.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use serde::Deserialize;

use crate::{model::dot, passage::{Passage, heading_line}, terms::terms};

const K1: f32 = 1.2;
const B: f32 = 0.75;
/// Headings and titles count as if they stood in the text this often.
const HEADING_WEIGHT: u16 = 2;
/// Candidates of each ranking that are fused: the last is the zero of relative scores.
const CANDIDATES: usize = 200;
/// How much the keyword score weighs beside the vector's, by model: measured on the development set (`docs/quality.md`).
const STATIC_KEYWORD_WEIGHT: f32 = 2.0;
const SHARP_KEYWORD_WEIGHT: f32 = 1.0;
/// Terms of two passages that make them the same to a reader.
const SAME_SHARE: f32 = 0.92;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    #[default]
    Hybrid,
    Vector,
    Keyword,
}

/// One (data spec, manifest, model).
pub struct SpecIndex {
    pub model: String,
    passages: Vec<Arc<Passage>>,
    vectors: Vec<Vec<f32>>,
    postings: HashMap<String, Vec<(u32, u16)>>,
    lengths: Vec<f32>,
    total_length: f32,
}

impl SpecIndex {
    /// `vectors` are those of the passages, in their order, each of length one.
    #[must_use]
    pub fn build(model: &str, passages: Vec<Passage>, vectors: Vec<Vec<f32>>) -> Self {
        let mut postings: HashMap<String, Vec<(u32, u16)>> = HashMap::new();
        let mut lengths = Vec::with_capacity(passages.len());
        for (place, passage) in passages.iter().enumerate() {
            let mut counts: HashMap<String, u16> = HashMap::new();
            let body = terms(&passage.text);
            let heading = terms(&heading_line(passage));
            lengths.push((body.len() + heading.len() * HEADING_WEIGHT as usize) as f32);
            for term in body {
                let count = counts.entry(term).or_default();
                *count = count.saturating_add(1);
            }
            for term in heading {
                let count = counts.entry(term).or_default();
                *count = count.saturating_add(HEADING_WEIGHT);
            }
            for (term, count) in counts {
                postings.entry(term).or_default().push((place as u32, count));
            }
        }
        let total_length = lengths.iter().sum();
        Self { model: model.to_owned(), passages: passages.into_iter().map(Arc::new).collect(), vectors, postings, lengths, total_length }
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
        let texts: usize = self.passages.iter().map(|passage| passage.text.len() + 400).sum();
        let vectors: usize = self.vectors.iter().map(|vector| vector.len() * 4 + 24).sum();
        texts + vectors + self.postings.values().map(|list| list.len() * 8 + 64).sum::<usize>()
    }
}

/// A question, with its vector by each model that is searched.
pub struct Query<'a> {
    pub text: &'a str,
    pub vectors: &'a HashMap<String, Vec<f32>>,
    pub mode: Mode,
    pub limit: usize,
}

#[derive(Clone, Debug)]
pub struct Hit {
    pub passage: Arc<Passage>,
    /// From 0 to 1.
    pub score: f32,
    /// Cosine to the question.
    pub vector: Option<f32>,
    /// BM25.
    pub keyword: Option<f32>,
}

type Place = (usize, u32);

/// The best passages over all these indexes, best first.
#[must_use]
pub fn search(indexes: &[Arc<SpecIndex>], query: &Query) -> Vec<Hit> {
    let keyword = if query.mode == Mode::Vector { HashMap::new() } else { keyword_scores(indexes, query.text) };
    let vector = if query.mode == Mode::Keyword { HashMap::new() } else { vector_scores(indexes, query.vectors) };
    let mut fused = fuse(indexes, &keyword, &vector, query);
    fused.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let mut hits: Vec<Hit> = Vec::new();
    let mut seen: Vec<HashSet<String>> = Vec::new();
    for (place, score) in fused {
        if hits.len() >= query.limit {
            break;
        }
        let passage = &indexes[place.0].passages[place.1 as usize];
        let words: HashSet<String> = terms(&passage.text).into_iter().collect();
        if seen.iter().any(|known| same(known, &words)) {
            continue;
        }
        seen.push(words);
        hits.push(Hit { passage: passage.clone(), score, vector: vector.get(&place).copied(), keyword: keyword.get(&place).copied() });
    }
    hits
}

/// Whether two passages would tell a reader the same.
fn same(one: &HashSet<String>, two: &HashSet<String>) -> bool {
    let larger = one.len().max(two.len());
    larger > 0 && one.len().min(two.len()) as f32 >= SAME_SHARE * larger as f32 && one.intersection(two).count() as f32 >= SAME_SHARE * larger as f32
}

/// BM25 with the statistics of the union of the indexes.
fn keyword_scores(indexes: &[Arc<SpecIndex>], text: &str) -> HashMap<Place, f32> {
    let documents: f32 = indexes.iter().map(|index| index.len() as f32).sum();
    let average = (indexes.iter().map(|index| index.total_length).sum::<f32>() / documents.max(1.0)).max(1.0);
    let mut scores = HashMap::new();
    let mut asked = terms(text);
    asked.sort_unstable();
    asked.dedup();
    for term in &asked {
        let lists: Vec<(usize, &Vec<(u32, u16)>)> = indexes.iter().enumerate().filter_map(|(n, index)| index.postings.get(term).map(|list| (n, list))).collect();
        let frequency: f32 = lists.iter().map(|(_, list)| list.len() as f32).sum();
        let idf = (1.0 + (documents - frequency + 0.5) / (frequency + 0.5)).ln();
        for (n, list) in lists {
            for (place, count) in list {
                let count = f32::from(*count);
                let norm = K1 * (1.0 - B + B * indexes[n].lengths[*place as usize] / average);
                *scores.entry((n, *place)).or_default() += idf * count * (K1 + 1.0) / (count + norm);
            }
        }
    }
    best(scores)
}

fn vector_scores(indexes: &[Arc<SpecIndex>], vectors: &HashMap<String, Vec<f32>>) -> HashMap<Place, f32> {
    let mut scores = HashMap::new();
    for (n, index) in indexes.iter().enumerate() {
        let Some(question) = vectors.get(&index.model) else { continue };
        for (place, vector) in index.vectors.iter().enumerate().filter(|(_, vector)| vector.len() == question.len()) {
            scores.insert((n, place as u32), dot(question, vector));
        }
    }
    scores
}

/// The best of a ranking: the others do not take part in the fusion.
fn best(scores: HashMap<Place, f32>) -> HashMap<Place, f32> {
    if scores.len() <= CANDIDATES {
        return scores;
    }
    let mut all: Vec<(Place, f32)> = scores.into_iter().collect();
    all.select_nth_unstable_by(CANDIDATES, |a, b| b.1.total_cmp(&a.1));
    all.truncate(CANDIDATES);
    all.into_iter().collect()
}

/// Relative scores: a vector's between the 200th and the best of its own model, a keyword's against the best. Models never meet but by these.
fn fuse(indexes: &[Arc<SpecIndex>], keyword: &HashMap<Place, f32>, vector: &HashMap<Place, f32>, query: &Query) -> Vec<(Place, f32)> {
    let best_keyword = keyword.values().copied().fold(0.0f32, f32::max);
    let mut fused: HashMap<Place, (f32, f32)> = HashMap::new();
    for (place, score) in keyword {
        fused.entry(*place).or_default().1 = score / best_keyword.max(f32::MIN_POSITIVE);
    }
    let models: HashSet<&str> = indexes.iter().map(|index| index.model.as_str()).collect();
    for model in models {
        let own: HashMap<Place, f32> = best(vector.iter().filter(|(place, _)| indexes[place.0].model == model).map(|(place, score)| (*place, *score)).collect());
        let (low, high) = own.values().fold((f32::MAX, f32::MIN), |(low, high), score| (low.min(*score), high.max(*score)));
        let low = if own.len() < CANDIDATES { low.min(0.0) } else { low };
        for (place, score) in own {
            fused.entry(place).or_default().0 = ((score - low) / (high - low).max(f32::MIN_POSITIVE)).clamp(0.0, 1.0);
        }
    }
    let weight = |place: &Place| match query.mode {
        Mode::Vector => (1.0, 0.0),
        Mode::Keyword => (0.0, 1.0),
        Mode::Hybrid if indexes[place.0].model == "static" => (1.0, STATIC_KEYWORD_WEIGHT),
        Mode::Hybrid => (1.0, SHARP_KEYWORD_WEIGHT),
    };
    fused.into_iter().map(|(place, (v, k))| {
        let (vector_weight, keyword_weight) = weight(&place);
        (place, (vector_weight * v + keyword_weight * k) / (vector_weight + keyword_weight))
    }).collect()
}
