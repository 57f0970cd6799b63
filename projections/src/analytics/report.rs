//! The dashboard's figures, from whichever store, as the API writes them (API §6).

use std::collections::HashMap;

use serde_json::{Value, json};
use twig_domain::{Timestamp, id::DocumentId};

use super::figures::{Figures, REVIEWS};

pub const MAX_TOP_SOURCES: usize = 10;
pub const MAX_QUESTIONS: usize = 20;
pub const MAX_QUESTION_IDS: usize = 20;

/// Figures, and how many different sessions and users they are of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counted {
    pub figures: Figures,
    pub sessions: u64,
    pub users: u64,
}

/// A question that nobody could answer, in one of its wordings.
#[derive(Clone, Debug, PartialEq)]
pub struct Unanswered {
    pub question: Option<String>,
    pub count: i64,
    pub last_seen: i64,
    /// The newest first.
    pub interactions: Vec<String>,
}

#[derive(Clone, Debug, Default)]
pub struct Report {
    pub current: Counted,
    pub previous: Counted,
    pub buckets: Vec<Counted>,
    pub agents: HashMap<String, Figures>,
    pub models: HashMap<String, Figures>,
    pub documents: HashMap<u128, i64>,
    pub questions: Vec<Unanswered>,
    pub names: Names,
}

/// What people call the things that figures are of.
#[derive(Clone, Debug, Default)]
pub struct Names {
    pub agents: HashMap<String, String>,
    /// Title and URL.
    pub documents: HashMap<u128, (Option<String>, Option<String>)>,
}

impl Report {
    /// The documents cited most.
    #[must_use]
    pub fn top_documents(&self) -> Vec<(u128, i64)> {
        let mut cited: Vec<(u128, i64)> = self.documents.iter().filter(|(_, count)| **count > 0).map(|(document, count)| (*document, *count)).collect();
        cited.sort_unstable_by_key(|(document, count)| (-count, *document));
        cited.truncate(MAX_TOP_SOURCES);
        cited
    }

    #[must_use]
    pub fn summary(&self) -> Value {
        let pair = |figure: &dyn Fn(&Counted) -> Value| json!({"value": figure(&self.current), "previous": figure(&self.previous)});
        let percentile = |percent: i64| pair(&|counted| json!(counted.figures.latency.percentile(percent)));
        json!({
            "interactions": pair(&|counted| json!(counted.figures.interactions)), "sessions": pair(&|counted| json!(counted.sessions)),
            "users": pair(&|counted| json!(counted.users)), "answerRate": pair(&|counted| answer_rate(&counted.figures)),
            "satisfaction": pair(&|counted| satisfaction(&counted.figures)),
            "latencyMs": {"p50": percentile(50), "p95": percentile(95), "p99": percentile(99)},
            "tokens": pair(&|counted| json!(counted.figures.tokens)), "failures": pair(&|counted| json!(counted.figures.failures)),
        })
    }

    /// `starts` are the buckets' starts as they are written.
    #[must_use]
    pub fn charts(&self, starts: &[&str]) -> Value {
        let series = |figure: &dyn Fn(&Counted) -> Value| -> Value {
            starts.iter().zip(&self.buckets).map(|(start, counted)| json!({"start": start, "value": figure(counted)})).collect()
        };
        let latency = starts.iter().zip(&self.buckets).map(|(start, counted)| {
            let percentile = |percent| counted.figures.latency.percentile(percent);
            json!({"start": start, "p50": percentile(50), "p95": percentile(95), "p99": percentile(99)})
        });
        let figures = &self.current.figures;
        let reviews: serde_json::Map<String, Value> = REVIEWS.iter().zip(figures.reviews).map(|(review, count)| ((*review).to_owned(), count.into())).collect();
        json!({
            "interactions": series(&|counted| json!(counted.figures.interactions)), "answerRate": series(&|counted| answer_rate(&counted.figures)),
            "satisfaction": series(&|counted| satisfaction(&counted.figures)), "latency": latency.collect::<Value>(),
            "tokens": series(&|counted| json!(counted.figures.tokens)), "sessions": series(&|counted| json!(counted.sessions)),
            "byAgent": ranked(&self.agents, |id| self.names.agents.get(id).map_or(Value::Null, |name| json!(name))), "byModel": ranked(&self.models, |id| json!(id)),
            "topSources": self.top_documents().into_iter().map(|cited| self.source(cited)).collect::<Value>(),
            "unansweredQuestions": self.questions.iter().map(question).collect::<Value>(),
            "feedback": {"positive": figures.positive, "negative": figures.negative, "byReviewStatus": reviews},
        })
    }

    fn source(&self, (document, citations): (u128, i64)) -> Value {
        let (title, url) = self.names.documents.get(&document).cloned().unwrap_or_default();
        json!({"documentId": DocumentId::from(uuid::Uuid::from_u128(document)).to_string(), "title": title, "url": url, "citations": citations})
    }
}

/// A fraction from 0 to 1; `null` where nothing was counted.
fn rate(part: i64, whole: i64) -> Value {
    if whole == 0 { Value::Null } else { json!(part as f64 / whole as f64) }
}

fn answer_rate(figures: &Figures) -> Value {
    rate(figures.answered, figures.completed)
}

fn satisfaction(figures: &Figures) -> Value {
    rate(figures.positive, figures.positive + figures.negative)
}

/// The most used first.
fn ranked(groups: &HashMap<String, Figures>, named: impl Fn(&str) -> Value) -> Value {
    let mut groups: Vec<(&String, &Figures)> = groups.iter().filter(|(_, figures)| figures.interactions > 0).collect();
    groups.sort_by_key(|(id, figures)| (-figures.interactions, *id));
    let shown = |(id, figures): (&String, &Figures)| {
        json!({
            "id": id, "name": named(id), "interactions": figures.interactions, "answerRate": answer_rate(figures), "satisfaction": satisfaction(figures),
            "p95": figures.latency.percentile(95),
        })
    };
    groups.into_iter().map(shown).collect()
}

fn question(group: &Unanswered) -> Value {
    json!({
        "question": group.question, "count": group.count, "lastSeen": Timestamp::from_millis(group.last_seen).to_string(), "interactionIds": group.interactions,
    })
}
