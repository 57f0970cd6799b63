//! Models by name: the built-in answerer, a provider of the `genai` crate, or anything that speaks OpenAI's protocol at the configured address.
//!
//! The OpenAI-compatible path is our own few lines over `reqwest`: only there can a stream that was cut off be told for certain from one that ended.

use std::{fmt, sync::Arc, time::Duration};

use futures_util::StreamExt;
use genai::{
    Client,
    chat::{ChatMessage, ChatOptions, ChatRequest, ChatStreamEvent},
};
use serde::Deserialize;

use crate::{
    breaker::Breakers,
    compatible,
    endpoints::{self, Endpoint},
    prompt::Messages,
};

const MAX_TRIES: u32 = 3;
const RETRY_AFTER: Duration = Duration::from_millis(200);

#[derive(Clone)]
pub struct ModelSettings {
    /// Of an OpenAI-compatible provider, with `/v1`.
    pub base_url: Option<String>,
    pub api_key: Option<String>,
    /// Seconds until the first token, and between two.
    pub timeout_s: u64,
    /// Where cypress has its candidates sorted, if not by the built-in transformer.
    pub reranker: Option<RerankerSettings>,
}

/// A provider with a Cohere-compatible `/rerank`.
#[derive(Clone)]
pub struct RerankerSettings {
    pub url: String,
    pub model: String,
    pub api_key: Option<String>,
}

impl fmt::Debug for ModelSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelSettings").field("base_url", &self.base_url).field("timeout_s", &self.timeout_s).finish_non_exhaustive()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Model {
    /// The built-in answerer: no model at all.
    Extractive,
    /// `provider:model`, by the provider's own protocol.
    Provider { provider: String, model: String },
    /// Any other name, at the configured address.
    Compatible { model: String },
}

impl Model {
    pub fn parse(name: &str) -> Result<Self, ModelError> {
        let name = name.trim();
        if name.is_empty() {
            return Err(ModelError::Config("a model needs a name".into()));
        }
        if name == "extractive" {
            return Ok(Self::Extractive);
        }
        match name.split_once(':') {
            Some((provider, model)) if genai::adapter::AdapterKind::from_lower_str(provider).is_some() && !model.is_empty() => {
                Ok(Self::Provider { provider: provider.to_owned(), model: model.to_owned() })
            }
            _ => Ok(Self::Compatible { model: name.to_owned() }),
        }
    }

    fn target(&self) -> &str {
        match self {
            Self::Extractive => "extractive",
            Self::Provider { provider, .. } => provider,
            Self::Compatible { .. } => "compatible",
        }
    }

    /// The model's own name, without its provider.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Extractive => "extractive",
            Self::Provider { model, .. } | Self::Compatible { model } => model,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub prompt_tokens: u64,
    pub completion_tokens: u64,
}

/// How a model's answer ended. Without the provider's own count there is no usage.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Finished {
    pub usage: Option<Usage>,
    pub finish_reason: String,
    pub cost_usd: Option<f64>,
}

/// For people; what a provider said stays in the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    #[error("{0}")]
    Upstream(String),
    #[error("The model provider took too long to answer")]
    Timeout,
    #[error("{0}")]
    Config(String),
}

/// An attempt's failure, and whether another attempt may help.
pub(crate) struct Failed {
    pub error: ModelError,
    pub retry: bool,
    pub after: Option<Duration>,
}

impl Failed {
    pub(crate) fn upstream(text: &str, retry: bool) -> Self {
        Self { error: ModelError::Upstream(text.into()), retry, after: None }
    }

    pub(crate) fn timeout() -> Self {
        Self { error: ModelError::Timeout, retry: false, after: None }
    }
}

#[derive(Clone)]
pub struct Models {
    settings: Arc<ModelSettings>,
    http: reqwest::Client,
    providers: Client,
    breakers: Breakers,
}

impl Models {
    pub fn new(settings: ModelSettings) -> Result<Self, ModelError> {
        #[expect(clippy::disallowed_methods, reason = "the operator's own model provider is no egress to be policed")]
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(10))
            .build()
            .map_err(|_| ModelError::Config("the HTTP client could not be made".into()))?;
        let providers = Client::new().map_err(|_| ModelError::Config("the model client could not be made".into()))?;
        Ok(Self { settings: Arc::new(settings), http, providers, breakers: Breakers::default() })
    }

    /// Streams an answer; each piece of text goes to `on_text`. Nothing is tried again once a piece was given.
    pub async fn stream(
        &self,
        model: &Model,
        messages: &Messages,
        temperature: f64,
        max_tokens: u32,
        on_text: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Finished, ModelError> {
        if !self.breakers.allows(model.target()) {
            return Err(ModelError::Upstream("The model provider keeps failing and is given a moment".into()));
        }
        let mut attempt = 0;
        loop {
            attempt += 1;
            let mut given = false;
            let mut note = |text: &str| {
                given = true;
                on_text(text);
            };
            let failed = match self.attempt(model, messages, temperature, max_tokens, &mut note).await {
                Ok(mut finished) => {
                    self.breakers.succeeded(model.target());
                    finished.cost_usd = finished.usage.and_then(|usage| cost(model.name(), usage));
                    return Ok(finished);
                }
                Err(failed) => failed,
            };
            if given || !failed.retry || attempt == MAX_TRIES {
                self.breakers.failed(model.target());
                return Err(failed.error);
            }
            tokio::time::sleep(failed.after.unwrap_or(RETRY_AFTER * attempt)).await;
        }
    }

    /// A whole answer, for short tasks such as rewriting a query.
    pub async fn complete(&self, model: &Model, messages: &Messages, max_tokens: u32) -> Result<String, ModelError> {
        let mut text = String::new();
        self.stream(model, messages, 0.0, max_tokens, &mut |piece| text.push_str(piece)).await?;
        Ok(text)
    }

    async fn attempt(
        &self,
        model: &Model,
        messages: &Messages,
        temperature: f64,
        max_tokens: u32,
        on_text: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Finished, Failed> {
        let silence = Duration::from_secs(self.settings.timeout_s.max(1));
        match model {
            Model::Extractive => Err(Failed::upstream("The built-in answerer is no language model", false)),
            Model::Compatible { model } => {
                let Some(base_url) = &self.settings.base_url else {
                    let text = format!("The model {model} needs TWIG_MODEL_BASE_URL, which is not set");
                    return Err(Failed { error: ModelError::Config(text), retry: false, after: None });
                };
                let call = compatible::Call { base_url, api_key: self.settings.api_key.as_deref(), model, messages, temperature, max_tokens, silence };
                compatible::stream(&self.http, &call, on_text).await
            }
            Model::Provider { provider, model } => self.provider(&format!("{provider}::{model}"), messages, temperature, max_tokens, silence, on_text).await,
        }
    }

    async fn provider(
        &self,
        name: &str,
        messages: &Messages,
        temperature: f64,
        max_tokens: u32,
        silence: Duration,
        on_text: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Finished, Failed> {
        let request = ChatRequest::new(
            messages
                .0
                .iter()
                .map(|message| match message.role {
                    "system" => ChatMessage::system(&message.content),
                    "assistant" => ChatMessage::assistant(&message.content),
                    _ => ChatMessage::user(&message.content),
                })
                .collect(),
        );
        let options = ChatOptions::default().with_temperature(temperature).with_max_tokens(max_tokens).with_capture_usage(true);
        let failed = |error: genai::Error| {
            tracing::warn!(%error, "a model provider failed");
            Failed::upstream("The model provider failed", true)
        };
        let asked = tokio::time::timeout(silence, self.providers.exec_chat_stream(name, request, Some(&options))).await;
        let mut stream = asked.map_err(|_| Failed::timeout())?.map_err(failed)?.stream;
        loop {
            match tokio::time::timeout(silence, stream.next()).await.map_err(|_| Failed::timeout())? {
                Some(Ok(ChatStreamEvent::Chunk(chunk))) => on_text(&chunk.content),
                Some(Ok(ChatStreamEvent::End(end))) => {
                    let count = |tokens: Option<i32>| tokens.unwrap_or(0).max(0) as u64;
                    let usage =
                        end.captured_usage.map(|usage| Usage { prompt_tokens: count(usage.prompt_tokens), completion_tokens: count(usage.completion_tokens) });
                    return Ok(Finished { usage, finish_reason: "stop".into(), cost_usd: None });
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(failed(error)),
                None => return Err(Failed::upstream("The model provider broke off its answer", true)),
            }
        }
    }

    /// Vectors by a provider's embedding model (`provider:model`), one a text.
    pub async fn embed(&self, name: &str, texts: Vec<String>) -> Result<Vec<Vec<f32>>, ModelError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            match self.embed_once(name, &texts).await {
                Ok(vectors) if vectors.len() == texts.len() => return Ok(vectors),
                Ok(_) => return Err(ModelError::Upstream("The embedding provider left out a text".into())),
                Err(failed) if !failed.retry || attempt == MAX_TRIES => return Err(failed.error),
                Err(_) => tokio::time::sleep(RETRY_AFTER * attempt).await,
            }
        }
    }

    async fn embed_once(&self, name: &str, texts: &[String]) -> Result<Vec<Vec<f32>>, Failed> {
        let silence = Duration::from_secs(self.settings.timeout_s.max(1));
        if let Some(endpoint) = self.embedding_endpoint(name) {
            return endpoints::embed(&self.http, &endpoint, texts, silence).await;
        }
        let Some((provider, model)) = name.split_once(':') else {
            return Err(Failed { error: ModelError::Config("an embedding model is named provider:model".into()), retry: false, after: None });
        };
        let asked = tokio::time::timeout(silence, self.providers.embed_batch(format!("{provider}::{model}"), texts.to_vec(), None)).await;
        let answer = asked.map_err(|_| Failed::timeout())?.map_err(|error| {
            tracing::warn!(%error, "an embedding provider failed");
            Failed::upstream("The embedding provider failed", true)
        })?;
        Ok(answer.embeddings.into_iter().map(|embedding| embedding.vector).collect())
    }

    /// The configured OpenAI-compatible address serves `compatible:model`, and `openai:model` where there is no key of OpenAI's own.
    fn embedding_endpoint<'a>(&'a self, name: &'a str) -> Option<Endpoint<'a>> {
        let (provider, model) = name.split_once(':')?;
        let ours = match provider {
            "openai" => std::env::var_os("OPENAI_API_KEY").is_none(),
            provider => genai::adapter::AdapterKind::from_lower_str(provider).is_none(),
        };
        let base_url = self.settings.base_url.as_deref().filter(|_| ours)?;
        Some(Endpoint { base_url, api_key: self.settings.api_key.as_deref(), model })
    }

    #[must_use]
    pub fn has_reranker(&self) -> bool {
        self.settings.reranker.is_some()
    }

    /// Scores of the documents for the query, in their order, by the configured reranker.
    pub async fn rerank(&self, query: &str, documents: &[String]) -> Result<Vec<f32>, ModelError> {
        const TARGET: &str = "reranker";
        let Some(RerankerSettings { url, model, api_key }) = &self.settings.reranker else { return Err(ModelError::Config("no reranker is set".into())) };
        if !self.breakers.allows(TARGET) {
            return Err(ModelError::Upstream("The reranker keeps failing and is given a moment".into()));
        }
        let endpoint = Endpoint { base_url: url, api_key: api_key.as_deref(), model };
        let scores = endpoints::rerank(&self.http, &endpoint, query, documents).await;
        if scores.is_ok() {
            self.breakers.succeeded(TARGET)
        } else {
            self.breakers.failed(TARGET)
        }
        scores.map_err(|failed| failed.error)
    }
}

#[derive(Deserialize)]
struct Prices {
    models: std::collections::HashMap<String, [f64; 2]>,
}

fn cost(model: &str, usage: Usage) -> Option<f64> {
    static PRICES: std::sync::OnceLock<Option<Prices>> = std::sync::OnceLock::new();
    let prices = PRICES.get_or_init(|| serde_json::from_str(include_str!("../prices.json")).ok()).as_ref()?;
    let [input, output] = prices.models.get(model)?;
    Some((usage.prompt_tokens as f64 * input + usage.completion_tokens as f64 * output) / 1e6)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn names_lead_to_models() {
        assert_eq!(Model::parse("extractive").unwrap(), Model::Extractive);
        assert_eq!(Model::parse("openai:gpt-4o").unwrap(), Model::Provider { provider: "openai".into(), model: "gpt-4o".into() });
        assert_eq!(Model::parse("fake-1").unwrap(), Model::Compatible { model: "fake-1".into() });
        assert_eq!(Model::parse("llama3:8b").unwrap(), Model::Compatible { model: "llama3:8b".into() });
        assert!(Model::parse(" ").is_err());
    }

    #[test]
    fn a_key_is_never_shown() {
        let settings = ModelSettings { base_url: None, api_key: Some("sk-secret".into()), timeout_s: 1, reranker: None };
        assert!(!format!("{settings:?}").contains("sk-secret"));
    }

    #[test]
    fn cost_follows_the_price_table() {
        assert_eq!(cost("gpt-4o", Usage { prompt_tokens: 1_000_000, completion_tokens: 100_000 }), Some(3.5));
        assert_eq!(cost("unknown", Usage::default()), None);
    }
}
