//! cypress: cedar's query and variants of it, tiers searched apart, up to 100 candidates fused, then sorted anew by a reranker with diversity of documents.

use super::{ProviderReranker, Request, Step, candidates, search_step};
use crate::{
    fuse,
    model::{BuiltIn, dot, importance},
    passage::embedding_text,
    search::Hit,
    terms,
};
use serde_json::json;
use std::{collections::HashMap, sync::Arc};

const CANDIDATES: usize = 100;
/// What a hit of the second tier is worth beside one of the first.
const SECOND_TIER_WORTH: f32 = 0.95;
/// A variant's hits count a little less than those of the query itself.
const VARIANT_WORTH: f32 = 0.9;
/// Passages the built-in reranker reads itself where the index holds no vectors of its model: each takes it tens of milliseconds.
const MAX_PASSAGES_READ: usize = 16;
/// What the reranker's judgement weighs beside the fused score.
const RERANK_WEIGHT: f32 = 0.5;
/// What each hit of the same document before it takes off a hit's score.
const SAME_DOCUMENT_COST: f32 = 0.03;

pub(super) fn run(request: &Request<'_>, reranker: Option<&ProviderReranker<'_>>, limit: usize, steps: &mut Vec<Step>) -> Vec<Hit> {
    let variants = by_rules(request.query);
    steps.push(Step { name: "expand", detail: json!({ "by": "rules", "queries": variants }) });
    let mut fused: Vec<Hit> = Vec::new();
    for (tier, worth) in [(request.first_tier, 1.0), (request.second_tier, SECOND_TIER_WORTH)] {
        if tier.is_empty() {
            continue;
        }
        join(&mut fused, search_step(request, tier, request.query, request.vectors, CANDIDATES, steps), worth);
        for variant in &variants {
            let vectors = vectors_of(request.vectors, variant);
            join(&mut fused, search_step(request, tier, variant, &vectors, CANDIDATES, steps), worth * VARIANT_WORTH);
        }
    }
    sort(&mut fused);
    fused.truncate(CANDIDATES);
    steps.push(Step { name: "fuse", detail: json!({ "candidates": candidates(&fused) }) });
    rerank(request, reranker, fused, limit, steps)
}

/// A variant means what the query means: where a model is not inside, the query's own vector serves.
pub(super) fn vectors_of(vectors: &HashMap<String, Vec<f32>>, variant: &str) -> HashMap<String, Vec<f32>> {
    let vector = |(name, own): (&String, &Vec<f32>)| {
        let built_in = BuiltIn::by_name(name).filter(|model| *model == BuiltIn::Static);
        (name.clone(), built_in.map_or_else(|| own.clone(), |model| model.embed_query(variant)))
    };
    vectors.iter().map(vector).collect()
}

/// The bare words of the subject, the most telling first.
pub(super) fn by_rules(query: &str) -> Vec<String> {
    let mut words = terms::query_terms(query);
    words.retain(|term| !term.term.starts_with(terms::WHOLE) && !terms::is_stop_word(&term.word));
    words.sort_by(|a, b| importance(&b.word).total_cmp(&importance(&a.word)));
    let words: Vec<String> = words.into_iter().map(|term| term.word).collect();
    if words.len() < 2 { Vec::new() } else { vec![words.join(" ")] }
}

/// A passage found twice keeps the better of its scores.
fn join(fused: &mut Vec<Hit>, hits: Vec<Hit>, worth: f32) {
    let places: HashMap<String, usize> = fused.iter().enumerate().map(|(place, hit)| (hit.passage.chunk_id.clone(), place)).collect();
    for mut hit in hits {
        hit.fused *= worth;
        hit.score *= worth;
        match places.get(&hit.passage.chunk_id) {
            Some(&place) if fused[place].fused >= hit.fused => {}
            Some(&place) => fused[place] = hit,
            None => fused.push(hit),
        }
    }
}

fn sort(hits: &mut [Hit]) {
    hits.sort_by(|a, b| b.fused.total_cmp(&a.fused).then_with(|| a.passage.chunk_id.cmp(&b.passage.chunk_id)));
}

fn rerank(request: &Request<'_>, reranker: Option<&ProviderReranker<'_>>, mut hits: Vec<Hit>, limit: usize, steps: &mut Vec<Step>) -> Vec<Hit> {
    let best_score = hits.iter().map(|hit| hit.score).fold(0.0, f32::max);
    let by_provider = reranker.map(|provider| {
        let texts: Vec<String> = hits.iter().map(|hit| embedding_text(&hit.passage)).collect();
        provider(request.query, &texts).and_then(|scores| spread(&scores, hits.len()))
    });
    let (by, judgements, failure) = match by_provider {
        Some(Ok(judgements)) => ("provider", Some(judgements), None),
        Some(Err(reason)) => ("minilm", built_in(request.query, &hits), Some(reason)),
        None => ("minilm", built_in(request.query, &hits), None),
    };
    let by = if judgements.is_some() { by } else { "none" };
    if let Some(judgements) = judgements {
        apply(&mut hits, &judgements);
    }
    sort(&mut hits);
    let mut hits = diverse(hits, limit);
    let best = hits.first().map_or(0.0, |hit| hit.fused);
    for hit in &mut hits {
        hit.score = if best > 0.0 { best_score * (hit.fused / best).clamp(0.0, 1.0) } else { 0.0 };
    }
    steps.push(Step { name: "rerank", detail: json!({ "by": by, "fellBackFrom": failure, "candidates": candidates(&hits) }) });
    hits
}

/// The judged come first, each by its fused score and the judgement together; the rest keep their order below.
fn apply(hits: &mut [Hit], judgements: &[Option<f32>]) {
    let best = hits.first().map_or(1.0, |hit| hit.fused).max(f32::EPSILON);
    for (hit, judgement) in hits.iter_mut().zip(judgements) {
        let fused = hit.fused / best;
        hit.fused = (1.0 - RERANK_WEIGHT) * fused + RERANK_WEIGHT * judgement.unwrap_or(0.0);
    }
}

/// The transformer's cosine of query and passage with its headings, on its own scale. Vectors of an index that has them are used as they are. None where
/// the transformer cannot be loaded.
fn built_in(query: &str, hits: &[Hit]) -> Option<Vec<Option<f32>>> {
    let model = BuiltIn::MiniLm;
    model.load().ok()?;
    let scale = fuse::scale(model.name());
    let mut vector: Option<Vec<f32>> = None;
    let mut read = 0;
    let mut judge = |hit: &Hit| {
        let cosine = match hit.vector {
            Some(cosine) if &*hit.model == model.name() => cosine,
            _ if read < MAX_PASSAGES_READ => {
                read += 1;
                let vector = vector.get_or_insert_with(|| model.embed_query(query));
                dot(vector, &model.embed_query(&embedding_text(&hit.passage)))
            }
            _ => return None,
        };
        Some(((cosine - scale.unrelated) / (scale.certain - scale.unrelated)).clamp(0.0, 1.0))
    };
    Some(hits.iter().map(&mut judge).collect())
}

/// A provider's scores between 0 and 1, whatever their scale.
fn spread(scores: &[f32], expected: usize) -> Result<Vec<Option<f32>>, String> {
    if scores.len() != expected || scores.iter().any(|score| !score.is_finite()) {
        return Err("the reranker did not score every passage".to_owned());
    }
    let (low, high) = scores.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &score| (low.min(score), high.max(score)));
    let range = (high - low).max(f32::EPSILON);
    Ok(scores.iter().map(|score| Some((score - low) / range)).collect())
}

/// Takes the best next, where hits of documents already taken cost a little.
fn diverse(mut hits: Vec<Hit>, top_k: usize) -> Vec<Hit> {
    let mut taken: Vec<Hit> = Vec::new();
    let mut of_document: HashMap<Arc<str>, f32> = HashMap::new();
    while taken.len() < top_k && !hits.is_empty() {
        let worth = |hit: &Hit| hit.fused - SAME_DOCUMENT_COST * of_document.get(hit.passage.document_id.as_str()).copied().unwrap_or(0.0);
        let best = (0..hits.len()).reduce(|best, n| if worth(&hits[n]) > worth(&hits[best]) { n } else { best }).unwrap_or(0);
        let mut hit = hits.remove(best);
        hit.fused = worth(&hit).max(0.0);
        *of_document.entry(hit.passage.document_id.as_str().into()).or_default() += 1.0;
        taken.push(hit);
    }
    taken
}
