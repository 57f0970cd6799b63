//! An erasure: a job that makes somebody's words unreadable everywhere. It names them by their keys' names, which tell nobody who that is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Decide, Timestamp,
    aggregate::{aggregate, domain_event},
    id::{InteractionId, JobId, OrgId, WebhookId},
};

/// Whose words are erased.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "of", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum ErasureScope {
    /// Everything that one user said or was told.
    User { subject: String },
    /// A session: all that was said in it, whoever spoke.
    Session { subject: String, session_id: String },
    /// One question with its answer and feedback.
    Interaction { interaction_id: InteractionId },
}

/// What one store held, and holds no longer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClearedStore {
    pub store: String,
    pub cleared: u64,
    /// What is said of it to whoever reads the receipt.
    pub note: String,
}

/// A receiver that was sent messages with the erased words while they could be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Receiver {
    pub webhook_id: WebhookId,
    pub deliveries: u64,
}

/// What an erasure came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    pub erased_at: Timestamp,
    /// Interactions whose words are gone.
    pub interactions: u64,
    /// Keys that were destroyed, whole or for single interactions.
    pub keys: u64,
    pub stores: Vec<ClearedStore>,
    /// What is out of reach: receivers have it, and must be asked to erase it themselves.
    pub receivers: Vec<Receiver>,
    /// What the message broker, backups and model providers may still hold, in sentences.
    pub beyond: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ErasureCommand {
    RequestErasure { organization: OrgId, id: JobId, scope: ErasureScope },
    CompleteErasure { receipt: Receipt },
    FailErasure { reason: String },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub enum ErasureEvent {
    ErasureRequested { organization: OrgId, id: JobId, scope: ErasureScope },
    ErasureCompleted { receipt: Receipt },
    ErasureFailed { reason: String },
}

domain_event!(ErasureEvent { ErasureRequested = 1, ErasureCompleted = 1, ErasureFailed = 1 });

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ErasureError {
    #[error("the erasure does not exist")]
    NotFound,
    #[error("the erasure exists already")]
    AlreadyExists,
    #[error("the erasure has ended already")]
    AlreadyEnded,
}

/// The state that commands are decided on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Erasure {
    #[default]
    Absent,
    Requested {
        scope: ErasureScope,
    },
    Completed {
        receipt: Box<Receipt>,
    },
    Failed {
        reason: String,
    },
}

aggregate!(Erasure, "Erasure", ErasureCommand, ErasureEvent, ErasureError);

impl Decide for Erasure {
    fn decide(&self, command: ErasureCommand) -> Result<Vec<ErasureEvent>, ErasureError> {
        match (self, command) {
            (Self::Absent, ErasureCommand::RequestErasure { organization, id, scope }) => Ok(vec![ErasureEvent::ErasureRequested { organization, id, scope }]),
            (_, ErasureCommand::RequestErasure { .. }) => Err(ErasureError::AlreadyExists),
            (Self::Absent, _) => Err(ErasureError::NotFound),
            (Self::Requested { .. }, ErasureCommand::CompleteErasure { receipt }) => Ok(vec![ErasureEvent::ErasureCompleted { receipt }]),
            (Self::Requested { .. }, ErasureCommand::FailErasure { reason }) => Ok(vec![ErasureEvent::ErasureFailed { reason }]),
            (Self::Completed { .. } | Self::Failed { .. }, _) => Err(ErasureError::AlreadyEnded),
        }
    }
}

impl Erasure {
    fn evolve(&mut self, event: ErasureEvent) {
        *self = match event {
            ErasureEvent::ErasureRequested { scope, .. } => Self::Requested { scope },
            ErasureEvent::ErasureCompleted { receipt } => Self::Completed { receipt: Box::new(receipt) },
            ErasureEvent::ErasureFailed { reason } => Self::Failed { reason },
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cqrs_es::test::{AggregateTestExecutor, TestFramework};
    use uuid::Uuid;

    fn given(events: Vec<ErasureEvent>) -> AggregateTestExecutor<Erasure> {
        TestFramework::<Erasure>::with(()).given(events)
    }

    fn scope() -> ErasureScope {
        ErasureScope::User { subject: "5ubject".into() }
    }

    fn requested() -> ErasureEvent {
        ErasureEvent::ErasureRequested { organization: OrgId::from(Uuid::nil()), id: JobId::from(Uuid::nil()), scope: scope() }
    }

    #[test]
    fn an_erasure_is_requested_once_and_ends_once() {
        let request = ErasureCommand::RequestErasure { organization: OrgId::from(Uuid::nil()), id: JobId::from(Uuid::nil()), scope: scope() };
        let complete = ErasureCommand::CompleteErasure { receipt: Receipt::default() };
        let completed = ErasureEvent::ErasureCompleted { receipt: Receipt::default() };
        let fail = ErasureCommand::FailErasure { reason: "full".into() };
        given(vec![]).when(request.clone()).then_expect_events(vec![requested()]);
        given(vec![requested()]).when(request).then_expect_error(ErasureError::AlreadyExists);
        given(vec![requested()]).when(complete.clone()).then_expect_events(vec![completed.clone()]);
        given(vec![requested()]).when(fail.clone()).then_expect_events(vec![ErasureEvent::ErasureFailed { reason: "full".into() }]);
        given(vec![requested(), completed]).when(fail).then_expect_error(ErasureError::AlreadyEnded);
        given(vec![]).when(complete).then_expect_error(ErasureError::NotFound);
    }
}
