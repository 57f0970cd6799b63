//! The two small endpoints that a provider may have beside chat: OpenAI's `/embeddings` and the Cohere-compatible `/rerank`.

use std::time::Duration;

use reqwest::RequestBuilder;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::models::Failed;

/// A search waits for its reranker no longer than this.
const RERANK_WITHIN: Duration = Duration::from_secs(10);

/// Where an endpoint is, and what it is asked with.
pub(crate) struct Endpoint<'a> {
    pub base_url: &'a str,
    pub api_key: Option<&'a str>,
    pub model: &'a str,
}

#[derive(Deserialize)]
struct Embedded {
    data: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    index: usize,
    embedding: Vec<f32>,
}

#[derive(Deserialize)]
struct Reranked {
    results: Vec<Judged>,
}

#[derive(Deserialize)]
struct Judged {
    index: usize,
    relevance_score: f32,
}

/// One vector a text, in order.
pub(crate) async fn embed(http: &reqwest::Client, endpoint: &Endpoint<'_>, texts: &[String], within: Duration) -> Result<Vec<Vec<f32>>, Failed> {
    let body = json!({"model": endpoint.model, "input": texts, "encoding_format": "float"});
    let answer: Embedded = ask(http.post(endpoint.url("/embeddings")), endpoint, &body, within).await?;
    in_order(answer.data.into_iter().map(|row| (row.index, row.embedding)), texts.len())
}

/// One score a document, in order.
pub(crate) async fn rerank(http: &reqwest::Client, endpoint: &Endpoint<'_>, query: &str, documents: &[String]) -> Result<Vec<f32>, Failed> {
    let body = json!({"model": endpoint.model, "query": query, "documents": documents, "top_n": documents.len()});
    let answer: Reranked = ask(http.post(endpoint.url("/rerank")), endpoint, &body, RERANK_WITHIN).await?;
    in_order(answer.results.into_iter().map(|row| (row.index, row.relevance_score)), documents.len())
}

impl Endpoint<'_> {
    /// The base address with the path, or the whole address where it was given whole.
    fn url(&self, path: &str) -> String {
        let base = self.base_url.trim_end_matches('/');
        if base.ends_with(path) { base.to_owned() } else { format!("{base}{path}") }
    }
}

async fn ask<T: DeserializeOwned>(request: RequestBuilder, endpoint: &Endpoint<'_>, body: &Value, within: Duration) -> Result<T, Failed> {
    let mut request = request.json(body);
    if let Some(key) = endpoint.api_key {
        request = request.bearer_auth(key);
    }
    let asked = async {
        let response = request.send().await.map_err(|error| {
            tracing::warn!(error = %error.without_url(), "a model provider could not be reached");
            Failed::upstream("The model provider could not be reached", true)
        })?;
        let status = response.status();
        if !status.is_success() {
            tracing::warn!(%status, "a model provider refused");
            return Err(Failed::upstream("The model provider answered with an error", status.as_u16() == 429 || status.is_server_error()));
        }
        response.json().await.map_err(|_| Failed::upstream("The model provider's answer could not be understood", false))
    };
    tokio::time::timeout(within, asked).await.map_err(|_| Failed::timeout())?
}

/// Each place from 0 to `count` exactly once.
fn in_order<T>(rows: impl Iterator<Item = (usize, T)>, count: usize) -> Result<Vec<T>, Failed> {
    let mut rows: Vec<(usize, T)> = rows.collect();
    rows.sort_by_key(|(index, _)| *index);
    let whole = rows.len() == count && rows.iter().enumerate().all(|(place, (index, _))| place == *index);
    if whole { Ok(rows.into_iter().map(|(_, row)| row).collect()) } else { Err(Failed::upstream("The model provider left out a part of its answer", false)) }
}
