//! From a question to the passages that an answer may rest on, by the agent's strategy; and whether there is an answer at all.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    model::{BuiltIn, dot},
    passage::embedding_text,
    search::{Hit, Mode, Query, SpecIndex, search},
    terms::{terms, weighted},
};

const RERANK_CANDIDATES: usize = 40;
const STEP_CANDIDATES: usize = 20;
/// A passage answers where it has this share of what the question says, its words weighed by how much they say in general.
const MIN_COVERAGE: f32 = 0.5;
/// Below it, a question is answered only where the meaning is this near.
const LOW_COVERAGE: f32 = 0.25;
const STATIC_MIN_COSINE: f32 = 0.62;
const SHARP_MIN_COSINE: f32 = 0.5;
/// Hits that fall this far below the best are no sources of its answer.
const MIN_RELATIVE_SCORE: f32 = 0.25;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    Redwood,
    Cedar,
    Cypress,
}

/// One step of a strategy, for the record.
#[derive(Clone, Debug, Serialize)]
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
    pub vectors: &'a HashMap<String, Vec<f32>>,
    pub mode: Mode,
    pub limit: usize,
    pub min_score: Option<f32>,
}

pub struct Retrieval {
    pub hits: Vec<Hit>,
    pub steps: Vec<Step>,
    /// Whether the hits hold an answer.
    pub answerable: bool,
}

#[must_use]
pub fn retrieve(request: &Request) -> Retrieval {
    let mut steps = Vec::new();
    let mut hits = match request.strategy {
        Strategy::Redwood | Strategy::Cedar => {
            let all: Vec<Arc<SpecIndex>> = request.first_tier.iter().chain(request.second_tier).cloned().collect();
            found(&all, request, request.limit, "search", &mut steps)
        }
        Strategy::Cypress => cypress(request, &mut steps),
    };
    if let Some(best) = hits.first().map(|hit| hit.score) {
        let least = request.min_score.unwrap_or(0.0).max(best * MIN_RELATIVE_SCORE);
        hits.retain(|hit| hit.score >= least);
    }
    let answerable = hits.iter().take(3).any(|hit| answers(request, hit));
    steps.push(Step { name: "decide", detail: json!({"answerable": answerable}) });
    Retrieval { hits, steps, answerable }
}

fn found(indexes: &[Arc<SpecIndex>], request: &Request, limit: usize, name: &'static str, steps: &mut Vec<Step>) -> Vec<Hit> {
    let hits = search(indexes, &Query { text: request.query, vectors: request.vectors, mode: request.mode, limit });
    steps.push(Step { name, detail: json!({"query": request.query, "candidates": candidates(&hits)}) });
    hits
}

fn candidates(hits: &[Hit]) -> Vec<Value> {
    hits.iter().take(STEP_CANDIDATES).map(|hit| json!({"chunkId": hit.passage.chunk_id, "score": hit.score, "vector": hit.vector, "keyword": hit.keyword})).collect()
}

/// Tiers apart, then together, then ranked again by the small transformer over heading and passage.
fn cypress(request: &Request, steps: &mut Vec<Step>) -> Vec<Hit> {
    let mut hits = found(request.first_tier, request, RERANK_CANDIDATES, "search_tier_1", steps);
    if !request.second_tier.is_empty() {
        hits.extend(found(request.second_tier, request, RERANK_CANDIDATES / 2, "search_tier_2", steps));
    }
    hits.sort_by(|a, b| b.score.total_cmp(&a.score));
    hits.truncate(RERANK_CANDIDATES.min(request.limit * 3).max(request.limit));
    if BuiltIn::MiniLm.load().is_err() {
        steps.push(Step { name: "rerank", detail: json!({"fellBack": "the reranking model could not be loaded"}) });
        hits.truncate(request.limit);
        return hits;
    }
    let question = BuiltIn::MiniLm.embed_query(request.query);
    for hit in &mut hits {
        let near = dot(&question, &BuiltIn::MiniLm.embed_query(&embedding_text(&hit.passage))).clamp(0.0, 1.0);
        hit.score = (hit.score + near) / 2.0;
    }
    hits.sort_by(|a, b| b.score.total_cmp(&a.score));
    let hits = diverse(hits, request.limit);
    steps.push(Step { name: "rerank", detail: json!({"model": "minilm", "candidates": candidates(&hits)}) });
    hits
}

/// At most half of the places go to one document while others wait.
fn diverse(hits: Vec<Hit>, limit: usize) -> Vec<Hit> {
    let most = limit.div_ceil(2);
    let mut counts: HashMap<String, usize> = HashMap::new();
    let (mut taken, mut waiting) = (Vec::new(), Vec::new());
    for hit in hits {
        let count = counts.entry(hit.passage.document_id.clone()).or_default();
        *count += 1;
        if *count <= most { taken.push(hit) } else { waiting.push(hit) }
    }
    taken.extend(waiting);
    taken.truncate(limit);
    taken.sort_by(|a, b| b.score.total_cmp(&a.score));
    taken
}

/// Absolute measures: they hold in a corpus of three passages as in one of thousands.
fn answers(request: &Request, hit: &Hit) -> bool {
    let asked = weighted(request.query);
    let total: f32 = asked.iter().map(|(_, weight)| weight).sum();
    if total == 0.0 {
        return false;
    }
    let held: HashSet<String> = terms(&embedding_text(&hit.passage)).into_iter().collect();
    let covered: f32 = asked.iter().filter(|(term, _)| held.contains(term)).map(|(_, weight)| weight).sum();
    let coverage = covered / total;
    let model_of = |hit: &Hit| request.first_tier.iter().chain(request.second_tier).any(|index| index.model == "static" && hit.vector.is_some());
    let near = hit.vector.unwrap_or(0.0) >= if model_of(hit) { STATIC_MIN_COSINE } else { SHARP_MIN_COSINE };
    coverage >= MIN_COVERAGE || near && coverage >= LOW_COVERAGE
}
