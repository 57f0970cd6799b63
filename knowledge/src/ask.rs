//! A question to an agent: recorded, retrieved, answered, recorded. The answer is given on a task of its own; a client that goes away does not stop it.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use serde_json::json;
use twig_commands::{
    bus::{CommandContext, CommandError},
    idempotency::IdempotencyKey,
    ids::new_id,
    vault::{Subject, SubjectKey, VaultError},
};
use twig_domain::{
    EventMeta, Timestamp,
    agent::{AgentSettings, AgentStatus},
    id::{AgentId, InteractionId, OrgId},
    interaction::{Answer, Failure, Interaction, InteractionCommand, InteractionError, Origin, Question},
};
use twig_generation::Turn;
use twig_projections::ViewError;

use crate::{
    Knowledge,
    answer::{Asked, Written, internal},
    fault::Fault,
    live::LiveAnswer,
};

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

/// An answer and what it is recorded with.
struct Task {
    asked: Asked,
    meta: EventMeta,
    agent_id: AgentId,
    agent_version: u64,
    key: SubjectKey,
    asked_at: Timestamp,
    idempotency: Option<IdempotencyKey>,
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
        let asked_at = self.clock.now();
        let id: InteractionId = new_id(asked_at);
        let key = self.vault.subject(ask.organization, subject, id).await?;
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
        let asked = Asked {
            organization: ask.organization,
            id,
            agent,
            prompt: ask.prompt,
            session_id: ask.session_id,
            temperature: ask.temperature,
            max_tokens: ask.max_tokens,
            top_k: ask.top_k,
            earlier_turns: ask.earlier_turns,
            extra_system: ask.extra_system,
            corpus: None,
            started,
            live: live.clone(),
        };
        let task = Task { asked, meta: ask.meta, agent_id: ask.agent_id, agent_version: found.version, key, asked_at, idempotency: ask.idempotency };
        let knowledge = self.clone();
        self.runtime.spawn(async move { knowledge.answer(task).await });
        Ok(live)
    }

    async fn answer(&self, task: Task) {
        let written = self.write(&task.asked).await;
        match written {
            Ok(written) => self.complete(&task, written).await,
            Err(failure) => self.fail(&task, failure).await,
        }
        self.answers.forget_later(task.asked.organization, task.asked.id);
    }

    async fn complete(&self, task: &Task, mut written: Written) {
        written.provenance.conversation = written.conversation.take().map(|conversation| task.key.seal(&json!(conversation).to_string()));
        written.provenance.steps = Some(task.key.seal(&json!(written.steps).to_string()));
        let latency_ms = task.asked.started.elapsed().as_millis() as u64;
        let body = json!({
            "id": task.asked.id, "sessionId": task.asked.session_id, "agentId": task.agent_id, "agentVersion": task.agent_version, "response": written.response, "sources": written.sources,
            "answered": written.answered, "finishReason": written.finish_reason, "model": task.asked.agent.model, "ragStrategy": task.asked.agent.rag_strategy, "usage": written.usage,
            "latencyMs": latency_ms, "createdAt": task.asked_at, "grounding": written.grounding,
        });
        let answer = Box::new(Answer {
            response: task.key.seal(&written.response),
            sources: written.sources,
            answered: written.answered,
            finish_reason: written.finish_reason,
            model: task.asked.agent.model.clone(),
            usage: written.usage,
            latency_ms,
            grounding: written.grounding,
            provenance: written.provenance,
        });
        match self.end(task, InteractionCommand::CompleteInteraction { answer }, task.idempotency.clone()).await {
            Ok(position) => {
                metrics::counter!("twig_answers_total", "answered" => body["answered"].to_string()).increment(1);
                task.asked.live.complete(body, position);
            }
            Err(error) => task.asked.live.fail(internal(&task.asked, &error), 0, &task.meta.correlation_id),
        }
    }

    async fn fail(&self, task: &Task, failure: Failure) {
        metrics::counter!("twig_answers_failed_total", "code" => failure.code.clone()).increment(1);
        let position = self.end(task, InteractionCommand::FailInteraction { failure: failure.clone() }, None).await.unwrap_or(0);
        task.asked.live.fail(failure, position, &task.meta.correlation_id);
    }

    /// Records the end; a log that is out of order for a moment is asked again.
    async fn end(&self, task: &Task, command: InteractionCommand, idempotency: Option<IdempotencyKey>) -> Result<u64, Fault> {
        let mut tries = 0;
        loop {
            tries += 1;
            // The subject's key was stored with the question; it is not given again, so that an answer under way cannot undo an erasure.
            let context = CommandContext { idempotency: idempotency.clone(), ..CommandContext::of(task.meta.clone()) };
            match self.bus.execute::<Interaction>(task.asked.id, vec![command.clone()], context).await {
                Ok(outcome) => return Ok(outcome.position.unwrap_or(0)),
                Err(CommandError::Unavailable(error)) if tries < MAX_COMPLETION_TRIES => {
                    tracing::warn!(%error, "an answer could not be recorded yet");
                    tokio::time::sleep(std::time::Duration::from_millis(200 << tries)).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}
