//! `twig eval answers`: what an agent says to each question, beside what it should say.

use std::path::PathBuf;

use serde_json::{Value, json};
use twig_domain::{
    id::{AgentId, OrgId},
    interaction::Source,
};
use twig_generation::grounding;
use twig_knowledge::rehearse::Rehearsal;

use super::{
    Gate, bar,
    compare::{Comparison, baseline},
    failed_gates, latency, open, organizations,
    questions::{Asked, Names, holds, read},
    rounded,
};
use crate::{node::Node, settings::Settings};

/// The share of a correct answer's sentences that the given one must support.
const SUPPORTED_SHARE: f64 = 0.5;

#[derive(clap::Args)]
pub struct Options {
    /// One question a line: {"id", "text", "relevant": [documents], "expected": [words], "answerable"}
    questions: PathBuf,
    #[arg(long)]
    agent: AgentId,
    #[arg(long)]
    org: Option<String>,
    /// Fail where the right document is first for a smaller share of the answerable
    #[arg(long)]
    min_first: Option<f64>,
    /// Fail where the answer holds the expected words for a smaller share of the answerable
    #[arg(long)]
    min_expected: Option<f64>,
    /// Fail where a smaller share of the unanswerable is refused
    #[arg(long)]
    min_refused: Option<f64>,
    #[command(flatten)]
    gate: Gate,
}

/// One question's outcome.
struct Outcome {
    asked: Asked,
    said: Rehearsal,
    first: bool,
    in_answer: bool,
    in_cited: bool,
}

impl Outcome {
    fn of(asked: Asked, said: Rehearsal) -> Self {
        let first = said.answered && said.sources.first().is_some_and(|source| asked.relevant.is_empty() || names(source).among(&asked.relevant).is_some());
        let cited = said.sources.iter().zip(&said.passages).filter(|(source, _)| said.response.contains(&format!("[{}]", source.index)));
        let cited: Vec<String> = cited.map(|(_, passage)| passage.clone()).collect();
        let held = |text: &str| {
            let as_written = holds(text, &asked.expected);
            as_written && asked.answer.as_ref().is_none_or(|answer| grounding(answer, &[text.to_owned()]).unwrap_or(1.0) >= SUPPORTED_SHARE)
        };
        let (in_answer, in_cited) = (said.answered && held(&said.response), said.answered && cited.iter().any(|passage| held(passage)));
        Self { asked, said, first, in_answer, in_cited }
    }

    /// 1 for a question answered rightly or refused rightly.
    fn score(&self) -> f64 {
        let right = if self.asked.answerable { self.first && self.in_answer } else { !self.said.answered };
        if right { 1.0 } else { 0.0 }
    }

    fn json(&self) -> Value {
        json!({
            "id": self.asked.id, "text": self.asked.text, "score": self.score(), "answerable": self.asked.answerable, "answered": self.said.answered,
            "rightDocumentFirst": self.first, "expectedInAnswer": self.in_answer, "expectedInCited": self.in_cited, "response": self.said.response,
            "sources": self.said.sources.iter().map(|source| json!({"url": source.document_url, "score": source.score})).collect::<Vec<_>>(),
            "confidence": confidence(&self.said.steps), "grounding": self.said.grounding, "steps": self.said.steps, "latencyMs": rounded(self.said.latency_ms),
        })
    }
}

fn names(source: &Source) -> Names {
    Names::of(&source.chunk_id.to_string(), &source.document_id.to_string(), source.document_url.as_deref(), &source.document_title)
}

fn confidence(steps: &Value) -> Value {
    steps.as_array().into_iter().flatten().find(|step| step["name"] == "decide").map_or(Value::Null, |step| step["detail"]["confidence"].clone())
}

/// So many of so many.
#[derive(Clone, Copy)]
struct Share {
    of: usize,
    are: usize,
}

impl Share {
    fn over(outcomes: &[Outcome], among: impl Fn(&Outcome) -> bool, is: impl Fn(&Outcome) -> bool) -> Self {
        let among: Vec<&Outcome> = outcomes.iter().filter(|outcome| among(outcome)).collect();
        Self { of: among.len(), are: among.iter().filter(|outcome| is(outcome)).count() }
    }

    fn value(self) -> f64 {
        if self.of == 0 { 1.0 } else { self.are as f64 / self.of as f64 }
    }

    fn json(self) -> Value {
        json!({"share": rounded(self.value()), "are": self.are, "of": self.of})
    }
}

pub async fn run(settings: &Settings, options: Options, as_json: bool) -> Result<(), String> {
    let questions = read(&options.questions)?;
    let before = baseline(&options.gate)?;
    let node = open(settings).await?;
    let organization = find(&node, &options).await?;
    let knowledge = node.knowledge(settings)?;
    let bar = bar("asking", questions.len());
    let mut outcomes = Vec::with_capacity(questions.len());
    for asked in questions {
        let said = knowledge.rehearse(organization, options.agent, &asked.text).await.map_err(|error| format!("{}: {error}", asked.id))?;
        outcomes.push(Outcome::of(asked, said));
        bar.inc(1);
    }
    bar.finish_and_clear();
    let answerable = |outcome: &Outcome| outcome.asked.answerable;
    let documents = |outcome: &Outcome| outcome.asked.answerable && !outcome.asked.relevant.is_empty();
    let worded = |outcome: &Outcome| outcome.asked.answerable && (!outcome.asked.expected.is_empty() || outcome.asked.answer.is_some());
    let shares = [
        ("answered", "answered, of the answerable", Share::over(&outcomes, answerable, |outcome| outcome.said.answered), None),
        ("rightDocumentFirst", "the right document first", Share::over(&outcomes, documents, |outcome| outcome.first), options.min_first),
        ("expectedInAnswer", "the expected words in the answer", Share::over(&outcomes, worded, |outcome| outcome.in_answer), options.min_expected),
        ("expectedInCited", "the expected words in a cited passage", Share::over(&outcomes, worded, |outcome| outcome.in_cited), None),
        (
            "refused",
            "refused, of the others",
            Share::over(&outcomes, |outcome| !outcome.asked.answerable, |outcome| !outcome.said.answered),
            options.min_refused,
        ),
    ];
    let scores: Vec<(String, String, f64)> = outcomes.iter().map(|outcome| (outcome.asked.id.clone(), outcome.asked.text.clone(), outcome.score())).collect();
    let comparison = before.map(|before| Comparison::of(&before, &scores));
    let latency = latency(outcomes.iter().map(|outcome| outcome.said.latency_ms).collect());
    if as_json {
        let mut report = json!({"agentId": options.agent, "count": outcomes.len(), "latencyMs": latency, "questions": outcomes.iter().map(Outcome::json).collect::<Vec<_>>(), "comparison": comparison.as_ref().map(Comparison::json)});
        for (name, _, share, _) in &shares {
            report[*name] = share.json();
        }
        println!("{report}");
    } else {
        println!("{} questions, {} ms at the median, {} ms at the 95th percentile\n", outcomes.len(), latency["p50"], latency["p95"]);
        for (_, text, share, _) in &shares {
            println!("  {text:<40} {:>4} of {:<4} {:>6.1} %", share.are, share.of, 100.0 * share.value());
        }
        for outcome in outcomes.iter().filter(|outcome| outcome.score() < 1.0) {
            println!("\n  {} {}\n    {}", outcome.asked.id, outcome.asked.text, mistake(outcome));
        }
        if let Some(comparison) = &comparison {
            println!("\n{}", comparison.text());
        }
    }
    let low = shares.iter().filter_map(|(_, text, share, least)| {
        let least = least.filter(|least| share.value() < *least)?;
        Some(format!("{text}: {:.3}, and {least} is the least allowed", share.value()))
    });
    let failures: Vec<String> = low.chain(comparison.and_then(|comparison| comparison.failure(&options.gate))).collect();
    failed_gates(&failures)
}

fn mistake(outcome: &Outcome) -> String {
    let first = outcome.said.sources.first().map(|source| source.document_title.as_str()).unwrap_or_default();
    let response = outcome.said.response.replace('\n', " ");
    match (outcome.asked.answerable, outcome.said.answered) {
        (true, false) => "refused, and should be answered".to_owned(),
        (false, _) => format!("answered from {first:?}, and should be refused: {response}"),
        (true, true) if !outcome.first => format!("answered from {first:?} first: {response}"),
        _ => format!("without the expected words: {response}"),
    }
}

async fn find(node: &Node, options: &Options) -> Result<OrgId, String> {
    for organization in organizations(node, options.org.as_deref()).await? {
        if node.views.agent(organization, options.agent).await.map_err(|error| error.to_string())?.is_some() {
            return Ok(organization);
        }
    }
    Err(format!("agent {} was not found", options.agent))
}
