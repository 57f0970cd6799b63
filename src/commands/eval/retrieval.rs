//! `twig eval retrieval`: every mode on every model, side by side.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    path::PathBuf,
    sync::Arc,
    time::Instant,
};

use serde_json::{Value, json};
use twig_domain::{
    data_spec::PublishedIndex,
    id::{DataSpecId, OrgId},
};
use twig_knowledge::Knowledge;
use twig_retrieval::{
    BuiltIn, Mode, Query, SpecIndex,
    metrics::{Figures, Interval, figures, interval},
    search,
};

use super::{
    Gate, bar,
    compare::{Comparison, baseline},
    failed_gates, latency, open, organizations,
    questions::{Asked, Names, read},
    rounded,
};
use crate::{node::Node, settings::Settings};

/// Ranked this deep, for the reciprocal rank, and since several passages may be of one document.
const RANKED_DEPTH: usize = 100;
const MODES: [(&str, Mode); 3] = [("keyword", Mode::Keyword), ("vector", Mode::Vector), ("hybrid", Mode::Hybrid)];

#[derive(clap::Args)]
pub struct Options {
    /// One question a line: {"id", "text", "relevant": [passages or documents]}
    queries: PathBuf,
    #[arg(long)]
    data_spec: DataSpecId,
    /// Only these models: static, minilm or provider:model; else both built-in ones and the one in service
    #[arg(long)]
    model: Vec<String>,
    #[arg(long)]
    org: Option<String>,
    /// Fail where nDCG@10 of the hybrid search on the model in service (or the last --model) is below
    #[arg(long)]
    min_ndcg: Option<f64>,
    #[command(flatten)]
    gate: Gate,
}

/// One mode on one model.
struct Measured {
    model: String,
    mode: &'static str,
    figures: Vec<Figures>,
    latency: Value,
}

pub async fn run(settings: &Settings, options: Options, as_json: bool) -> Result<(), String> {
    let asked = read(&options.queries)?;
    let asked: Vec<Asked> = asked.into_iter().filter(|asked| !asked.relevant.is_empty()).collect();
    let before = baseline(&options.gate)?;
    let node = open(settings).await?;
    let (_, published) = find(&node, &options).await?;
    let knowledge = node.knowledge(settings)?;
    let models = models(&options, &published.model);
    let judged = if options.model.is_empty() { published.model.clone() } else { models.last().cloned().unwrap_or_default() };
    let mut measured = Vec::new();
    for model in &models {
        let index = index(&knowledge, options.data_spec, &published, model).await?;
        check(&index, &asked)?;
        for (name, mode) in MODES {
            // Keywords are the same on every model.
            if mode != Mode::Keyword || measured.is_empty() {
                measured.push(measure(&knowledge, &index, &asked, name, mode).await?);
            }
        }
    }
    let place = measured.iter().position(|one| one.model == judged && one.mode == "hybrid").ok_or("nothing was measured")?;
    let scores: Vec<(String, String, f64)> =
        asked.iter().zip(&measured[place].figures).map(|(asked, figures)| (asked.id.clone(), asked.text.clone(), rounded(figures.ndcg))).collect();
    let comparison = before.map(|before| Comparison::of(&before, &scores));
    report(as_json, &options, &measured, &asked, &scores, comparison.as_ref(), &judged);
    let ndcg = over(&measured[place].figures, |figures| figures.ndcg).mean;
    let low = options.min_ndcg.filter(|least| ndcg < *least).map(|least| format!("nDCG@10 is {ndcg:.4}, and {least} is the least allowed"));
    let failures: Vec<String> = low.into_iter().chain(comparison.and_then(|comparison| comparison.failure(&options.gate))).collect();
    failed_gates(&failures)
}

async fn find(node: &Node, options: &Options) -> Result<(OrgId, PublishedIndex), String> {
    for organization in organizations(node, options.org.as_deref()).await? {
        let found = node.views.published_indexes(organization, Some(vec![options.data_spec])).await.map_err(|error| error.to_string())?;
        if let Some((_, published, _)) = found.into_iter().next() {
            return Ok((organization, published));
        }
    }
    Err(format!("data spec {} was not found, or nothing of it is published yet", options.data_spec))
}

fn models(options: &Options, published: &str) -> Vec<String> {
    if !options.model.is_empty() {
        return options.model.clone();
    }
    let mut models: Vec<String> = BuiltIn::ALL.iter().map(|model| model.name().to_owned()).collect();
    if !models.iter().any(|model| model == published) {
        models.push(published.to_owned());
    }
    models
}

async fn index(knowledge: &Knowledge, spec: DataSpecId, published: &PublishedIndex, model: &str) -> Result<Arc<SpecIndex>, String> {
    let bar = bar("embedding", usize::try_from(published.chunks).unwrap_or(0));
    let progress = |done: usize, total: usize| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    };
    let index = knowledge.index_under(spec, &published.manifest, model, progress).await;
    bar.finish_and_clear();
    index.map_err(|fault| fault.to_string())
}

/// Names that no passage has count as passages that were not found, so they are told of.
fn check(index: &SpecIndex, asked: &[Asked]) -> Result<(), String> {
    let known: HashSet<String> = index.passages().iter().flat_map(|passage| Names::of_passage(passage).into_iter()).collect();
    let wanted: HashSet<&String> = asked.iter().flat_map(|asked| &asked.relevant).collect();
    match wanted.iter().filter(|name| !known.contains(**name)).count() {
        0 => Ok(()),
        missing if missing == wanted.len() => {
            Err("none of the relevant passages is in the data spec; name them by chunk id, document id, file name, address or title".to_owned())
        }
        missing => {
            eprintln!("{missing} of {} relevant passages are not in the data spec", wanted.len());
            Ok(())
        }
    }
}

async fn measure(knowledge: &Knowledge, index: &Arc<SpecIndex>, asked: &[Asked], mode_name: &'static str, mode: Mode) -> Result<Measured, String> {
    let bar = bar(mode_name, asked.len());
    let (mut all, mut times) = (Vec::with_capacity(asked.len()), Vec::with_capacity(asked.len()));
    for asked in asked {
        let started = Instant::now();
        let vectors = if mode == Mode::Keyword { HashMap::new() } else { knowledge.question_vectors(&asked.text, BTreeSet::from([index.model.clone()])).await };
        if mode != Mode::Keyword && vectors.is_empty() {
            return Err(format!("the question {:?} could not be embedded by {}", asked.text, index.model));
        }
        let hits = search(std::slice::from_ref(index), &Query { text: &asked.text, vectors: &vectors, mode, limit: RANKED_DEPTH });
        times.push(started.elapsed().as_secs_f64() * 1e3);
        let mut ranked: Vec<String> = Vec::new();
        for hit in &hits {
            let name = Names::of_passage(&hit.passage).among(&asked.relevant).unwrap_or(&hit.passage.document_id).clone();
            if !ranked.contains(&name) {
                ranked.push(name);
            }
        }
        all.push(figures(&ranked, &asked.relevant.iter().cloned().collect()));
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(Measured { model: index.model.clone(), mode: mode_name, figures: all, latency: latency(times) })
}

fn over(figures: &[Figures], of: fn(&Figures) -> f64) -> Interval {
    interval(&figures.iter().map(of).collect::<Vec<_>>())
}

fn report(
    as_json: bool,
    options: &Options,
    measured: &[Measured],
    asked: &[Asked],
    scores: &[(String, String, f64)],
    comparison: Option<&Comparison>,
    judged: &str,
) {
    let of_question = |place: usize| -> Value {
        measured.iter().map(|one| (format!("{}/{}", one.model, one.mode), json!(rounded(one.figures[place].ndcg)))).collect::<serde_json::Map<_, _>>().into()
    };
    let shown = |one: Interval| json!({"mean": rounded(one.mean), "low": rounded(one.low), "high": rounded(one.high)});
    if as_json {
        let row = |one: &Measured| {
            json!({
                "model": one.model, "mode": one.mode, "ndcg": shown(over(&one.figures, |f| f.ndcg)), "recall": shown(over(&one.figures, |f| f.recall)),
                "mrr": shown(over(&one.figures, |f| f.reciprocal_rank)), "latencyMs": one.latency,
            })
        };
        let questions = scores.iter().enumerate().map(|(place, (id, text, score))| json!({"id": id, "text": text, "score": score, "ndcg": of_question(place)}));
        let report = json!({
            "dataSpecId": options.data_spec, "judged": {"model": judged, "mode": "hybrid"}, "count": asked.len(), "results": measured.iter().map(row).collect::<Vec<_>>(),
            "questions": questions.collect::<Vec<_>>(), "comparison": comparison.map(Comparison::json),
        });
        println!("{report}");
        return;
    }
    println!("{} questions; in brackets the 95 % bootstrap interval; milliseconds with the question's embedding\n", asked.len());
    println!("{:<26} {:<9} {:<22} {:<22} {:<22} {:>8} {:>8}", "model", "mode", "nDCG@10", "recall@10", "MRR", "p50 ms", "p95 ms");
    for one in measured {
        let cell = |of: fn(&Figures) -> f64| {
            let interval = over(&one.figures, of);
            format!("{:.3} [{:.3}, {:.3}]", interval.mean, interval.low, interval.high)
        };
        let model = if one.mode == "keyword" { "(BM25)" } else { &one.model };
        let (ndcg, recall, mrr) = (cell(|f| f.ndcg), cell(|f| f.recall), cell(|f| f.reciprocal_rank));
        println!("{model:<26} {:<9} {ndcg:<22} {recall:<22} {mrr:<22} {:>8} {:>8}", one.mode, one.latency["p50"], one.latency["p95"]);
    }
    if let Some(comparison) = comparison {
        println!("\n{}", comparison.text());
    }
}
