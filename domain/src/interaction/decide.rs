//! What each interaction command causes. An interaction ends once; feedback is taken of a completed one and replaces the one before.

use super::{Interaction, InteractionCommand, InteractionError, InteractionEvent};
use crate::Decide;

impl Decide for Interaction {
    fn decide(&self, command: InteractionCommand) -> Result<Vec<InteractionEvent>, InteractionError> {
        match (self, command) {
            (Self::Absent, InteractionCommand::StartInteraction { organization, id, question }) => {
                Ok(vec![InteractionEvent::InteractionStarted { organization, id, question }])
            }
            (_, InteractionCommand::StartInteraction { .. }) => Err(InteractionError::AlreadyExists),
            (Self::Absent, _) => Err(InteractionError::NotFound),
            (Self::Started, InteractionCommand::CompleteInteraction { answer }) => Ok(vec![InteractionEvent::InteractionCompleted { answer }]),
            (Self::Started, InteractionCommand::FailInteraction { failure }) => Ok(vec![InteractionEvent::InteractionFailed { failure }]),
            (_, InteractionCommand::CompleteInteraction { .. } | InteractionCommand::FailInteraction { .. }) => Err(InteractionError::AlreadyEnded),
            (Self::Completed { feedback: previous }, InteractionCommand::SubmitFeedback { feedback }) => {
                Ok(vec![InteractionEvent::FeedbackSubmitted { feedback, previous: previous.clone() }])
            }
            (_, InteractionCommand::SubmitFeedback { .. }) => Err(InteractionError::NotCompleted),
        }
    }
}

impl Interaction {
    pub(super) fn evolve(&mut self, event: InteractionEvent) {
        *self = match event {
            InteractionEvent::InteractionStarted { .. } => Self::Started,
            InteractionEvent::InteractionCompleted { .. } => Self::Completed { feedback: None },
            InteractionEvent::InteractionFailed { .. } => Self::Failed,
            InteractionEvent::FeedbackSubmitted { feedback, .. } => Self::Completed { feedback: Some(feedback) },
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Sealed,
        agent::RagStrategy,
        id::{AgentId, InteractionId, OrgId},
        interaction::{Answer, Failure, Feedback, Origin, Provenance, Question, Rating, Usage},
    };
    use cqrs_es::test::{AggregateTestExecutor, TestFramework};
    use uuid::Uuid;

    fn given(events: Vec<InteractionEvent>) -> AggregateTestExecutor<Interaction> {
        TestFramework::<Interaction>::with(()).given(events)
    }

    fn sealed() -> Sealed {
        Sealed { subject: "s".into(), ciphertext: "c".into() }
    }

    fn question() -> Box<Question> {
        Box::new(Question {
            agent_id: AgentId::from(Uuid::nil()),
            agent_version: 1,
            session_id: "s".into(),
            prompt: sealed(),
            user_id: None,
            metadata: None,
            model: "extractive".into(),
            rag_strategy: RagStrategy::Redwood,
            origin: Origin::Api,
            asked_at: None,
            external_id: None,
        })
    }

    fn answer() -> Box<Answer> {
        Box::new(Answer {
            response: sealed(),
            sources: vec![],
            answered: false,
            finish_reason: "stop".into(),
            model: "extractive".into(),
            usage: Usage::default(),
            latency_ms: 1,
            grounding: None,
            provenance: Provenance::default(),
        })
    }

    fn start() -> InteractionCommand {
        InteractionCommand::StartInteraction { organization: OrgId::from(Uuid::nil()), id: InteractionId::from(Uuid::nil()), question: question() }
    }

    fn started() -> InteractionEvent {
        InteractionEvent::InteractionStarted { organization: OrgId::from(Uuid::nil()), id: InteractionId::from(Uuid::nil()), question: question() }
    }

    fn completed() -> InteractionEvent {
        InteractionEvent::InteractionCompleted { answer: answer() }
    }

    fn failure() -> Failure {
        Failure { code: "upstream_error".into(), message: "m".into(), latency_ms: 5 }
    }

    fn feedback(rating: Rating) -> Feedback {
        Feedback { rating, comment: None, review_status: None, corrected_response: None }
    }

    #[test]
    fn an_interaction_starts_once() {
        given(vec![]).when(start()).then_expect_events(vec![started()]);
        given(vec![started()]).when(start()).then_expect_error(InteractionError::AlreadyExists);
    }

    #[test]
    fn it_ends_once() {
        let (complete, fail) = (InteractionCommand::CompleteInteraction { answer: answer() }, InteractionCommand::FailInteraction { failure: failure() });
        let failed = InteractionEvent::InteractionFailed { failure: failure() };
        given(vec![started()]).when(complete.clone()).then_expect_events(vec![completed()]);
        given(vec![started()]).when(fail.clone()).then_expect_events(vec![failed.clone()]);
        for end in [completed(), failed] {
            given(vec![started(), end.clone()]).when(complete.clone()).then_expect_error(InteractionError::AlreadyEnded);
            given(vec![started(), end]).when(fail.clone()).then_expect_error(InteractionError::AlreadyEnded);
        }
        given(vec![]).when(complete).then_expect_error(InteractionError::NotFound);
        given(vec![]).when(fail).then_expect_error(InteractionError::NotFound);
    }

    #[test]
    fn feedback_replaces_and_remembers_the_one_before() {
        let submit = |rating| InteractionCommand::SubmitFeedback { feedback: feedback(rating) };
        let first = InteractionEvent::FeedbackSubmitted { feedback: feedback(Rating::Positive), previous: None };
        given(vec![started(), completed()]).when(submit(Rating::Positive)).then_expect_events(vec![first.clone()]);
        let second = InteractionEvent::FeedbackSubmitted { feedback: feedback(Rating::Negative), previous: Some(feedback(Rating::Positive)) };
        given(vec![started(), completed(), first]).when(submit(Rating::Negative)).then_expect_events(vec![second]);
    }

    #[test]
    fn only_a_completed_interaction_takes_feedback() {
        let submit = || InteractionCommand::SubmitFeedback { feedback: feedback(Rating::Positive) };
        given(vec![started()]).when(submit()).then_expect_error(InteractionError::NotCompleted);
        given(vec![started(), InteractionEvent::InteractionFailed { failure: failure() }]).when(submit()).then_expect_error(InteractionError::NotCompleted);
        given(vec![]).when(submit()).then_expect_error(InteractionError::NotFound);
    }
}
