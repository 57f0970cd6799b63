//! A question to an agent: recorded, retrieved, answered, recorded. The answer is given on a task of its own; a client that goes away does not stop it.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use serde_json::{Value, json};
use twig_commands::{
    bus::{CommandContext, CommandError},
    idempotency::IdempotencyKey,
    ids::new_id,
    vault::{Subject, SubjectKey, VaultError},
};
use twig_domain::{
    EventMeta, Timestamp,
    agent::{AgentSettings, AgentStatus, RagStrategy, ResponseStyle},
    id::{AgentId, DataSpecId, InteractionId, OrgId},
    interaction::{Answer, Failure, Interaction, InteractionCommand, InteractionError, Origin, Provenance, Question, SearchedIndex, Source, Usage},
};
use twig_generation::{
    ChatInput, MarkerFilter, Model, ModelError, SourceText, Turn, build_messages, canonical_sha256, grounding, parse_rewrite, rewrite_messages,
};
use twig_projections::ViewError;
use twig_retrieval::{Hit, Mode, Request, Retrieval, SpecIndex, Step, Strategy, Style, count_tokens, quote, retrieve, rewrite_by_rules};

use crate::{
    Knowledge,
    live::LiveAnswer,
    search::{Searched, source},
};

const MAX_TURNS: usize = 6;
const MAX_REWRITE_TOKENS: u32 = 120;
const MAX_COMPLETION_TRIES: u32 = 5;

pub struct Ask {
    pub organization: OrgId,
    pub meta: EventMeta,
    pub agent_id: AgentId,
    pub prompt: String,
    pub session_id: String,
    pub user_id: Option<String>,
    pub metadata: BTreeMap<String, String>,
    pub temperature: Option<f64>,
    pub max_tokens: Option<u32>,
    pub top_k: Option<u32>,
    pub origin: Origin,
    pub idempotency: Option<IdempotencyKey>,
    /// The conversation, where the client sends it along; else the session's turns.
    pub earlier_turns: Option<Vec<Turn>>,
    pub extra_system: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error("the agent does not exist")]
    AgentNotFound,
    #[error("the agent is {0}")]
    AgentNotActive(&'static str),
    #[error("the question could not be recorded")]
    Command(#[from] CommandError<InteractionError>),
    #[error("the views failed")]
    View(#[from] ViewError),
    #[error("the question could not be sealed")]
    Vault(#[from] VaultError),
}

/// All that an answer needs to know of its question.
struct Task {
    ask: Ask,
    id: InteractionId,
    agent: AgentSettings,
    agent_version: u64,
    key: SubjectKey,
    asked_at: Timestamp,
    started: Instant,
    live: Arc<LiveAnswer>,
}

/// What retrieval and generation come to.
struct Written {
    response: String,
    sources: Vec<Source>,
    answered: bool,
    finish_reason: String,
    usage: Usage,
    grounding: Option<f64>,
    provenance: Provenance,
    steps: Vec<Step>,
}

impl Knowledge {
    /// Records the question and begins the answer.
    pub async fn ask(&self, ask: Ask) -> Result<Arc<LiveAnswer>, AskError> {
        let started = Instant::now();
        let found = self.views.agent(ask.organization, ask.agent_id).await?.ok_or(AskError::AgentNotFound)?;
        let agent: AgentSettings = serde_json::from_value(found.body).map_err(|error| ViewError::Other(error.to_string()))?;
        match agent.status {
            AgentStatus::Active => {}
            AgentStatus::Inactive => return Err(AskError::AgentNotActive("inactive")),
            AgentStatus::Draft => return Err(AskError::AgentNotActive("a draft")),
        }
        let subject = ask.user_id.clone().map_or_else(|| Subject::Session(ask.session_id.clone()), Subject::User);
        let key = self.vault.subject(ask.organization, subject).await?;
        let asked_at = self.clock.now();
        let id: InteractionId = new_id(asked_at);
        let metadata = (!ask.metadata.is_empty()).then(|| key.seal(&json!(ask.metadata).to_string()));
        let question = Box::new(Question {
            agent_id: ask.agent_id,
            agent_version: found.version,
            session_id: ask.session_id.clone(),
            prompt: key.seal(&ask.prompt),
            user_id: ask.user_id.as_ref().map(|user| key.seal(user)),
            metadata,
            model: agent.model.clone(),
            rag_strategy: agent.rag_strategy,
            origin: ask.origin,
            asked_at: Some(asked_at),
            external_id: None,
        });
        let mut context = CommandContext::of(ask.meta.clone());
        context.subject_keys.push(key.clone());
        let live = Arc::new(LiveAnswer::begin(id, &ask.session_id));
        self.answers.insert(ask.organization, live.clone());
        let start = InteractionCommand::StartInteraction { organization: ask.organization, id, question };
        if let Err(error) = self.bus.execute::<Interaction>(id, vec![start], context).await {
            self.answers.forget(ask.organization, id);
            self.vault.forget(&key);
            return Err(error.into());
        }
        if let Some(shared) = &self.shared {
            self.runtime.spawn(shared.clone().publish(ask.organization, live.clone()));
        }
        let task = Task { agent_version: found.version, ask, id, agent, key, asked_at, started, live: live.clone() };
        let knowledge = self.clone();
        self.runtime.spawn(async move { knowledge.answer(task).await });
        Ok(live)
    }

    async fn answer(&self, task: Task) {
        let written = self.write(&task).await;
        match written {
            Ok(written) => self.complete(&task, written).await,
            Err(failure) => self.fail(&task, failure).await,
        }
        self.answers.forget_later(task.ask.organization, task.id);
    }

    async fn write(&self, task: &Task) -> Result<Written, Failure> {
        let model = Model::parse(&task.agent.model).map_err(|error| failure(task, &error))?;
        let turns = self.turns(task).await.map_err(|error| internal(task, &error))?;
        let mut steps = Vec::new();
        let query = self.query(task, &model, &turns, &mut steps).await;
        let (retrieval, searched) = self.find(task, &query).await.map_err(|error| internal(task, &error))?;
        steps.extend(retrieval.steps);
        let manifests = searched
            .iter()
            .map(|one| SearchedIndex { data_spec_id: one.data_spec, manifest: one.published.manifest.clone(), model: one.published.model.clone() })
            .collect();
        let provenance = Provenance { manifests, ..Provenance::default() };
        if !retrieval.answerable || retrieval.hits.is_empty() {
            return Ok(unanswered(task, provenance, steps));
        }
        let hits = retrieval.hits;
        let sources: Vec<Source> = hits.iter().enumerate().filter_map(|(place, hit)| source(place, hit)).collect();
        match model {
            Model::Extractive => Ok(quoted(task, &query, &hits, sources, provenance, steps)),
            model => self.generate(task, &model, turns, &hits, sources, provenance, steps).await,
        }
    }

    /// The conversation before this question.
    async fn turns(&self, task: &Task) -> Result<Vec<Turn>, ViewError> {
        if let Some(turns) = &task.ask.earlier_turns {
            return Ok(turns.clone());
        }
        let before = self.views.session(task.ask.organization, &task.ask.session_id).await?.unwrap_or_default();
        let id = task.id.to_string();
        let turn = |body: &Value| Some(Turn { prompt: body["prompt"].as_str()?.to_owned(), response: body["response"].as_str()?.to_owned() });
        let mut turns: Vec<Turn> = before.iter().filter(|body| body["id"] != id.as_str()).filter_map(turn).collect();
        turns.drain(..turns.len().saturating_sub(MAX_TURNS));
        Ok(turns)
    }

    /// The question as it is searched.
    async fn query(&self, task: &Task, model: &Model, turns: &[Turn], steps: &mut Vec<Step>) -> String {
        let prompt = &task.ask.prompt;
        if task.agent.rag_strategy == RagStrategy::Redwood || turns.is_empty() {
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

    async fn find(&self, task: &Task, query: &str) -> Result<(Retrieval, Vec<Searched>), String> {
        let links: Vec<_> = task.agent.data_specs.iter().filter(|link| link.enabled).collect();
        let ids: Vec<DataSpecId> = links.iter().map(|link| link.id).collect();
        let searched = self.searched(task.ask.organization, Some(ids), &[]).await.map_err(|error| error.to_string())?;
        let second = |one: &&Searched| links.iter().any(|link| link.id == one.data_spec && link.tier > 1);
        let first_tier: Vec<Arc<SpecIndex>> = searched.iter().filter(|one| !second(one)).map(|one| one.index.clone()).collect();
        let second_tier: Vec<Arc<SpecIndex>> = searched.iter().filter(second).map(|one| one.index.clone()).collect();
        let all: Vec<Arc<SpecIndex>> = searched.iter().map(|one| one.index.clone()).collect();
        let vectors = self.question_vectors(query, &all).await?;
        let strategy = match task.agent.rag_strategy {
            RagStrategy::Redwood => Strategy::Redwood,
            RagStrategy::Cedar => Strategy::Cedar,
            RagStrategy::Cypress => Strategy::Cypress,
        };
        let (query, limit, min_score) = (query.to_owned(), task.ask.top_k.unwrap_or(task.agent.top_k) as usize, task.agent.min_score.map(|score| score as f32));
        let retrieval = tokio::task::spawn_blocking(move || {
            let request = Request {
                strategy,
                query: &query,
                first_tier: &first_tier,
                second_tier: &second_tier,
                vectors: &vectors,
                mode: Mode::Hybrid,
                limit,
                min_score,
            };
            retrieve(&request)
        });
        Ok((retrieval.await.map_err(|error| error.to_string())?, searched))
    }

    #[expect(clippy::too_many_arguments, reason = "one answer's parts, each used once")]
    async fn generate(
        &self,
        task: &Task,
        model: &Model,
        turns: Vec<Turn>,
        hits: &[Hit],
        sources: Vec<Source>,
        mut provenance: Provenance,
        steps: Vec<Step>,
    ) -> Result<Written, Failure> {
        task.live.sources(&json!(sources));
        let text = |(place, hit): (usize, &Hit)| SourceText {
            index: place as u32 + 1,
            title: hit.passage.title.clone(),
            heading_path: hit.passage.heading_path.clone(),
            text: hit.passage.text.clone(),
        };
        let system = [task.agent.system_prompt.clone(), task.ask.extra_system.clone()].into_iter().flatten().collect::<Vec<_>>().join("\n\n");
        let input = ChatInput {
            system: (!system.is_empty()).then_some(system),
            turns,
            question: task.ask.prompt.clone(),
            sources: hits.iter().enumerate().map(text).collect(),
            response_style: task.agent.response_style.map(|style| json!(style).as_str().unwrap_or_default().to_owned()),
            tone: task.agent.tone.clone(),
            language: task.agent.language.clone(),
        };
        let messages = build_messages(&input);
        provenance.messages_sha256 = Some(canonical_sha256(&messages));
        let mut filter = MarkerFilter::new(sources.len() as u32);
        let live = task.live.clone();
        let mut on_text = |piece: &str| live.delta(&filter.push(piece));
        let (temperature, max_tokens) = (task.ask.temperature.unwrap_or(task.agent.temperature), task.ask.max_tokens.unwrap_or(task.agent.max_tokens));
        let finished = self.models.stream(model, &messages, temperature, max_tokens, &mut on_text).await.map_err(|error| failure(task, &error))?;
        task.live.delta(&filter.finish());
        let response = task.live.text();
        let usage = finished.usage.unwrap_or_else(|| twig_generation::Usage {
            prompt_tokens: messages.0.iter().map(|message| count_tokens(&message.content) as u64).sum(),
            completion_tokens: count_tokens(&response) as u64,
        });
        provenance.cost_usd = finished.cost_usd;
        let texts: Vec<String> = hits.iter().map(|hit| hit.passage.text.clone()).collect();
        Ok(Written {
            grounding: grounding(&response, &texts),
            response,
            sources,
            answered: true,
            finish_reason: finished.finish_reason,
            usage: usage_of(usage.prompt_tokens, usage.completion_tokens),
            provenance,
            steps,
        })
    }

    async fn complete(&self, task: &Task, mut written: Written) {
        written.provenance.steps = Some(task.key.seal(&json!(written.steps).to_string()));
        let latency_ms = task.started.elapsed().as_millis() as u64;
        let body = json!({
            "id": task.id, "sessionId": task.ask.session_id, "agentId": task.ask.agent_id, "agentVersion": task.agent_version, "response": written.response, "sources": written.sources,
            "answered": written.answered, "finishReason": written.finish_reason, "model": task.agent.model, "ragStrategy": task.agent.rag_strategy, "usage": written.usage,
            "latencyMs": latency_ms, "createdAt": task.asked_at, "grounding": written.grounding,
        });
        let answer = Box::new(Answer {
            response: task.key.seal(&written.response),
            sources: written.sources,
            answered: written.answered,
            finish_reason: written.finish_reason,
            model: task.agent.model.clone(),
            usage: written.usage,
            latency_ms,
            grounding: written.grounding,
            provenance: written.provenance,
        });
        match self.end(task, InteractionCommand::CompleteInteraction { answer }, task.ask.idempotency.clone()).await {
            Ok(position) => {
                metrics::counter!("twig_answers_total", "answered" => body["answered"].to_string()).increment(1);
                task.live.complete(body, position);
            }
            Err(error) => task.live.fail(internal(task, &error), 0, &task.ask.meta.correlation_id),
        }
    }

    async fn fail(&self, task: &Task, failure: Failure) {
        metrics::counter!("twig_answers_failed_total", "code" => failure.code.clone()).increment(1);
        let position = self.end(task, InteractionCommand::FailInteraction { failure: failure.clone() }, None).await.unwrap_or(0);
        task.live.fail(failure, position, &task.ask.meta.correlation_id);
    }

    /// Records the end; a log that is out of order for a moment is asked again.
    async fn end(&self, task: &Task, command: InteractionCommand, idempotency: Option<IdempotencyKey>) -> Result<u64, String> {
        let mut tries = 0;
        loop {
            tries += 1;
            // The subject's key was stored with the question; it is not given again, so that an answer under way cannot undo an erasure.
            let context = CommandContext { idempotency: idempotency.clone(), ..CommandContext::of(task.ask.meta.clone()) };
            match self.bus.execute::<Interaction>(task.id, vec![command.clone()], context).await {
                Ok(outcome) => return Ok(outcome.position.unwrap_or(0)),
                Err(CommandError::Unavailable(error)) if tries < MAX_COMPLETION_TRIES => {
                    tracing::warn!(%error, "an answer could not be recorded yet");
                    tokio::time::sleep(std::time::Duration::from_millis(200 << tries)).await;
                }
                Err(error) => return Err(error.to_string()),
            }
        }
    }
}

fn usage_of(prompt_tokens: u64, completion_tokens: u64) -> Usage {
    Usage { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens }
}

fn unanswered(task: &Task, provenance: Provenance, steps: Vec<Step>) -> Written {
    let response = task.agent.fallback_message.clone();
    task.live.sources(&json!([]));
    task.live.delta(&response);
    let usage = usage_of(count_tokens(&task.ask.prompt) as u64, count_tokens(&response) as u64);
    Written { response, sources: Vec::new(), answered: false, finish_reason: "stop".into(), usage, grounding: None, provenance, steps }
}

/// The built-in answer: quotations, with no model at all.
fn quoted(task: &Task, query: &str, hits: &[Hit], sources: Vec<Source>, provenance: Provenance, steps: Vec<Step>) -> Written {
    let style = match task.agent.response_style {
        Some(ResponseStyle::Concise) => Style::Concise,
        Some(ResponseStyle::Detailed | ResponseStyle::Technical) => Style::Detailed,
        None => Style::Balanced,
    };
    let max_tokens = task.ask.max_tokens.unwrap_or(task.agent.max_tokens) as usize;
    let pieces = quote(query, hits, max_tokens, style).pieces;
    if pieces.is_empty() {
        return unanswered(task, provenance, steps);
    }
    task.live.sources(&json!(sources));
    for (place, piece) in pieces.iter().enumerate() {
        let gap = if place == 0 {
            ""
        } else if piece.contains('\n') {
            "\n\n"
        } else {
            " "
        };
        task.live.delta(&format!("{gap}{piece}"));
    }
    let response = task.live.text();
    let prompt_tokens = count_tokens(&task.ask.prompt) + hits.iter().map(|hit| count_tokens(&hit.passage.text)).sum::<usize>();
    let usage = usage_of(prompt_tokens as u64, count_tokens(&response) as u64);
    Written { response, sources, answered: true, finish_reason: "stop".into(), usage, grounding: None, provenance, steps }
}

fn failure(task: &Task, error: &ModelError) -> Failure {
    let code = match error {
        ModelError::Upstream(_) | ModelError::Config(_) => "upstream_error",
        ModelError::Timeout => "upstream_timeout",
    };
    Failure { code: code.into(), message: error.to_string(), latency_ms: task.started.elapsed().as_millis() as u64 }
}

fn internal(task: &Task, error: &impl std::fmt::Display) -> Failure {
    tracing::error!(%error, interaction = %task.id, "an answer failed inside");
    Failure { code: "internal_error".into(), message: "Something went wrong on our side".into(), latency_ms: task.started.elapsed().as_millis() as u64 }
}
