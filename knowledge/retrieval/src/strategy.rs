//! From a question to the passages that an answer may rest on, by the agent's strategy; and whether there is an answer at all.
//!
//! Invariant: every step is recorded as it was done, fallbacks too, so that an answer can be explained later.

mod cypress;
mod rewrite;

use crate::{
    answerable::{self, Confidence},
    index::SpecIndex,
    model::BuiltIn,
    reader::{self, HITS_READ},
    search::{Hit, Keywords, Mode, Query, search_judged},
    stored::Search,
};
pub use rewrite::{Turn, judged_by, rewrite_by_rules};
use serde::Serialize;
use serde_json::{Value, json};
use std::{collections::HashMap, sync::Arc};

/// Scores for the documents given, in their order; higher is better, of any scale.
pub type ProviderReranker<'a> = dyn Fn(&str, &[String]) -> Result<Vec<f32>, String> + 'a;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// The query as it is.
    Redwood,
    /// A question that leans on the turns before is made to stand alone (`rewrite_by_rules`, or a language model), then searched.
    Cedar,
    /// Cedar's query and variants of it, tiers apart, fused, then sorted anew by a reranker.
    Cypress,
}

/// What a strategy searches for, for a query.
#[must_use]
pub fn searches(strategy: Strategy, query: &str, vectors: &HashMap<String, Vec<f32>>) -> Vec<Search> {
    let variants = if strategy == Strategy::Cypress { cypress::by_rules(query) } else { Vec::new() };
    let variants = variants.into_iter().map(|text| Search { vectors: cypress::vectors_of(vectors, &text), text });
    std::iter::once(Search { text: query.to_owned(), vectors: vectors.clone() }).chain(variants).collect()
}

/// One step of a strategy, for the record: `expand`, `search`, `fuse`, `rerank`, `read`, `decide`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    pub name: &'static str,
    pub detail: Value,
}

pub struct Request<'a> {
    pub strategy: Strategy,
    /// As it is searched: rewritten where the strategy rewrites.
    pub query: &'a str,
    pub first_tier: &'a [Arc<SpecIndex>],
    pub second_tier: &'a [Arc<SpecIndex>],
    /// The query's vector by each model that is searched.
    pub vectors: &'a HashMap<String, Vec<f32>>,
    pub mode: Mode,
    pub limit: usize,
    pub min_score: Option<f32>,
}

#[derive(Clone, Debug)]
pub struct Retrieval {
    /// Falling in score.
    pub hits: Vec<Hit>,
    pub steps: Vec<Step>,
    /// Whether the hits hold an answer.
    pub answerable: bool,
    /// In that, from 0 to 1.
    pub confidence: f32,
}

#[must_use]
pub fn retrieve(request: &Request<'_>) -> Retrieval {
    retrieve_with(request, None)
}

/// As `retrieve`, where cypress sorts by a provider's reranker; one that fails is fallen back from.
#[must_use]
pub fn retrieve_reranked_by(request: &Request<'_>, reranker: &ProviderReranker<'_>) -> Retrieval {
    retrieve_with(request, Some(reranker))
}

fn retrieve_with(request: &Request<'_>, reranker: Option<&ProviderReranker<'_>>) -> Retrieval {
    let mut steps = Vec::new();
    let all: Vec<Arc<SpecIndex>> = request.first_tier.iter().chain(request.second_tier).cloned().collect();
    let limit = request.limit.max(HITS_READ);
    let mut hits = match request.strategy {
        Strategy::Redwood | Strategy::Cedar => search_step(request, &all, request.query, request.vectors, limit, &mut steps),
        Strategy::Cypress => cypress::run(request, reranker, limit, &mut steps),
    };
    let confidence = if BuiltIn::MiniLm.load().is_ok() { read_step(request, &all, &mut hits, &mut steps) } else { answerable::confidence(&hits) };
    let mut hits = relevant(hits);
    hits.truncate(request.limit);
    if let Some(least) = request.min_score {
        hits.retain(|hit| hit.score >= least);
    }
    let answerable = confidence.answerable && !hits.is_empty();
    steps.push(Step { name: "decide", detail: json!({ "answerable": answerable, "confidence": rounded(confidence.value), "sources": hits.len() }) });
    Retrieval { hits, steps, answerable, confidence: confidence.value }
}

/// Reads the first hits and sorts them by how likely each answers; the others follow as they were.
fn read_step(request: &Request<'_>, indexes: &[Arc<SpecIndex>], hits: &mut [Hit], steps: &mut Vec<Step>) -> Confidence {
    let question = judged_by(request.query);
    let evidence = reader::read(question, hits, Some(&Keywords::new(indexes, question)));
    let value = evidence.map_or(0.0, |evidence| evidence.probability());
    let probability = |hit: &Hit| hit.reading.as_ref().and_then(|reading| reading.probability);
    hits.sort_by(|a, b| probability(b).unwrap_or(-1.0).total_cmp(&probability(a).unwrap_or(-1.0)).then(b.fused.total_cmp(&a.fused)));
    let surest = hits.first().and_then(probability).unwrap_or(1.0).max(f32::EPSILON);
    let best = hits.iter().map(|hit| hit.fused).fold(f32::EPSILON, f32::max);
    // The first is as sure as the answer is; the others fall from there.
    let mut last = value;
    for hit in hits.iter_mut() {
        hit.score = probability(hit).map_or(last * (hit.fused / best), |own| value * own / surest).clamp(0.0, last);
        last = hit.score;
    }
    steps.push(Step { name: "read", detail: json!({ "by": BuiltIn::MiniLm.name(), "evidence": evidence, "candidates": read(hits) }) });
    Confidence { value, answerable: value >= answerable::THRESHOLD }
}

/// A hit's fused score beside the best's, below which it is no source of an answer.
const MIN_SHARE_OF_BEST: f32 = 0.4;
/// A hit's own confidence, below which it is no source of an answer, as a share of the best's.
const MIN_SHARE_OF_CONFIDENCE: f32 = 0.25;

/// The hits that an answer may rest on: those far below the best are not sources of it.
fn relevant(mut hits: Vec<Hit>) -> Vec<Hit> {
    let best = hits.iter().map(|hit| hit.fused).fold(0.0, f32::max);
    let probability = |hit: &Hit| hit.reading.as_ref().and_then(|reading| reading.probability);
    let surest = hits.iter().map(|hit| probability(hit).unwrap_or_else(|| answerable::probability(hit))).fold(0.0, f32::max);
    hits.retain(|hit| match probability(hit) {
        Some(own) => own >= surest * MIN_SHARE_OF_CONFIDENCE,
        None => hit.fused >= best * MIN_SHARE_OF_BEST && answerable::probability(hit) >= surest * MIN_SHARE_OF_CONFIDENCE,
    });
    hits
}

/// Searches for one text and records it.
fn search_step(
    request: &Request<'_>,
    indexes: &[Arc<SpecIndex>],
    text: &str,
    vectors: &HashMap<String, Vec<f32>>,
    limit: usize,
    steps: &mut Vec<Step>,
) -> Vec<Hit> {
    let hits = search_judged(indexes, &Query { text, vectors, mode: request.mode, limit }, judged_by(request.query));
    steps.push(Step { name: "search", detail: json!({ "query": text, "candidates": candidates(&hits) }) });
    hits
}

/// What was read of the hits, and what it says.
fn read(hits: &[Hit]) -> Value {
    let row = |hit: &Hit| {
        let reading = hit.reading.as_ref()?;
        Some(json!({ "chunkId": hit.passage.chunk_id, "probability": rounded(reading.probability?), "because": reading.features }))
    };
    hits.iter().filter_map(row).collect()
}

fn candidates(hits: &[Hit]) -> Value {
    let row = |hit: &Hit| {
        json!({
            "chunkId": hit.passage.chunk_id,
            "score": rounded(hit.score),
            "vector": hit.vector.map(rounded),
            "keyword": hit.keyword.map(rounded),
            "coverage": rounded(hit.coverage),
        })
    };
    hits.iter().map(row).collect()
}

fn rounded(score: f32) -> f64 {
    (f64::from(score) * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests;
