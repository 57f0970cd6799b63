//! A past question asked again on other settings: searched, answered, and recorded nowhere but in the replay's own stream.

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use serde_json::{Value, json};
use twig_commands::ids::new_id;
use twig_domain::{
    agent::AgentSettings,
    id::{AgentId, ChunkId, DataSpecId, InteractionId, OrgId},
    interaction::{Failure, Source},
    replay::{Corpus, NewAnswer, ReplayPlan, ReplayedQuestion, SourceName, Variant},
};
use twig_generation::Turn;
use twig_projections::{AsOf, ViewError};

use crate::{
    Knowledge,
    answer::{Asked, MAX_TURNS},
    fault::Fault,
    live::LiveAnswer,
};

impl Knowledge {
    pub async fn replay(&self, organization: OrgId, interaction: InteractionId, plan: &ReplayPlan) -> ReplayedQuestion {
        match self.replayed(organization, interaction, plan).await {
            Ok(answer) => ReplayedQuestion { interaction_id: interaction, answer: Some(answer), error: None },
            Err(error) => ReplayedQuestion { interaction_id: interaction, answer: None, error: Some(error) },
        }
    }

    async fn replayed(&self, organization: OrgId, interaction: InteractionId, plan: &ReplayPlan) -> Result<NewAnswer, Failure> {
        let started = Instant::now();
        let before = self.views.interaction(organization, interaction).await.map_err(failed)?.ok_or_else(|| missing("The interaction"))?.body;
        let prompt = before["prompt"].as_str().ok_or_else(|| missing("The question's text"))?.to_owned();
        let (agent, agent_version) = self.variant(organization, &before, &plan.variant).await?;
        let corpus = match plan.corpus {
            Corpus::Current => None,
            Corpus::AsOf => Some(self.corpus_of(organization, interaction, &agent).await?),
        };
        let id = new_id::<InteractionId>(self.clock.now());
        let session_id = before["sessionId"].as_str().unwrap_or_default().to_owned();
        let asked = Asked {
            organization,
            id,
            agent,
            prompt,
            live: Arc::new(LiveAnswer::begin(id, &session_id)),
            earlier_turns: Some(self.turns_before(organization, &session_id, interaction).await.map_err(failed)?),
            session_id,
            temperature: None,
            max_tokens: None,
            top_k: None,
            extra_system: None,
            corpus,
            started,
        };
        let written = self.write(&asked).await?;
        let old: Vec<Source> = serde_json::from_value(before["sources"].clone()).unwrap_or_default();
        let (gained, lost, kept) = compared(&old, &written.sources);
        let response = self.seal_like(organization, interaction, &written.response).await?;
        Ok(NewAnswer {
            response,
            answered: written.answered,
            sources_gained: gained,
            sources_lost: lost,
            sources_kept: kept,
            latency_ms: started.elapsed().as_millis() as u64,
            usage: written.usage,
            grounding: written.grounding,
            cost_usd: written.provenance.cost_usd,
            agent_version,
        })
    }

    /// The settings that the question is asked on, and their version where they are one.
    async fn variant(&self, organization: OrgId, before: &Value, variant: &Variant) -> Result<(AgentSettings, Option<u64>), Failure> {
        let agent: AgentId = before["agentId"].as_str().and_then(|id| id.parse().ok()).ok_or_else(|| missing("The agent"))?;
        match variant {
            Variant::AgentVersion(version) => {
                let settings = self.views.agent_settings_at(organization, agent, *version).await.map_err(failed)?;
                Ok((settings.ok_or_else(|| missing("This version of the agent"))?, Some(*version)))
            }
            Variant::Patch(patch) => {
                let mut settings = match self.views.agent(organization, agent).await.map_err(failed)? {
                    Some(agent) => agent.body,
                    // A deleted agent has its last settings still.
                    None => json!(self.views.last_agent_settings(organization, agent).await.map_err(failed)?.ok_or_else(|| missing("The agent"))?),
                };
                for (name, value) in patch.as_object().into_iter().flatten() {
                    settings[name] = value.clone();
                }
                Ok((serde_json::from_value(settings).map_err(failed)?, None))
            }
        }
    }

    /// The indexes of the settings' data specs as they were when the question was asked.
    async fn corpus_of(
        &self,
        organization: OrgId,
        interaction: InteractionId,
        agent: &AgentSettings,
    ) -> Result<Vec<(DataSpecId, twig_domain::data_spec::PublishedIndex)>, Failure> {
        let (_, positions, _) =
            self.views.interaction_provenance(organization, interaction).await.map_err(failed)?.ok_or_else(|| missing("The interaction"))?;
        let asked_at = positions[0].as_u64().unwrap_or_default();
        let mut corpus = Vec::new();
        for link in agent.data_specs.iter().filter(|link| link.enabled) {
            if let Some(index) = self.views.published_index_as_of(organization, link.id, AsOf::Position(asked_at)).await.map_err(failed)? {
                corpus.push((link.id, index));
            }
        }
        Ok(corpus)
    }

    /// The conversation as it was before the question.
    async fn turns_before(&self, organization: OrgId, session: &str, interaction: InteractionId) -> Result<Vec<Turn>, ViewError> {
        let id = interaction.to_string();
        let turns = self.views.session(organization, session).await?.unwrap_or_default();
        let earlier = turns.iter().take_while(|body| body["id"] != id.as_str());
        let mut turns: Vec<Turn> =
            earlier.filter_map(|body| Some(Turn { prompt: body["prompt"].as_str()?.to_owned(), response: body["response"].as_str()?.to_owned() })).collect();
        turns.drain(..turns.len().saturating_sub(MAX_TURNS));
        Ok(turns)
    }

    /// Seals with the key of the question, so that an erasure of the one erases the other; `None` where it has been erased meanwhile.
    async fn seal_like(&self, organization: OrgId, interaction: InteractionId, text: &str) -> Result<Option<twig_domain::Sealed>, Failure> {
        let prompt = self.views.sealed_prompt(organization, interaction).await.map_err(failed)?.ok_or_else(|| missing("The interaction"))?;
        let vault = self.vault.clone();
        let key = tokio::task::spawn_blocking(move || vault.key_of(&prompt)).await.map_err(failed)?.map_err(failed)?;
        Ok(key.map(|key| key.seal(text)))
    }
}

/// Which passages are new, which are gone, and how many are in both.
fn compared(before: &[Source], after: &[Source]) -> (Vec<SourceName>, Vec<SourceName>, u32) {
    let chunks = |sources: &[Source]| sources.iter().map(|source| source.chunk_id).collect::<BTreeSet<ChunkId>>();
    let (old, new) = (chunks(before), chunks(after));
    let gained = after.iter().filter(|source| !old.contains(&source.chunk_id)).map(SourceName::from).collect();
    let lost = before.iter().filter(|source| !new.contains(&source.chunk_id)).map(SourceName::from).collect();
    (gained, lost, old.intersection(&new).count() as u32)
}

fn missing(what: &str) -> Failure {
    Failure { code: "not_found".into(), message: format!("{what} was not found"), latency_ms: 0 }
}

fn failed(error: impl Into<Fault>) -> Failure {
    let error = error.into();
    tracing::error!(%error, "a question could not be asked again");
    error.failure(0)
}
