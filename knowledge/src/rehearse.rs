//! An answer that leaves no trace, for measuring: nothing is recorded, and an agent that is not active answers too.

use std::{sync::Arc, time::Instant};

use serde_json::json;
use twig_commands::ids::new_id;
use twig_domain::{
    agent::AgentSettings,
    id::{AgentId, InteractionId, OrgId},
    interaction::{Failure, Source},
};
use twig_projections::ViewError;

use crate::{Knowledge, answer::Asked, live::LiveAnswer};

pub struct Rehearsal {
    pub response: String,
    pub answered: bool,
    pub sources: Vec<Source>,
    /// The whole text of each source.
    pub passages: Vec<String>,
    pub grounding: Option<f64>,
    /// The strategy's steps.
    pub steps: serde_json::Value,
    pub latency_ms: f64,
}

#[derive(Debug, thiserror::Error)]
pub enum RehearsalError {
    #[error("the agent does not exist")]
    AgentNotFound,
    #[error("the views failed: {0}")]
    View(#[from] ViewError),
    #[error("{}", .0.message)]
    Answer(Failure),
}

impl Knowledge {
    pub async fn rehearse(&self, organization: OrgId, agent: AgentId, prompt: &str) -> Result<Rehearsal, RehearsalError> {
        let started = Instant::now();
        let agent = self.views.agent(organization, agent).await?.ok_or(RehearsalError::AgentNotFound)?;
        let agent: AgentSettings = serde_json::from_value(agent.body).map_err(|error| ViewError::Other(error.to_string()))?;
        let (id, session_id) = (new_id::<InteractionId>(self.clock.now()), "rehearsal".to_owned());
        let asked = Asked {
            organization,
            id,
            agent,
            prompt: prompt.to_owned(),
            live: Arc::new(LiveAnswer::begin(id, &session_id)),
            session_id,
            temperature: None,
            max_tokens: None,
            top_k: None,
            earlier_turns: Some(Vec::new()),
            extra_system: None,
            corpus: None,
            started,
        };
        let written = self.write(&asked).await.map_err(RehearsalError::Answer)?;
        Ok(Rehearsal {
            response: written.response,
            answered: written.answered,
            sources: written.sources,
            passages: written.passages,
            grounding: written.grounding,
            steps: json!(written.steps),
            latency_ms: started.elapsed().as_secs_f64() * 1e3,
        })
    }
}
