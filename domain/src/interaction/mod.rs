//! An interaction: one question, its answer, and what people said of it. Personal text is sealed before it comes here.

mod decide;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Sealed, Timestamp,
    agent::RagStrategy,
    aggregate::{aggregate, domain_event},
    id::{AgentId, ChunkId, DataSpecId, DocumentId, InteractionId, OrgId},
};

/// Where an interaction came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    Api,
    Openai,
    Mcp,
    Import,
}

/// Where in its document a source stands. Offsets count characters of the extracted text; pages count from 1.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Location {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<u32>,
    #[serde(default)]
    pub heading_path: Vec<String>,
    pub start: u64,
    pub end: u64,
}

/// A passage that was given to the model. Member names are the API's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    pub index: u32,
    pub chunk_id: ChunkId,
    pub document_id: DocumentId,
    pub document_title: String,
    pub document_url: Option<String>,
    pub data_spec_id: DataSpecId,
    pub snippet: String,
    pub score: f64,
    pub location: Location,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    pub prompt_tokens: u64,
    pub completion_tokens: u64,
    pub total_tokens: u64,
}

/// What is asked. The prompt, the user's id and the metadata are sealed with the subject's key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    pub agent_id: AgentId,
    pub agent_version: u64,
    pub session_id: String,
    pub prompt: Sealed,
    pub user_id: Option<Sealed>,
    /// A sealed JSON object of strings.
    pub metadata: Option<Sealed>,
    pub model: String,
    pub rag_strategy: RagStrategy,
    pub origin: Origin,
    /// When it was asked, where that is not the time of the event (imports).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
}

/// How an answer came to be, for those who ask years later.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Provenance {
    /// The strategy's steps, sealed: rewritten queries carry the question's words.
    pub steps: Option<Sealed>,
    /// What the model was sent beside the agent's settings, the sources and the question, sealed: earlier turns, and a client's own instructions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<Sealed>,
    /// SHA-256 of the messages sent to the model as canonical JSON (RFC 8785), in hexadecimal.
    pub messages_sha256: Option<String>,
    /// The manifests of the indexes that were searched, by data spec.
    pub manifests: Vec<SearchedIndex>,
    /// US dollars, by the price table; `None` where the model's price is unknown.
    pub cost_usd: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SearchedIndex {
    pub data_spec_id: DataSpecId,
    pub manifest: String,
    pub model: String,
}

/// The answer as it was given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    pub response: Sealed,
    pub sources: Vec<Source>,
    pub answered: bool,
    pub finish_reason: String,
    pub model: String,
    pub usage: Usage,
    pub latency_ms: u64,
    /// The share of the answer's sentences that its sources support, from 0 to 1; `None` without a language model.
    pub grounding: Option<f64>,
    pub provenance: Provenance,
}

/// Why no answer was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// The error's code in the API.
    pub code: String,
    pub message: String,
    #[serde(default, rename = "latencyMs")]
    pub latency_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rating {
    Positive,
    Negative,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReviewStatus {
    Accurate,
    Edited,
    Inaccurate,
    NoAnswer,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Feedback {
    pub rating: Rating,
    pub comment: Option<Sealed>,
    pub review_status: Option<ReviewStatus>,
    pub corrected_response: Option<Sealed>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum InteractionCommand {
    StartInteraction { organization: OrgId, id: InteractionId, question: Box<Question> },
    CompleteInteraction { answer: Box<Answer> },
    FailInteraction { failure: Failure },
    SubmitFeedback { feedback: Feedback },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub enum InteractionEvent {
    InteractionStarted {
        organization: OrgId,
        id: InteractionId,
        question: Box<Question>,
    },
    InteractionCompleted {
        answer: Box<Answer>,
    },
    InteractionFailed {
        failure: Failure,
    },
    FeedbackSubmitted {
        feedback: Feedback,
        /// The feedback this one replaces.
        previous: Option<Feedback>,
    },
}

domain_event!(InteractionEvent { InteractionStarted = 1, InteractionCompleted = 1, InteractionFailed = 1, FeedbackSubmitted = 1 });

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InteractionError {
    #[error("the interaction does not exist")]
    NotFound,
    #[error("the interaction exists already")]
    AlreadyExists,
    #[error("the interaction has ended already")]
    AlreadyEnded,
    #[error("only a completed interaction takes feedback")]
    NotCompleted,
}

/// The state that commands are decided on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Interaction {
    #[default]
    Absent,
    Started,
    Completed {
        feedback: Option<Feedback>,
    },
    Failed,
}

aggregate!(Interaction, "Interaction", InteractionCommand, InteractionEvent, InteractionError);
