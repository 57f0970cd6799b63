//! An interaction as far as figures need it: read from its row, so that whatever changes the row (feedback, an erasure) changes the figures.

use serde_json::Value;
use twig_domain::id::{DocumentId, Identifier};

use super::{distinct::hash, figures::REVIEWS, histogram::bucket};
use crate::fold::Row;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Started,
    Completed,
    Failed,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    pub at: i64,
    pub agent: String,
    pub model: String,
    pub session: u64,
    /// By the name of the user's key, which tells nobody who it is, and stays when the user is erased.
    pub user: Option<u64>,
    pub status: Status,
    pub answered: bool,
    /// The bucket of an answer's latency.
    pub latency: Option<u16>,
    pub tokens: i64,
    pub positive: Option<bool>,
    /// A place in [`REVIEWS`].
    pub review: Option<usize>,
    /// A document stands as often as it is cited.
    pub documents: Vec<u128>,
    /// The question, folded to its words, where nobody could answer it and it was not erased.
    pub unanswered: Option<String>,
}

impl Fact {
    #[must_use]
    pub fn of(row: &Row) -> Self {
        let body = &row.body;
        let text = |name: &str| body[name].as_str().unwrap_or_default();
        let status = match text("status") {
            "completed" => Status::Completed,
            "failed" => Status::Failed,
            _ => Status::Started,
        };
        let (completed, answered) = (status == Status::Completed, body["answered"] == true);
        Self {
            at: row.at,
            agent: text("agentId").to_owned(),
            model: text("model").to_owned(),
            session: hash(row.parent.as_deref().unwrap_or_default()),
            user: body["_user"].as_str().map(hash),
            status,
            answered,
            latency: body["latencyMs"].as_u64().filter(|_| completed).map(bucket),
            tokens: body["usage"]["totalTokens"].as_i64().unwrap_or_default(),
            positive: body["feedback"]["rating"].as_str().map(|rating| rating == "positive"),
            review: body["reviewStatus"].as_str().and_then(|review| REVIEWS.iter().position(|known| *known == review)),
            documents: cited(body).filter_map(document).collect(),
            unanswered: body["prompt"].as_str().filter(|_| completed && !answered).map(words),
        }
    }
}

/// The sources of an answer.
pub fn cited(body: &Value) -> impl Iterator<Item = &Value> {
    body["sources"].as_array().into_iter().flatten()
}

fn document(source: &Value) -> Option<u128> {
    source["documentId"].as_str()?.parse::<DocumentId>().ok().map(|id| id.uuid().as_u128())
}

/// What a cited document is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cited {
    pub document: String,
    pub title: Option<String>,
    pub url: Option<String>,
}

impl Cited {
    pub fn of(source: &Value) -> Option<Self> {
        let text = |name: &str| source[name].as_str().map(str::to_owned);
        // A page is a place in the document, not a document.
        let url = text("documentUrl").map(|url| url.split("#page=").next().unwrap_or_default().to_owned());
        Some(Self { document: text("documentId")?, title: text("documentTitle"), url })
    }
}

/// A question however it is spaced, cased or ended.
fn words(question: &str) -> String {
    let words = question.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_the_same_in_any_spelling_of_spaces_and_case() {
        assert_eq!(words("  What is  the Price? "), words("what is the price"));
    }
}
