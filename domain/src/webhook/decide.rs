//! What each webhook command causes.

use super::{Webhook, WebhookCommand, WebhookError, WebhookEvent, WebhookPatch, WebhookSecret, WebhookSettings, WebhookStatus};
use crate::{Decide, Timestamp, change::changes};

impl Decide for Webhook {
    fn decide(&self, command: WebhookCommand) -> Result<Vec<WebhookEvent>, WebhookError> {
        let (settings, secrets) = match (self, command) {
            (Self::Absent, WebhookCommand::RegisterWebhook { organization, id, settings, secret }) => {
                return Ok(vec![WebhookEvent::WebhookRegistered { organization, id, settings, secret: WebhookSecret { sealed: secret, valid_until: None } }]);
            }
            (_, WebhookCommand::RegisterWebhook { .. }) => return Err(WebhookError::AlreadyExists),
            (Self::Absent | Self::Deleted, _) => return Err(WebhookError::NotFound),
            (Self::Present { settings, secrets }, command) => ((settings, command), secrets),
        };
        Ok(match settings {
            (settings, WebhookCommand::UpdateWebhook { patch }) => updated(settings, *patch),
            (_, WebhookCommand::RotateWebhookSecret { secret, now, old_valid_until }) => {
                vec![WebhookEvent::WebhookSecretRotated { secrets: rotated(secrets, secret, now, old_valid_until) }]
            }
            (settings, WebhookCommand::DisableWebhook { .. }) if settings.status == WebhookStatus::Disabled => Vec::new(),
            (_, WebhookCommand::DisableWebhook { reason }) => vec![WebhookEvent::WebhookDisabled { reason }],
            (_, WebhookCommand::ReplayWebhook { from, types }) => vec![WebhookEvent::WebhookReplayRequested { from, types }],
            (_, WebhookCommand::DeleteWebhook) => vec![WebhookEvent::WebhookDeleted {}],
            (_, WebhookCommand::RegisterWebhook { .. }) => return Err(WebhookError::AlreadyExists),
        })
    }
}

/// Setting a status clears the reason why it was disabled.
fn updated(old: &WebhookSettings, patch: WebhookPatch) -> Vec<WebhookEvent> {
    let status = patch.status.unwrap_or(old.status);
    let to = WebhookSettings {
        url: patch.url.unwrap_or_else(|| old.url.clone()),
        events: patch.events.unwrap_or_else(|| old.events.clone()),
        description: patch.description.unwrap_or_else(|| old.description.clone()),
        filter: patch.filter.unwrap_or_else(|| old.filter.clone()),
        headers: patch.headers.unwrap_or_else(|| old.headers.clone()),
        status,
        disabled_reason: if status == WebhookStatus::Disabled { old.disabled_reason.clone() } else { None },
    };
    let json = |settings: &WebhookSettings| serde_json::to_value(settings).unwrap_or_default();
    match changes(&json(old), &json(&to)) {
        none if none.is_empty() => Vec::new(),
        changes => vec![WebhookEvent::WebhookUpdated { changes, settings: Box::new(to) }],
    }
}

/// The new secret first; the others end at `old_valid_until` at the latest, and those that have ended are dropped.
fn rotated(secrets: &[WebhookSecret], new: String, now: Timestamp, old_valid_until: Timestamp) -> Vec<WebhookSecret> {
    let old = secrets.iter().map(|secret| WebhookSecret {
        sealed: secret.sealed.clone(),
        valid_until: Some(secret.valid_until.map_or(old_valid_until, |end| end.min(old_valid_until))),
    });
    let live = old.filter(|secret| secret.valid_until.is_some_and(|end| end > now));
    [WebhookSecret { sealed: new, valid_until: None }].into_iter().chain(live).collect()
}

impl Webhook {
    pub(super) fn evolve(&mut self, event: WebhookEvent) {
        match (&mut *self, event) {
            (_, WebhookEvent::WebhookRegistered { settings, secret, .. }) => *self = Self::Present { settings, secrets: vec![secret] },
            (_, WebhookEvent::WebhookDeleted {}) => *self = Self::Deleted,
            (Self::Present { settings, .. }, WebhookEvent::WebhookUpdated { settings: new, .. }) => *settings = new,
            (Self::Present { secrets, .. }, WebhookEvent::WebhookSecretRotated { secrets: new }) => *secrets = new,
            (Self::Present { settings, .. }, WebhookEvent::WebhookDisabled { reason }) => {
                (settings.status, settings.disabled_reason) = (WebhookStatus::Disabled, Some(reason));
            }
            (_, WebhookEvent::WebhookReplayRequested { .. }) | (Self::Absent | Self::Deleted, _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::{OrgId, WebhookId},
        webhook::{ReplayFrom, WebhookFilter},
    };
    use cqrs_es::test::{AggregateTestExecutor, TestFramework};
    use std::collections::BTreeMap;
    use uuid::Uuid;

    fn given(events: Vec<WebhookEvent>) -> AggregateTestExecutor<Webhook> {
        TestFramework::<Webhook>::with(()).given(events)
    }

    fn settings() -> Box<WebhookSettings> {
        Box::new(WebhookSettings {
            url: "https://example.com/hook".into(),
            events: vec!["*".into()],
            description: None,
            filter: WebhookFilter::default(),
            headers: BTreeMap::new(),
            status: WebhookStatus::Active,
            disabled_reason: None,
        })
    }

    fn secret(sealed: &str, valid_until: Option<i64>) -> WebhookSecret {
        WebhookSecret { sealed: sealed.into(), valid_until: valid_until.map(Timestamp::from_millis) }
    }

    fn registered() -> WebhookEvent {
        WebhookEvent::WebhookRegistered {
            organization: OrgId::from(Uuid::nil()),
            id: WebhookId::from(Uuid::nil()),
            settings: settings(),
            secret: secret("one", None),
        }
    }

    fn register() -> WebhookCommand {
        WebhookCommand::RegisterWebhook { organization: OrgId::from(Uuid::nil()), id: WebhookId::from(Uuid::nil()), settings: settings(), secret: "one".into() }
    }

    fn set_status(status: WebhookStatus) -> WebhookCommand {
        WebhookCommand::UpdateWebhook { patch: Box::new(WebhookPatch { status: Some(status), ..WebhookPatch::default() }) }
    }

    #[test]
    fn a_webhook_is_registered_once() {
        given(vec![]).when(register()).then_expect_events(vec![registered()]);
        given(vec![registered()]).when(register()).then_expect_error(WebhookError::AlreadyExists);
    }

    #[test]
    fn pausing_is_an_update_and_pausing_twice_is_nothing() {
        let mut paused = settings();
        paused.status = WebhookStatus::Paused;
        let changes = vec![crate::change::Change { path: "/status".into(), from: "active".into(), to: "paused".into() }];
        let event = WebhookEvent::WebhookUpdated { changes, settings: paused };
        given(vec![registered()]).when(set_status(WebhookStatus::Paused)).then_expect_events(vec![event.clone()]);
        given(vec![registered(), event]).when(set_status(WebhookStatus::Paused)).then_expect_events(vec![]);
    }

    #[test]
    fn activating_a_disabled_webhook_clears_the_reason() {
        let disabled = WebhookEvent::WebhookDisabled { reason: "410".into() };
        given(vec![registered()]).when(WebhookCommand::DisableWebhook { reason: "410".into() }).then_expect_events(vec![disabled.clone()]);
        given(vec![registered(), disabled.clone()]).when(WebhookCommand::DisableWebhook { reason: "again".into() }).then_expect_events(vec![]);
        let changes = vec![
            crate::change::Change { path: "/disabledReason".into(), from: "410".into(), to: serde_json::Value::Null },
            crate::change::Change { path: "/status".into(), from: "disabled".into(), to: "active".into() },
        ];
        given(vec![registered(), disabled])
            .when(set_status(WebhookStatus::Active))
            .then_expect_events(vec![WebhookEvent::WebhookUpdated { changes, settings: settings() }]);
    }

    #[test]
    fn a_rotated_secret_ends_and_an_ended_one_is_dropped() {
        let rotate = |name: &str, now: i64, end: i64| WebhookCommand::RotateWebhookSecret {
            secret: name.into(),
            now: Timestamp::from_millis(now),
            old_valid_until: Timestamp::from_millis(end),
        };
        let first = WebhookEvent::WebhookSecretRotated { secrets: vec![secret("two", None), secret("one", Some(100))] };
        given(vec![registered()]).when(rotate("two", 10, 100)).then_expect_events(vec![first.clone()]);
        let second = WebhookEvent::WebhookSecretRotated { secrets: vec![secret("three", None), secret("two", Some(300))] };
        given(vec![registered(), first]).when(rotate("three", 200, 300)).then_expect_events(vec![second]);
        given(vec![registered()])
            .when(rotate("two", 10, 10))
            .then_expect_events(vec![WebhookEvent::WebhookSecretRotated { secrets: vec![secret("two", None)] }]);
    }

    #[test]
    fn replay_and_delete_are_recorded_and_nothing_follows_a_deletion() {
        let replay = || WebhookCommand::ReplayWebhook { from: ReplayFrom::Position(3), types: vec![] };
        given(vec![registered()])
            .when(replay())
            .then_expect_events(vec![WebhookEvent::WebhookReplayRequested { from: ReplayFrom::Position(3), types: vec![] }]);
        given(vec![registered()]).when(WebhookCommand::DeleteWebhook).then_expect_events(vec![WebhookEvent::WebhookDeleted {}]);
        for events in [vec![], vec![registered(), WebhookEvent::WebhookDeleted {}]] {
            for command in
                [replay(), WebhookCommand::DeleteWebhook, set_status(WebhookStatus::Paused), WebhookCommand::DisableWebhook { reason: String::new() }]
            {
                given(events.clone()).when(command).then_expect_error(WebhookError::NotFound);
            }
        }
    }
}
