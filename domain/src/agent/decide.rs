//! What each agent command causes.

use super::{Agent, AgentCommand, AgentError, AgentEvent, AgentSettings};
use crate::{Decide, change::changes};

impl Decide for Agent {
    fn decide(&self, command: AgentCommand) -> Result<Vec<AgentEvent>, AgentError> {
        match (self, command) {
            (Self::Absent, AgentCommand::CreateAgent { organization, id, settings }) => Ok(vec![AgentEvent::AgentCreated { organization, id, settings }]),
            (_, AgentCommand::CreateAgent { .. }) => Err(AgentError::AlreadyExists),
            (Self::Present { settings }, AgentCommand::UpdateAgent { patch }) => Ok(updated(settings, patch.onto(settings), None)),
            (Self::Present { settings }, AgentCommand::RestoreAgent { version, settings: restored }) => Ok(updated(settings, *restored, Some(version))),
            (Self::Present { .. }, AgentCommand::DeleteAgent) => Ok(vec![AgentEvent::AgentDeleted {}]),
            (Self::Absent | Self::Deleted, _) => Err(AgentError::NotFound),
        }
    }
}

/// One event with what differs, none when nothing does.
fn updated(from: &AgentSettings, to: AgentSettings, restored_from: Option<u64>) -> Vec<AgentEvent> {
    let json = |settings: &AgentSettings| serde_json::to_value(settings).unwrap_or_default();
    match changes(&json(from), &json(&to)) {
        none if none.is_empty() => Vec::new(),
        changes => vec![AgentEvent::AgentUpdated { changes, settings: Box::new(to), restored_from }],
    }
}

impl Agent {
    pub(super) fn evolve(&mut self, event: AgentEvent) {
        *self = match event {
            AgentEvent::AgentCreated { settings, .. } | AgentEvent::AgentUpdated { settings, .. } => Self::Present { settings },
            AgentEvent::AgentDeleted {} => Self::Deleted,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        agent::{AgentPatch, AgentStatus},
        id::{AgentId, OrgId},
    };
    use cqrs_es::test::TestFramework;
    use uuid::Uuid;

    fn given(events: Vec<AgentEvent>) -> cqrs_es::test::AggregateTestExecutor<Agent> {
        TestFramework::<Agent>::with(()).given(events)
    }

    fn created() -> AgentEvent {
        AgentEvent::AgentCreated { organization: OrgId::from(Uuid::nil()), id: AgentId::from(Uuid::nil()), settings: Box::new(AgentSettings::named("Ada")) }
    }

    fn create() -> AgentCommand {
        AgentCommand::CreateAgent { organization: OrgId::from(Uuid::nil()), id: AgentId::from(Uuid::nil()), settings: Box::new(AgentSettings::named("Ada")) }
    }

    fn rename(name: &str) -> AgentCommand {
        AgentCommand::UpdateAgent { patch: Box::new(AgentPatch { name: Some(name.into()), ..AgentPatch::default() }) }
    }

    fn renamed(from: &str, to: &str, restored_from: Option<u64>) -> AgentEvent {
        let changes = vec![crate::change::Change { path: "/name".into(), from: from.into(), to: to.into() }];
        AgentEvent::AgentUpdated { changes, settings: Box::new(AgentSettings::named(to)), restored_from }
    }

    #[test]
    fn an_agent_is_created_once() {
        given(vec![]).when(create()).then_expect_events(vec![created()]);
        given(vec![created()]).when(create()).then_expect_error(AgentError::AlreadyExists);
        given(vec![created(), AgentEvent::AgentDeleted {}]).when(create()).then_expect_error(AgentError::AlreadyExists);
    }

    #[test]
    fn an_update_says_what_changed() {
        given(vec![created()]).when(rename("Bob")).then_expect_events(vec![renamed("Ada", "Bob", None)]);
    }

    #[test]
    fn an_update_that_changes_nothing_makes_no_event() {
        given(vec![created()]).when(rename("Ada")).then_expect_events(vec![]);
    }

    #[test]
    fn a_restore_is_an_update_that_names_its_version() {
        let restore = AgentCommand::RestoreAgent { version: 1, settings: Box::new(AgentSettings::named("Ada")) };
        given(vec![created(), renamed("Ada", "Bob", None)]).when(restore.clone()).then_expect_events(vec![renamed("Bob", "Ada", Some(1))]);
        given(vec![created()]).when(restore).then_expect_events(vec![]);
    }

    #[test]
    fn a_deleted_agent_is_gone() {
        given(vec![created()]).when(AgentCommand::DeleteAgent).then_expect_events(vec![AgentEvent::AgentDeleted {}]);
        for command in [rename("x"), AgentCommand::DeleteAgent, AgentCommand::RestoreAgent { version: 1, settings: Box::new(AgentSettings::named("x")) }] {
            given(vec![created(), AgentEvent::AgentDeleted {}]).when(command.clone()).then_expect_error(AgentError::NotFound);
            given(vec![]).when(command).then_expect_error(AgentError::NotFound);
        }
    }

    #[test]
    fn a_patch_replaces_the_given_fields_only() {
        let patch = AgentPatch { status: Some(AgentStatus::Draft), tone: Some(Some("dry".into())), ..AgentPatch::default() };
        let expected = AgentSettings { status: AgentStatus::Draft, tone: Some("dry".into()), ..AgentSettings::named("Ada") };
        assert_eq!(patch.onto(&AgentSettings::named("Ada")), expected);
    }
}
