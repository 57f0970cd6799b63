//! One search over several indexes: keywords and vectors found together, fused, near-duplicates folded, scored.
//!
//! Invariant: keyword statistics are those of exactly the passages searched; vectors meet only queries of their own model; scores fall.

mod fold;
mod fuzzy;
mod keyword;
mod top;

use crate::{
    answerable::{self, HITS_JUDGED},
    fuse::{self, Candidate},
    index::{Quantised, SpecIndex, Vectors},
    passage::Passage,
    reader::Reading,
};
pub(crate) use keyword::{Keywords, searched_terms};
use serde::Deserialize;
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};
use top::Top;

/// What each kind of search contributes before fusion; the last of them is the zero of relative scores.
pub(crate) const POOL: usize = 200;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    #[default]
    Hybrid,
    Vector,
    Keyword,
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
    /// The model of the index it was found in.
    pub model: Arc<str>,
    /// From 0 to 1: how likely the passage bears on the query. Falls from hit to hit.
    pub score: f32,
    /// Cosine to the question; None where the mode or the index has no vectors.
    pub vector: Option<f32>,
    /// BM25 as a share of the most that the query's words could score.
    pub keyword: Option<f32>,
    /// How much of what the question's words say stands in the passage, 0 to 1.
    pub coverage: f32,
    /// What hits are sorted by, relative to this search's best.
    pub(crate) fused: f32,
    pub(crate) fingerprint: u64,
    pub(crate) reading: Option<Arc<Reading>>,
}

/// The best passages over all these indexes, best first.
#[must_use]
pub fn search(indexes: &[Arc<SpecIndex>], query: &Query<'_>) -> Vec<Hit> {
    search_judged(indexes, query, query.text)
}

/// As `search`, with coverage judged by the words of another text: those of the question itself where the query was rewritten.
pub(crate) fn search_judged(indexes: &[Arc<SpecIndex>], query: &Query<'_>, judged_by: &str) -> Vec<Hit> {
    let keywords = Keywords::new(indexes, query.text);
    let other = (judged_by != query.text).then(|| Keywords::new(indexes, judged_by));
    let judge = other.as_ref().unwrap_or(&keywords);
    let mut distinct = fold::Distinct::default();
    for candidate in candidates(indexes, query, &keywords) {
        if distinct.len() >= query.limit {
            break;
        }
        distinct.push(hit_of(indexes, &candidate, judge));
    }
    let mut hits = distinct.into_hits();
    score(query.mode, &mut hits);
    hits
}

fn hit_of(indexes: &[Arc<SpecIndex>], candidate: &Candidate<'_>, judge: &Keywords) -> Hit {
    let index = &indexes[candidate.index];
    let number = candidate.passage as usize;
    Hit {
        passage: index.passages[number].clone(),
        model: index.model.as_str().into(),
        score: 0.0,
        vector: candidate.cosine,
        keyword: candidate.keyword,
        coverage: judge.coverage(index, candidate.passage),
        fused: candidate.fused,
        fingerprint: index.fingerprints[number],
        reading: None,
    }
}

/// The best hit's score is the confidence in it; the others fall from there as their fused scores do. Vectors or keywords alone keep their own measure.
fn score(mode: Mode, hits: &mut [Hit]) {
    let Some(best) = hits.first().map(|hit| hit.fused) else { return };
    let confidence = hits.iter().take(HITS_JUDGED).map(answerable::probability).fold(0.0, f32::max);
    for hit in hits {
        let share = if best > 0.0 { (hit.fused / best).clamp(0.0, 1.0) } else { 0.0 };
        hit.score = match mode {
            Mode::Hybrid => confidence * share,
            Mode::Vector => hit.vector.unwrap_or(0.0).clamp(0.0, 1.0),
            Mode::Keyword => hit.keyword.unwrap_or(0.0).clamp(0.0, 1.0),
        };
    }
}

/// The union of the best by keywords and the best by vectors of each model, fused and sorted.
fn candidates<'a>(indexes: &'a [Arc<SpecIndex>], query: &Query<'_>, keywords: &Keywords) -> Vec<Candidate<'a>> {
    let bm25: Vec<Vec<f32>> = if query.mode == Mode::Vector { vec![Vec::new(); indexes.len()] } else { keywords.all_scores(indexes) };
    let vectors: Vec<Option<(&Vectors, Quantised)>> = indexes.iter().map(|index| quantised(index, query)).collect();
    let mut found: HashSet<(usize, u32)> = best(&bm25).into_iter().collect();
    let models: HashSet<&str> = indexes.iter().map(|index| index.model.as_str()).collect();
    let mut groups = Vec::new();
    for model in models {
        let mut top = Top::new(POOL, f32::NEG_INFINITY);
        let own = vectors.iter().enumerate().filter(|&(index, _)| indexes[index].model == model);
        for (index, (vectors, query)) in own.filter_map(|(index, own)| Some((index, own.as_ref()?))) {
            top.offer(index, vectors.near(query).into_iter());
        }
        found.extend(top.places());
        groups.push(fuse::Group::new(model, &top.scores()));
    }
    let ideal = keywords.ideal().max(f32::EPSILON);
    let gathered = found.into_iter().map(|(index, passage)| {
        let keyword = bm25[index].get(passage as usize).map(|score| score / ideal);
        let cosine = vectors[index].as_ref().map(|(vectors, query)| vectors.cosine(query, passage));
        Candidate { index, passage, model: &indexes[index].model, cosine, keyword, fused: 0.0 }
    });
    fuse::fuse(gathered.collect(), &groups)
}

/// Which passages of which index words find first.
pub(crate) fn best_by_words(indexes: &[Arc<SpecIndex>], keywords: &Keywords) -> Vec<(usize, u32)> {
    best(&keywords.all_scores(indexes))
}

fn best(bm25: &[Vec<f32>]) -> Vec<(usize, u32)> {
    let mut top = Top::new(POOL, 0.0);
    for (index, scores) in bm25.iter().enumerate() {
        top.offer(index, (0u32..).zip(scores.iter().copied()));
    }
    top.places()
}

fn quantised<'a>(index: &'a SpecIndex, query: &Query<'_>) -> Option<(&'a Vectors, Quantised)> {
    if query.mode == Mode::Keyword {
        return None;
    }
    let vectors = index.vectors.as_ref()?;
    Some((vectors, vectors.query(query.vectors.get(&index.model)?)?))
}

#[cfg(test)]
mod tests;
