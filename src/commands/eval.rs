//! `twig eval`: how good search and answers are, on anyone's own documents and questions. Nothing that is measured is recorded.

mod answers;
mod compare;
mod feedback;
mod questions;
mod retrieval;

use std::{path::PathBuf, time::Duration};

use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use twig_domain::id::OrgId;

use super::{find_org, open, org_id};
use crate::{node::Node, settings::Settings};

#[derive(Subcommand)]
pub enum Eval {
    /// How well passages are found: nDCG@10, recall@10 and MRR, by mode and by model side by side
    Retrieval(retrieval::Options),
    /// How well an agent answers: the right document first, the expected words cited, refused where there is no answer
    Answers(answers::Options),
    /// Write past interactions that people judged as questions to measure by
    FromFeedback(feedback::Options),
}

/// What is measured against, and what fails the command.
#[derive(clap::Args)]
struct Gate {
    /// An earlier run's --json output, to compare with question by question
    #[arg(long)]
    baseline: Option<PathBuf>,
    /// Fail where more questions than this are worse than in the baseline
    #[arg(long, requires = "baseline")]
    max_regressions: Option<usize>,
}

pub async fn eval(settings: &Settings, command: Eval, as_json: bool) -> Result<(), String> {
    match command {
        Eval::Retrieval(options) => retrieval::run(settings, options, as_json).await,
        Eval::Answers(options) => answers::run(settings, options, as_json).await,
        Eval::FromFeedback(options) => feedback::run(settings, options, as_json).await,
    }
}

/// The organizations to look in: the one named, else all.
async fn organizations(node: &Node, named: Option<&str>) -> Result<Vec<OrgId>, String> {
    match named {
        Some(named) => Ok(vec![org_id(&find_org(node, named).await?)?]),
        None => node.views.organizations().await.map_err(|error| error.to_string())?.iter().map(org_id).collect(),
    }
}

/// On standard error, so that standard output holds the report alone.
fn bar(what: &'static str, total: usize) -> ProgressBar {
    let bar = ProgressBar::new(total as u64);
    if let Ok(style) = ProgressStyle::with_template("{msg:24} {bar:30} {pos}/{len} {eta}") {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// Nearest-rank percentiles of some times in milliseconds.
fn latency(mut times: Vec<f64>) -> Value {
    times.sort_by(f64::total_cmp);
    let at = |percent: usize| times.get((times.len() * percent).div_ceil(100).saturating_sub(1)).map(|time| rounded(*time));
    serde_json::json!({"p50": at(50), "p95": at(95)})
}

fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

fn failed_gates(failures: &[String]) -> Result<(), String> {
    if failures.is_empty() { Ok(()) } else { Err(failures.join("; ")) }
}
