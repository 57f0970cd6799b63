//! An agent: how questions are answered, over which data specs, by which model. Every change is a version.

mod decide;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    aggregate::{aggregate, domain_event},
    change::Change,
    id::{AgentId, DataSpecId, OrgId},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AgentStatus {
    Active,
    Inactive,
    Draft,
}

/// How a question becomes a query: as it is, rewritten by the last turns, or that with expansion and reranking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RagStrategy {
    Redwood,
    Cedar,
    Cypress,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResponseStyle {
    Concise,
    Detailed,
    Technical,
}

/// A data spec as an agent uses it. Tier 1 sources come before tier 2 ones where the strategy knows tiers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DataSpecLink {
    pub id: DataSpecId,
    #[serde(default = "enabled")]
    pub enabled: bool,
    #[serde(default = "first_tier")]
    pub tier: u8,
    #[serde(default)]
    pub tags: Vec<String>,
}

fn enabled() -> bool {
    true
}

fn first_tier() -> u8 {
    1
}

impl DataSpecLink {
    /// An enabled link of the first tier.
    #[must_use]
    pub fn to(id: DataSpecId) -> Self {
        Self { id, enabled: true, tier: 1, tags: Vec::new() }
    }
}

/// All that can be set of an agent. Member names are the API's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentSettings {
    pub name: String,
    pub description: Option<String>,
    pub status: AgentStatus,
    pub system_prompt: Option<String>,
    pub model: String,
    pub temperature: f64,
    pub max_tokens: u32,
    pub rag_strategy: RagStrategy,
    pub top_k: u32,
    pub min_score: Option<f64>,
    /// With a language model, an answer whose `grounding` is below this is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_grounding: Option<f64>,
    pub fallback_message: String,
    pub response_style: Option<ResponseStyle>,
    pub tone: Option<String>,
    pub language: Option<String>,
    pub data_specs: Vec<DataSpecLink>,
}

impl AgentSettings {
    /// The defaults of the contract under the given name.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            description: None,
            status: AgentStatus::Active,
            system_prompt: None,
            model: "extractive".to_owned(),
            temperature: 0.7,
            max_tokens: 500,
            rag_strategy: RagStrategy::Redwood,
            top_k: 8,
            min_score: None,
            min_grounding: None,
            fallback_message: "I could not find an answer to that in the available sources.".to_owned(),
            response_style: None,
            tone: None,
            language: None,
            data_specs: Vec::new(),
        }
    }
}

/// The fields a client gave. An outer `None` leaves a field as it is; an inner one clears it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AgentPatch {
    pub name: Option<String>,
    pub description: Option<Option<String>>,
    pub status: Option<AgentStatus>,
    pub system_prompt: Option<Option<String>>,
    pub model: Option<String>,
    pub temperature: Option<f64>,
    pub max_tokens: Option<u32>,
    pub rag_strategy: Option<RagStrategy>,
    pub top_k: Option<u32>,
    pub min_score: Option<Option<f64>>,
    pub min_grounding: Option<Option<f64>>,
    pub fallback_message: Option<String>,
    pub response_style: Option<Option<ResponseStyle>>,
    pub tone: Option<Option<String>>,
    pub language: Option<Option<String>>,
    pub data_specs: Option<Vec<DataSpecLink>>,
}

impl AgentPatch {
    /// `settings` with the given fields replaced.
    #[must_use]
    pub fn onto(self, settings: &AgentSettings) -> AgentSettings {
        let old = settings.clone();
        AgentSettings {
            name: self.name.unwrap_or(old.name),
            description: self.description.unwrap_or(old.description),
            status: self.status.unwrap_or(old.status),
            system_prompt: self.system_prompt.unwrap_or(old.system_prompt),
            model: self.model.unwrap_or(old.model),
            temperature: self.temperature.unwrap_or(old.temperature),
            max_tokens: self.max_tokens.unwrap_or(old.max_tokens),
            rag_strategy: self.rag_strategy.unwrap_or(old.rag_strategy),
            top_k: self.top_k.unwrap_or(old.top_k),
            min_score: self.min_score.unwrap_or(old.min_score),
            min_grounding: self.min_grounding.unwrap_or(old.min_grounding),
            fallback_message: self.fallback_message.unwrap_or(old.fallback_message),
            response_style: self.response_style.unwrap_or(old.response_style),
            tone: self.tone.unwrap_or(old.tone),
            language: self.language.unwrap_or(old.language),
            data_specs: self.data_specs.unwrap_or(old.data_specs),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum AgentCommand {
    CreateAgent {
        organization: OrgId,
        id: AgentId,
        settings: Box<AgentSettings>,
    },
    UpdateAgent {
        patch: Box<AgentPatch>,
    },
    /// Back to the settings of an earlier version, which the caller has read.
    RestoreAgent {
        version: u64,
        settings: Box<AgentSettings>,
    },
    DeleteAgent,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub enum AgentEvent {
    AgentCreated {
        organization: OrgId,
        id: AgentId,
        settings: Box<AgentSettings>,
    },
    AgentUpdated {
        changes: Vec<Change>,
        settings: Box<AgentSettings>,
        /// The version whose settings were restored, where this was a restore.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        restored_from: Option<u64>,
    },
    AgentDeleted {},
}

domain_event!(AgentEvent { AgentCreated = 1, AgentUpdated = 1, AgentDeleted = 1 });

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AgentError {
    #[error("the agent does not exist")]
    NotFound,
    #[error("the agent exists already")]
    AlreadyExists,
}

/// The state that commands are decided on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Agent {
    #[default]
    Absent,
    Present {
        settings: Box<AgentSettings>,
    },
    Deleted,
}

aggregate!(Agent, "Agent", AgentCommand, AgentEvent, AgentError);
