//! From a question to its answer: searched, then quoted or generated. Nothing is recorded here.

use std::{sync::Arc, time::Instant};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use twig_domain::{
    agent::{AgentSettings, RagStrategy, ResponseStyle},
    data_spec::PublishedIndex,
    id::{DataSpecId, InteractionId, OrgId},
    interaction::{Failure, Provenance, SearchedIndex, Source, Usage},
};
use twig_generation::{
    ChatInput, MarkerFilter, Model, ModelError, SourceText, Turn, build_messages, canonical_sha256, grounding, parse_rewrite, rewrite_messages,
};
use twig_projections::ViewError;
use twig_retrieval::{
    AnswerOptions, Hit, Mode, Request, Retrieval, Step, Strategy, Style, answer as quote, count_tokens, judged_by, retrieve, retrieve_reranked_by,
    rewrite_by_rules, searches,
};

use crate::{
    Knowledge,
    fault::Fault,
    indexes::Index,
    live::LiveAnswer,
    search::{SearchError, Searched, source},
};

pub(crate) const MAX_TURNS: usize = 6;
const MAX_REWRITE_TOKENS: u32 = 120;

/// What an answer is made from.
pub(crate) struct Asked {
    pub organization: OrgId,
    pub id: InteractionId,
    pub agent: AgentSettings,
    pub prompt: String,
    pub session_id: String,
    pub temperature: Option<f64>,
    pub max_tokens: Option<u32>,
    pub top_k: Option<u32>,
    /// The conversation, where the client sends it along; else the session's turns.
    pub earlier_turns: Option<Vec<Turn>>,
    pub extra_system: Option<String>,
    /// The indexes to search, where they are not those that are published.
    pub corpus: Option<Vec<(DataSpecId, PublishedIndex)>>,
    pub started: Instant,
    pub live: Arc<LiveAnswer>,
}

/// What retrieval and generation come to.
pub(crate) struct Written {
    pub response: String,
    pub sources: Vec<Source>,
    pub answered: bool,
    pub finish_reason: String,
    pub usage: Usage,
    pub grounding: Option<f64>,
    pub provenance: Provenance,
    pub steps: Vec<Step>,
    /// The whole text of each source.
    pub passages: Vec<String>,
    /// What a model was sent beside settings, sources and question.
    pub conversation: Option<Conversation>,
}

/// Earlier turns, and a client's own instructions.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Conversation {
    pub turns: Vec<(String, String)>,
    pub extra_system: Option<String>,
}

impl Knowledge {
    pub(crate) async fn write(&self, asked: &Asked) -> Result<Written, Failure> {
        let model = Model::parse(&asked.agent.model).map_err(|error| failure(asked, &error))?;
        let turns = self.turns(asked).await.map_err(|error| internal(asked, &error.into()))?;
        let mut steps = Vec::new();
        let query = self.query(asked, &model, &turns, &mut steps).await;
        let (retrieval, searched) = self.find(asked, &query).await.map_err(|error| internal(asked, &error))?;
        steps.extend(retrieval.steps);
        let manifests = searched
            .iter()
            .map(|one| SearchedIndex { data_spec_id: one.data_spec, manifest: one.published.manifest.clone(), model: one.published.model.clone() })
            .collect();
        let provenance = Provenance { manifests, ..Provenance::default() };
        if !retrieval.answerable || retrieval.hits.is_empty() {
            return Ok(unanswered(asked, provenance, steps));
        }
        let hits = retrieval.hits;
        let sources: Vec<Source> = hits.iter().enumerate().filter_map(|(place, hit)| source(place, hit)).collect();
        match model {
            Model::Extractive => quoted(asked, query, hits, sources, provenance, steps).await,
            model => self.generate(asked, &model, turns, &hits, sources, provenance, steps).await,
        }
    }

    /// The conversation before this question.
    async fn turns(&self, asked: &Asked) -> Result<Vec<Turn>, ViewError> {
        if let Some(turns) = &asked.earlier_turns {
            return Ok(turns.clone());
        }
        let before = self.views.session(asked.organization, &asked.session_id).await?.unwrap_or_default();
        let id = asked.id.to_string();
        let turn = |body: &Value| Some(Turn { prompt: body["prompt"].as_str()?.to_owned(), response: body["response"].as_str()?.to_owned() });
        let mut turns: Vec<Turn> = before.iter().filter(|body| body["id"] != id.as_str()).filter_map(turn).collect();
        turns.drain(..turns.len().saturating_sub(MAX_TURNS));
        Ok(turns)
    }

    /// The question as it is searched.
    async fn query(&self, asked: &Asked, model: &Model, turns: &[Turn], steps: &mut Vec<Step>) -> String {
        let prompt = &asked.prompt;
        if asked.agent.rag_strategy == RagStrategy::Redwood || turns.is_empty() {
            return prompt.clone();
        }
        if *model != Model::Extractive {
            let rewritten = self.models.complete(model, &rewrite_messages(turns, prompt), MAX_REWRITE_TOKENS).await;
            if let Some(query) = rewritten.ok().as_deref().and_then(parse_rewrite) {
                steps.push(Step { name: "rewrite", detail: json!({"by": "model", "query": query}) });
                return query;
            }
        }
        let turns: Vec<twig_retrieval::Turn> =
            turns.iter().map(|turn| twig_retrieval::Turn { prompt: turn.prompt.clone(), response: turn.response.clone() }).collect();
        let query = rewrite_by_rules(&turns, prompt);
        steps.push(Step { name: "rewrite", detail: json!({"by": "rules", "query": query}) });
        query
    }

    async fn find(&self, asked: &Asked, query: &str) -> Result<(Retrieval, Vec<Searched>), Fault> {
        let links: Vec<_> = asked.agent.data_specs.iter().filter(|link| link.enabled).collect();
        let ids: Vec<DataSpecId> = links.iter().map(|link| link.id).collect();
        let searched = match &asked.corpus {
            Some(corpus) => self.opened(corpus.clone()).await,
            None => self.searched(asked.organization, Some(ids), &[]).await,
        };
        let searched = searched.map_err(SearchError::into_fault)?;
        let second = |one: &&Searched| links.iter().any(|link| link.id == one.data_spec && link.tier > 1);
        let first_tier: Vec<Index> = searched.iter().filter(|one| !second(one)).map(|one| one.index.clone()).collect();
        let second_tier: Vec<Index> = searched.iter().filter(second).map(|one| one.index.clone()).collect();
        let vectors = self.question_vectors(query, searched.iter().map(|one| one.index.model()).collect()).await;
        let strategy = match asked.agent.rag_strategy {
            RagStrategy::Redwood => Strategy::Redwood,
            RagStrategy::Cedar => Strategy::Cedar,
            RagStrategy::Cypress => Strategy::Cypress,
        };
        let (knowledge, models, runtime) = (self.clone(), self.models.clone(), self.runtime.clone());
        let (query, limit, min_score) = (query.to_owned(), asked.top_k.unwrap_or(asked.agent.top_k) as usize, asked.agent.min_score.map(|score| score as f32));
        let retrieval = tokio::task::spawn_blocking(move || {
            let tiers = knowledge.touched(&[first_tier, second_tier], &searches(strategy, &query, &vectors), judged_by(&query), Mode::Hybrid)?;
            let request =
                Request { strategy, query: &query, first_tier: &tiers[0], second_tier: &tiers[1], vectors: &vectors, mode: Mode::Hybrid, limit, min_score };
            let by_provider = |query: &str, texts: &[String]| runtime.block_on(models.rerank(query, texts)).map_err(|error| error.to_string());
            Ok::<_, Fault>(if models.has_reranker() { retrieve_reranked_by(&request, &by_provider) } else { retrieve(&request) })
        });
        Ok((retrieval.await??, searched))
    }

    #[expect(clippy::too_many_arguments, reason = "one answer's parts, each used once")]
    async fn generate(
        &self,
        asked: &Asked,
        model: &Model,
        turns: Vec<Turn>,
        hits: &[Hit],
        sources: Vec<Source>,
        mut provenance: Provenance,
        mut steps: Vec<Step>,
    ) -> Result<Written, Failure> {
        let text = |(place, hit): (usize, &Hit)| SourceText {
            index: place as u32 + 1,
            title: hit.passage.title.clone(),
            heading_path: hit.passage.heading_path.clone(),
            text: hit.passage.text.clone(),
        };
        let conversation =
            Conversation { turns: turns.iter().map(|turn| (turn.prompt.clone(), turn.response.clone())).collect(), extra_system: asked.extra_system.clone() };
        let conversation = Some(conversation);
        let system = system(&asked.agent, asked.extra_system.clone());
        let input = ChatInput {
            system,
            turns,
            question: asked.prompt.clone(),
            sources: hits.iter().enumerate().map(text).collect(),
            response_style: asked.agent.response_style.map(|style| json!(style).as_str().unwrap_or_default().to_owned()),
            tone: asked.agent.tone.clone(),
            language: asked.agent.language.clone(),
        };
        let messages = build_messages(&input);
        provenance.messages_sha256 = Some(canonical_sha256(&messages));
        // An answer that may yet be refused is held back until it is whole.
        let least_grounding = asked.agent.min_grounding;
        if least_grounding.is_none() {
            asked.live.sources(&json!(sources));
        }
        let mut filter = MarkerFilter::new(sources.len() as u32);
        let (live, mut response) = (asked.live.clone(), String::new());
        let mut on_text = |piece: &str| give(&live, least_grounding.is_some(), &mut response, &filter.push(piece));
        let (temperature, max_tokens) = (asked.temperature.unwrap_or(asked.agent.temperature), asked.max_tokens.unwrap_or(asked.agent.max_tokens));
        let finished = self.models.stream(model, &messages, temperature, max_tokens, &mut on_text).await.map_err(|error| failure(asked, &error))?;
        give(&live, least_grounding.is_some(), &mut response, &filter.finish());
        let usage = finished.usage.unwrap_or_else(|| twig_generation::Usage {
            prompt_tokens: messages.0.iter().map(|message| count_tokens(&message.content) as u64).sum(),
            completion_tokens: count_tokens(&response) as u64,
        });
        provenance.cost_usd = finished.cost_usd;
        let passages = texts(hits);
        let grounding = grounding(&response, &passages);
        let usage = usage_of(usage.prompt_tokens, usage.completion_tokens);
        if let Some(least) = least_grounding {
            let refused = grounding.unwrap_or(0.0) < least;
            steps.push(Step { name: "ground", detail: json!({"grounding": grounding, "least": least, "refused": refused}) });
            if refused {
                return Ok(Written { grounding, usage, conversation, ..unanswered(asked, provenance, steps) });
            }
            asked.live.sources(&json!(sources));
            asked.live.delta(&response);
        }
        Ok(Written { grounding, response, sources, answered: true, finish_reason: finished.finish_reason, usage, provenance, steps, passages, conversation })
    }
}

/// The instructions of an agent and of a client.
pub(crate) fn system(agent: &AgentSettings, extra: Option<String>) -> Option<String> {
    let system = [agent.system_prompt.clone(), extra].into_iter().flatten().collect::<Vec<_>>().join("\n\n");
    (!system.is_empty()).then_some(system)
}

/// Takes a piece of an answer, and shows it at once where it is not held back.
fn give(live: &LiveAnswer, held_back: bool, response: &mut String, piece: &str) {
    response.push_str(piece);
    if !held_back {
        live.delta(piece);
    }
}

fn texts(hits: &[Hit]) -> Vec<String> {
    hits.iter().map(|hit| hit.passage.text.clone()).collect()
}

fn usage_of(prompt_tokens: u64, completion_tokens: u64) -> Usage {
    Usage { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens }
}

fn unanswered(asked: &Asked, provenance: Provenance, steps: Vec<Step>) -> Written {
    let response = asked.agent.fallback_message.clone();
    asked.live.sources(&json!([]));
    asked.live.delta(&response);
    let usage = usage_of(count_tokens(&asked.prompt) as u64, count_tokens(&response) as u64);
    let (sources, passages, finish_reason) = (Vec::new(), Vec::new(), "stop".into());
    Written { response, sources, answered: false, finish_reason, usage, grounding: None, provenance, steps, passages, conversation: None }
}

/// The built-in answer: quotations, with no model at all.
async fn quoted(asked: &Asked, query: String, hits: Vec<Hit>, sources: Vec<Source>, provenance: Provenance, steps: Vec<Step>) -> Result<Written, Failure> {
    let style = match asked.agent.response_style {
        Some(ResponseStyle::Concise) => Style::Concise,
        Some(ResponseStyle::Detailed) => Style::Detailed,
        Some(ResponseStyle::Technical) => Style::Technical,
        None => Style::Balanced,
    };
    let options = AnswerOptions { max_tokens: asked.max_tokens.unwrap_or(asked.agent.max_tokens) as usize, style };
    let chosen = tokio::task::spawn_blocking(move || (quote(&query, &hits, &options), hits));
    let (said, hits) = chosen.await.map_err(|error| internal(asked, &error.into()))?;
    if said.text.is_empty() {
        return Ok(unanswered(asked, provenance, steps));
    }
    asked.live.sources(&json!(sources));
    asked.live.delta(&said.text);
    let passages = texts(&hits);
    let prompt_tokens = count_tokens(&asked.prompt) + passages.iter().map(|text| count_tokens(text)).sum::<usize>();
    let usage = usage_of(prompt_tokens as u64, count_tokens(&said.text) as u64);
    let finish_reason = if said.truncated { "length" } else { "stop" }.into();
    Ok(Written { response: said.text, sources, answered: true, finish_reason, usage, grounding: None, provenance, steps, passages, conversation: None })
}

fn failure(asked: &Asked, error: &ModelError) -> Failure {
    let code = match error {
        ModelError::Upstream(_) | ModelError::Config(_) => "upstream_error",
        ModelError::Timeout => "upstream_timeout",
    };
    Failure { code: code.into(), message: error.to_string(), latency_ms: asked.started.elapsed().as_millis() as u64 }
}

pub(crate) fn internal(asked: &Asked, error: &Fault) -> Failure {
    tracing::error!(%error, interaction = %asked.id, "an answer failed inside");
    error.failure(asked.started.elapsed().as_millis() as u64)
}
