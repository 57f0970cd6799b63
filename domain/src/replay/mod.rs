//! A counterfactual replay: a job that asks past questions again on other settings. What comes out stands here and is no interaction.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Decide, Sealed,
    aggregate::{aggregate, domain_event},
    id::{ChunkId, DataSpecId, DocumentId, InteractionId, JobId, OrgId},
    interaction::{Failure, Source, Usage},
};

/// What the questions are asked over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Corpus {
    /// The indexes as they are.
    #[default]
    Current,
    /// The indexes as they were when each question was asked.
    AsOf,
}

/// On which settings the questions are asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Variant {
    /// A version of each question's own agent.
    AgentVersion(u64),
    /// The agent's present settings with these members replaced.
    Patch(Value),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReplayPlan {
    /// The questions, chosen when the replay was asked for.
    pub interactions: Vec<InteractionId>,
    pub variant: Variant,
    pub corpus: Corpus,
}

/// A passage, as a report names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceName {
    pub chunk_id: ChunkId,
    pub document_id: DocumentId,
    pub document_title: String,
    pub document_url: Option<String>,
    pub data_spec_id: DataSpecId,
}

impl From<&Source> for SourceName {
    fn from(source: &Source) -> Self {
        Self {
            chunk_id: source.chunk_id,
            document_id: source.document_id,
            document_title: source.document_title.clone(),
            document_url: source.document_url.clone(),
            data_spec_id: source.data_spec_id,
        }
    }
}

/// The answer that was given this time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewAnswer {
    /// Sealed with the key of the question; `None` where that was erased meanwhile.
    pub response: Option<Sealed>,
    pub answered: bool,
    pub sources_gained: Vec<SourceName>,
    pub sources_lost: Vec<SourceName>,
    pub sources_kept: u32,
    pub latency_ms: u64,
    pub usage: Usage,
    pub grounding: Option<f64>,
    pub cost_usd: Option<f64>,
    pub agent_version: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReplayedQuestion {
    pub interaction_id: InteractionId,
    pub answer: Option<NewAnswer>,
    /// Why there is no answer.
    pub error: Option<Failure>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ReplayCommand {
    RequestReplay { organization: OrgId, id: JobId, plan: Box<ReplayPlan> },
    RecordQuestion { question: Box<ReplayedQuestion> },
    CompleteReplay,
    FailReplay { reason: String },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub enum ReplayEvent {
    ReplayRequested { organization: OrgId, id: JobId, plan: Box<ReplayPlan> },
    QuestionReplayed { question: Box<ReplayedQuestion> },
    ReplayCompleted {},
    ReplayFailed { reason: String },
}

domain_event!(ReplayEvent { ReplayRequested = 1, QuestionReplayed = 1, ReplayCompleted = 1, ReplayFailed = 1 });

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    #[error("the replay does not exist")]
    NotFound,
    #[error("the replay exists already")]
    AlreadyExists,
    #[error("the replay has ended already")]
    AlreadyEnded,
    #[error("the question is none of this replay")]
    OtherQuestion,
    #[error("questions of the replay are left")]
    QuestionsLeft,
}

/// The state that commands are decided on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Replay {
    #[default]
    Absent,
    Running {
        left: BTreeSet<InteractionId>,
    },
    Ended,
}

aggregate!(Replay, "Replay", ReplayCommand, ReplayEvent, ReplayError);

impl Decide for Replay {
    fn decide(&self, command: ReplayCommand) -> Result<Vec<ReplayEvent>, ReplayError> {
        match (self, command) {
            (Self::Absent, ReplayCommand::RequestReplay { organization, id, plan }) => Ok(vec![ReplayEvent::ReplayRequested { organization, id, plan }]),
            (_, ReplayCommand::RequestReplay { .. }) => Err(ReplayError::AlreadyExists),
            (Self::Absent, _) => Err(ReplayError::NotFound),
            (Self::Running { left }, ReplayCommand::RecordQuestion { question }) if left.contains(&question.interaction_id) => {
                Ok(vec![ReplayEvent::QuestionReplayed { question }])
            }
            (Self::Running { .. }, ReplayCommand::RecordQuestion { .. }) => Err(ReplayError::OtherQuestion),
            (Self::Running { left }, ReplayCommand::CompleteReplay) if left.is_empty() => Ok(vec![ReplayEvent::ReplayCompleted {}]),
            (Self::Running { .. }, ReplayCommand::CompleteReplay) => Err(ReplayError::QuestionsLeft),
            (Self::Running { .. }, ReplayCommand::FailReplay { reason }) => Ok(vec![ReplayEvent::ReplayFailed { reason }]),
            (Self::Ended, _) => Err(ReplayError::AlreadyEnded),
        }
    }
}

impl Replay {
    fn evolve(&mut self, event: ReplayEvent) {
        match (&mut *self, event) {
            (_, ReplayEvent::ReplayRequested { plan, .. }) => *self = Self::Running { left: plan.interactions.into_iter().collect() },
            (Self::Running { left }, ReplayEvent::QuestionReplayed { question }) => drop(left.remove(&question.interaction_id)),
            (_, ReplayEvent::QuestionReplayed { .. }) => {}
            (_, ReplayEvent::ReplayCompleted {} | ReplayEvent::ReplayFailed { .. }) => *self = Self::Ended,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cqrs_es::test::{AggregateTestExecutor, TestFramework};
    use uuid::Uuid;

    fn given(events: Vec<ReplayEvent>) -> AggregateTestExecutor<Replay> {
        TestFramework::<Replay>::with(()).given(events)
    }

    fn interaction(n: u128) -> InteractionId {
        InteractionId::from(Uuid::from_u128(n))
    }

    fn plan() -> Box<ReplayPlan> {
        Box::new(ReplayPlan { interactions: vec![interaction(1), interaction(2)], variant: Variant::AgentVersion(1), corpus: Corpus::Current })
    }

    fn requested() -> ReplayEvent {
        ReplayEvent::ReplayRequested { organization: OrgId::from(Uuid::nil()), id: JobId::from(Uuid::nil()), plan: plan() }
    }

    fn question(n: u128) -> Box<ReplayedQuestion> {
        Box::new(ReplayedQuestion { interaction_id: interaction(n), answer: None, error: None })
    }

    fn replayed(n: u128) -> ReplayEvent {
        ReplayEvent::QuestionReplayed { question: question(n) }
    }

    #[test]
    fn each_question_is_recorded_once_and_the_last_lets_it_end() {
        let record = |n| ReplayCommand::RecordQuestion { question: question(n) };
        let request = ReplayCommand::RequestReplay { organization: OrgId::from(Uuid::nil()), id: JobId::from(Uuid::nil()), plan: plan() };
        given(vec![]).when(request).then_expect_events(vec![requested()]);
        given(vec![requested()]).when(record(1)).then_expect_events(vec![replayed(1)]);
        given(vec![requested(), replayed(1)]).when(record(1)).then_expect_error(ReplayError::OtherQuestion);
        given(vec![requested(), replayed(1)]).when(ReplayCommand::CompleteReplay).then_expect_error(ReplayError::QuestionsLeft);
        given(vec![requested(), replayed(1), replayed(2)]).when(ReplayCommand::CompleteReplay).then_expect_events(vec![ReplayEvent::ReplayCompleted {}]);
        given(vec![requested(), replayed(1)])
            .when(ReplayCommand::FailReplay { reason: "r".into() })
            .then_expect_events(vec![ReplayEvent::ReplayFailed { reason: "r".into() }]);
        given(vec![requested(), ReplayEvent::ReplayFailed { reason: "r".into() }]).when(record(2)).then_expect_error(ReplayError::AlreadyEnded);
        given(vec![]).when(ReplayCommand::CompleteReplay).then_expect_error(ReplayError::NotFound);
    }
}
