//! What each organization command causes. A revoked key never comes back.

use std::collections::BTreeMap;

use serde_json::json;

use super::{Limits, Organization, OrganizationCommand, OrganizationError, OrganizationEvent, Plan};
use crate::{Decide, change::changes, id::KeyId};

impl Decide for Organization {
    fn decide(&self, command: OrganizationCommand) -> Result<Vec<OrganizationEvent>, OrganizationError> {
        match (self, command) {
            (Self::Absent, OrganizationCommand::RegisterOrganization { id, name, plan, limits }) => {
                Ok(vec![OrganizationEvent::OrganizationRegistered { id, name, plan, limits }])
            }
            (Self::Present { .. }, OrganizationCommand::RegisterOrganization { .. }) => Err(OrganizationError::AlreadyExists),
            (Self::Absent, _) => Err(OrganizationError::NotFound),
            (Self::Present { name: old, .. }, OrganizationCommand::RenameOrganization { name }) => Ok(renamed(old, name)),
            (Self::Present { plan: old_plan, limits: old_limits, .. }, OrganizationCommand::ChangePlan { plan, limits }) => {
                Ok(replanned(*old_plan, *old_limits, plan, limits))
            }
            (Self::Present { keys, .. }, command) => decide_key(keys, command),
        }
    }
}

fn renamed(old: &str, name: String) -> Vec<OrganizationEvent> {
    let changes = changes(&json!({"name": old}), &json!({"name": name}));
    if changes.is_empty() { Vec::new() } else { vec![OrganizationEvent::OrganizationRenamed { changes, name }] }
}

fn replanned(old_plan: Plan, old_limits: Limits, plan: Plan, limits: Limits) -> Vec<OrganizationEvent> {
    let changes = changes(&json!({"plan": old_plan, "limits": old_limits}), &json!({"plan": plan, "limits": limits}));
    if changes.is_empty() { Vec::new() } else { vec![OrganizationEvent::PlanChanged { changes, plan, limits }] }
}

fn decide_key(keys: &BTreeMap<KeyId, String>, command: OrganizationCommand) -> Result<Vec<OrganizationEvent>, OrganizationError> {
    let named = |key_id| keys.get(&key_id).cloned().ok_or(OrganizationError::KeyNotFound);
    Ok(match command {
        OrganizationCommand::IssueApiKey { key_id, .. } if keys.contains_key(&key_id) => return Err(OrganizationError::KeyAlreadyExists),
        OrganizationCommand::IssueApiKey { key_id, key } => vec![OrganizationEvent::ApiKeyIssued { key_id, key }],
        OrganizationCommand::RotateApiKey { key_id, sha256, last_four, old_valid_until } => {
            vec![OrganizationEvent::ApiKeyRotated { key_id, name: named(key_id)?, sha256, last_four, old_valid_until }]
        }
        OrganizationCommand::RevokeApiKey { key_id } => vec![OrganizationEvent::ApiKeyRevoked { key_id, name: named(key_id)? }],
        OrganizationCommand::RegisterOrganization { .. } | OrganizationCommand::RenameOrganization { .. } | OrganizationCommand::ChangePlan { .. } => {
            Vec::new()
        }
    })
}

impl Organization {
    pub(super) fn evolve(&mut self, event: OrganizationEvent) {
        match (&mut *self, event) {
            (_, OrganizationEvent::OrganizationRegistered { name, plan, limits, .. }) => *self = Self::Present { name, plan, limits, keys: BTreeMap::new() },
            (Self::Present { name, .. }, OrganizationEvent::OrganizationRenamed { name: new, .. }) => *name = new,
            (Self::Present { plan, limits, .. }, OrganizationEvent::PlanChanged { plan: new_plan, limits: new_limits, .. }) => {
                (*plan, *limits) = (new_plan, new_limits);
            }
            (Self::Present { keys, .. }, OrganizationEvent::ApiKeyIssued { key_id, key }) => {
                keys.insert(key_id, key.name);
            }
            (Self::Present { keys, .. }, OrganizationEvent::ApiKeyRevoked { key_id, .. }) => {
                keys.remove(&key_id);
            }
            (Self::Present { .. }, OrganizationEvent::ApiKeyRotated { .. }) | (Self::Absent, _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Timestamp,
        change::Change,
        id::OrgId,
        organization::{KeyRecord, Scope},
    };
    use cqrs_es::test::{AggregateTestExecutor, TestFramework};
    use uuid::Uuid;

    fn given(events: Vec<OrganizationEvent>) -> AggregateTestExecutor<Organization> {
        TestFramework::<Organization>::with(()).given(events)
    }

    fn registered() -> OrganizationEvent {
        OrganizationEvent::OrganizationRegistered { id: OrgId::from(Uuid::nil()), name: "Acme".into(), plan: Plan::Free, limits: Plan::Free.limits() }
    }

    fn register() -> OrganizationCommand {
        OrganizationCommand::RegisterOrganization { id: OrgId::from(Uuid::nil()), name: "Acme".into(), plan: Plan::Free, limits: Plan::Free.limits() }
    }

    fn key_id() -> KeyId {
        KeyId::from(Uuid::nil())
    }

    fn key() -> KeyRecord {
        KeyRecord { name: "ci".into(), scopes: vec![Scope::Chat], sha256: "aa".into(), last_four: "wxyz".into(), test: false, expires_at: None }
    }

    fn issued() -> OrganizationEvent {
        OrganizationEvent::ApiKeyIssued { key_id: key_id(), key: key() }
    }

    fn rotate() -> OrganizationCommand {
        OrganizationCommand::RotateApiKey { key_id: key_id(), sha256: "bb".into(), last_four: "abcd".into(), old_valid_until: Timestamp::from_millis(9) }
    }

    #[test]
    fn an_organization_is_registered_once() {
        given(vec![]).when(register()).then_expect_events(vec![registered()]);
        given(vec![registered()]).when(register()).then_expect_error(OrganizationError::AlreadyExists);
    }

    #[test]
    fn a_rename_says_from_and_to_and_the_same_name_nothing() {
        let rename = |name: &str| OrganizationCommand::RenameOrganization { name: name.into() };
        let changes = vec![Change { path: "/name".into(), from: "Acme".into(), to: "Ajax".into() }];
        given(vec![registered()]).when(rename("Ajax")).then_expect_events(vec![OrganizationEvent::OrganizationRenamed { changes, name: "Ajax".into() }]);
        given(vec![registered()]).when(rename("Acme")).then_expect_events(vec![]);
    }

    #[test]
    fn a_plan_changes_with_its_limits() {
        let change = |plan: Plan| OrganizationCommand::ChangePlan { plan, limits: plan.limits() };
        given(vec![registered()]).when(change(Plan::Free)).then_expect_events(vec![]);
        let changes = vec![
            Change { path: "/plan".into(), from: "free".into(), to: "pro".into() },
            Change { path: "/limits".into(), from: json!({"perMinute": 20, "perDay": 1000}), to: json!({"perMinute": 100, "perDay": 10000}) },
        ];
        let mut expected = changes;
        expected.sort_by(|a, b| a.path.cmp(&b.path));
        given(vec![registered()]).when(change(Plan::Pro)).then_expect_events(vec![OrganizationEvent::PlanChanged {
            changes: expected,
            plan: Plan::Pro,
            limits: Plan::Pro.limits(),
        }]);
    }

    #[test]
    fn a_key_is_issued_rotated_and_revoked() {
        given(vec![registered()]).when(OrganizationCommand::IssueApiKey { key_id: key_id(), key: key() }).then_expect_events(vec![issued()]);
        let rotated = OrganizationEvent::ApiKeyRotated {
            key_id: key_id(),
            name: "ci".into(),
            sha256: "bb".into(),
            last_four: "abcd".into(),
            old_valid_until: Timestamp::from_millis(9),
        };
        given(vec![registered(), issued()]).when(rotate()).then_expect_events(vec![rotated]);
        let revoked = OrganizationEvent::ApiKeyRevoked { key_id: key_id(), name: "ci".into() };
        given(vec![registered(), issued()]).when(OrganizationCommand::RevokeApiKey { key_id: key_id() }).then_expect_events(vec![revoked.clone()]);
        for command in [rotate(), OrganizationCommand::RevokeApiKey { key_id: key_id() }] {
            given(vec![registered(), issued(), revoked.clone()]).when(command.clone()).then_expect_error(OrganizationError::KeyNotFound);
            given(vec![registered()]).when(command.clone()).then_expect_error(OrganizationError::KeyNotFound);
            given(vec![]).when(command).then_expect_error(OrganizationError::NotFound);
        }
        given(vec![registered(), issued()])
            .when(OrganizationCommand::IssueApiKey { key_id: key_id(), key: key() })
            .then_expect_error(OrganizationError::KeyAlreadyExists);
    }

    #[test]
    fn scopes_are_found_by_their_names() {
        assert!(Scope::ALL.into_iter().all(|scope| Scope::named(scope.name()) == Some(scope)));
        assert_eq!(Scope::named("everything"), None);
    }
}
