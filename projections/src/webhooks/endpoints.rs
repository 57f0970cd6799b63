//! Endpoints as they stand at a position of the log, folded from the events of their webhooks.

use std::collections::HashMap;

use twig_commands::{database::Session, log::RecordedEvent};
use twig_domain::webhook::{ReplayFrom, WebhookEvent, WebhookSecret, WebhookSettings, WebhookStatus};

use super::rows;
use crate::ViewError;

pub(super) struct Endpoint {
    pub id: String,
    pub settings: WebhookSettings,
}

/// By organization.
pub(super) fn all(session: &mut Session) -> Result<HashMap<String, Vec<Endpoint>>, ViewError> {
    let mut by_organization: HashMap<String, Vec<Endpoint>> = HashMap::new();
    for row in session.query("SELECT id, organization, settings FROM webhook_endpoints", &[])? {
        by_organization.entry(row.get(1)?).or_default().push(Endpoint { id: row.get(0)?, settings: row.json(2)? });
    }
    Ok(by_organization)
}

/// One, with its organization.
pub(super) fn one(session: &mut Session, id: &str) -> Result<Option<(String, WebhookSettings)>, ViewError> {
    let found = session.query_first("SELECT organization, settings FROM webhook_endpoints WHERE id = ?1", &[id.into()])?;
    found.map(|row| Ok((row.get(0)?, row.json(1)?))).transpose()
}

fn json<T: serde::Serialize + ?Sized>(value: &T) -> Result<String, ViewError> {
    serde_json::to_string(value).map_err(|error| ViewError::Other(error.to_string()))
}

pub(super) fn fold(session: &mut Session, recorded: &RecordedEvent, event: &WebhookEvent) -> Result<(), ViewError> {
    let id = recorded.aggregate_id.as_str();
    match event {
        WebhookEvent::WebhookRegistered { organization, settings, secret, .. } => {
            let secrets = json(std::slice::from_ref::<WebhookSecret>(secret))?;
            let row = [id.into(), organization.to_string().into(), json(settings)?.into(), secrets.into(), name(settings.status).into()];
            let sql = "INSERT INTO webhook_endpoints (id, organization, settings, secrets, status) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (id) DO NOTHING";
            session.execute(sql, &row)?;
        }
        WebhookEvent::WebhookUpdated { settings, .. } => {
            let sql = "UPDATE webhook_endpoints SET settings = ?2, status = ?3, failing_since = NULL WHERE id = ?1";
            session.execute(sql, &[id.into(), json(settings)?.into(), name(settings.status).into()])?;
        }
        WebhookEvent::WebhookSecretRotated { secrets } => {
            session.execute("UPDATE webhook_endpoints SET secrets = ?2 WHERE id = ?1", &[id.into(), json(secrets)?.into()])?;
        }
        WebhookEvent::WebhookDisabled { reason } => disable(session, id, reason)?,
        WebhookEvent::WebhookReplayRequested { from, types } => {
            let (next, since) = match from {
                ReplayFrom::Position(position) => (position.saturating_sub(1), 0),
                ReplayFrom::Since(time) => (0, time.millis()),
            };
            let row = [id.into(), recorded.position.into(), recorded.recorded_at.millis().into(), next.into(), json(types)?.into(), since.into()];
            let sql = "INSERT INTO webhook_replays (webhook, requested, requested_at, next, until, types, since) VALUES (?1, ?2, ?3, ?4, ?2, ?5, ?6) \
                       ON CONFLICT (webhook, requested) DO NOTHING";
            session.execute(sql, &row)?;
        }
        WebhookEvent::WebhookDeleted {} => delete(session, id)?,
    }
    Ok(())
}

/// What is still due to a disabled endpoint is kept as failed, to be retried.
fn disable(session: &mut Session, id: &str, reason: &str) -> Result<(), ViewError> {
    let Some((_, mut settings)) = one(session, id)? else { return Ok(()) };
    (settings.status, settings.disabled_reason) = (WebhookStatus::Disabled, Some(reason.to_owned()));
    let sql = "UPDATE webhook_endpoints SET settings = ?2, status = 'disabled', failing_since = NULL WHERE id = ?1";
    session.execute(sql, &[id.into(), json(&settings)?.into()])?;
    let due = session.query("SELECT id FROM webhook_due WHERE webhook = ?1 AND type <> 'webhook.test'", &[id.into()])?;
    let due = due.iter().map(|row| row.get(0)).collect::<Result<Vec<String>, _>>()?;
    Ok(rows::end(session, &due, "failed", 0)?)
}

fn delete(session: &mut Session, id: &str) -> Result<(), ViewError> {
    for table in ["webhook_due", "webhook_ended"] {
        session.execute(&format!("DELETE FROM webhook_attempts WHERE delivery IN (SELECT id FROM {table} WHERE webhook = ?1)"), &[id.into()])?;
        session.execute(&format!("DELETE FROM {table} WHERE webhook = ?1"), &[id.into()])?;
    }
    session.execute("DELETE FROM webhook_replays WHERE webhook = ?1", &[id.into()])?;
    session.execute("DELETE FROM webhook_endpoints WHERE id = ?1", &[id.into()])?;
    Ok(())
}

fn name(status: WebhookStatus) -> &'static str {
    match status {
        WebhookStatus::Active => "active",
        WebhookStatus::Paused => "paused",
        WebhookStatus::Disabled => "disabled",
    }
}
