//! The dispatcher: from events to delivery rows, batch by batch, live ones first and then a piece of each replay that was asked for.

use std::{collections::HashMap, time::Duration};

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use tokio_util::sync::CancellationToken;
use twig_commands::{ids::derived_id, log::RecordedEvent};
use twig_domain::{
    Event,
    id::{DeliveryId, EventId},
    webhook::{ReplayFrom, WebhookEvent, WebhookSecret, WebhookSettings, WebhookStatus},
};

use super::{
    Deliveries,
    message::{AskedOf, message_type, subscribes},
};
use crate::ViewError;

const MAX_BATCH_EVENTS: usize = 1000;
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// Interactions whose agent is kept in mind, so that their later events need no look-up.
const MAX_REMEMBERED: usize = 20_000;

/// An endpoint as it stands at a position of the log.
pub(super) struct Endpoint {
    pub id: String,
    pub settings: WebhookSettings,
}

/// A replay that is under way.
struct Replay {
    webhook: String,
    requested: u64,
    next: u64,
    until: u64,
    types: Vec<String>,
    /// Milliseconds; earlier events are not sent.
    since: i64,
}

type Asked = HashMap<String, AskedOf>;

impl Deliveries {
    /// Dispatches until it is canceled.
    pub async fn run(self, cancel: CancellationToken) {
        let mut head = self.log.subscribe();
        let mut asked = Asked::new();
        while !cancel.is_cancelled() {
            match self.catch_up(&mut asked).await {
                Ok(true) => {}
                Ok(false) => {
                    tokio::select! {
                        _ = head.changed() => {}
                        () = cancel.cancelled() => {}
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "webhook messages could not be dispatched");
                    tokio::time::sleep(RETRY_AFTER).await;
                }
            }
        }
    }

    /// One batch of new events and one of each replay; `false` when there is nothing more to do.
    async fn catch_up(&self, asked: &mut Asked) -> Result<bool, ViewError> {
        let (position, replays) = self.change(|connection| Ok((checkpoint(connection)?, replays(connection)?))).await?;
        let events = self.log.read(position, MAX_BATCH_EVENTS).await?;
        if events.is_empty() && replays.is_empty() {
            return Ok(false);
        }
        if asked.len() > MAX_REMEMBERED {
            asked.clear();
        }
        if !events.is_empty() {
            let known = self.asked_of(&events, asked).await?;
            self.change(move |connection| dispatch(connection, position, &events, &known)).await?;
        }
        for replay in replays {
            let from = replay.next;
            let events: Vec<RecordedEvent> =
                self.log.read(from, MAX_BATCH_EVENTS).await?.into_iter().take_while(|event| event.position < replay.until).collect();
            let known = self.asked_of(&events, asked).await?;
            self.change(move |connection| advance(connection, &replay, &events, &known)).await?;
        }
        self.wake();
        Ok(true)
    }

    /// Whose the batch's interactions are; nothing is looked up where nobody subscribes.
    async fn asked_of(&self, events: &[RecordedEvent], asked: &mut Asked) -> Result<Asked, ViewError> {
        let anyone = self.change(|connection| Ok(connection.prepare_cached("SELECT 1 FROM endpoints")?.exists([])?)).await?;
        let anyone = anyone || events.iter().any(|event| event.aggregate_type == "Webhook");
        let mut known = Asked::new();
        for recorded in events.iter().filter(|recorded| anyone && recorded.aggregate_type == "Interaction") {
            let id = &recorded.aggregate_id;
            let found = match asked.get(id) {
                Some(found) => Some(*found),
                None if recorded.version == 1 => recorded.event().ok().as_ref().and_then(AskedOf::of),
                None => self.log.read_stream("Interaction", id, 0).await?.first().and_then(|first| AskedOf::of(&first.event().ok()?)),
            };
            if let Some(found) = found {
                asked.insert(id.clone(), found);
                known.insert(id.clone(), found);
            }
        }
        Ok(known)
    }
}

fn checkpoint(connection: &Connection) -> Result<u64, rusqlite::Error> {
    connection.prepare_cached("SELECT position FROM checkpoint")?.query_row([], |row| row.get::<_, i64>(0)).map(|position| position as u64)
}

fn replays(connection: &Connection) -> Result<Vec<Replay>, ViewError> {
    let mut statement = connection.prepare_cached("SELECT webhook, requested, next, until, types FROM replays ORDER BY requested")?;
    let rows = statement.query_map([], |row| {
        let types: String = row.get(4)?;
        let (types, since) = serde_json::from_str(&types).unwrap_or_default();
        Ok(Replay {
            webhook: row.get(0)?,
            requested: row.get::<_, i64>(1)? as u64,
            next: row.get::<_, i64>(2)? as u64,
            until: row.get::<_, i64>(3)? as u64,
            types,
            since,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn endpoints(connection: &Connection) -> Result<HashMap<String, Vec<Endpoint>>, ViewError> {
    let mut by_organization: HashMap<String, Vec<Endpoint>> = HashMap::new();
    let mut statement = connection.prepare_cached("SELECT id, organization, settings FROM endpoints")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?)))?;
    for row in rows {
        let (id, organization, settings) = row?;
        let settings = serde_json::from_str(&settings).map_err(|error| ViewError::Other(error.to_string()))?;
        by_organization.entry(organization).or_default().push(Endpoint { id, settings });
    }
    Ok(by_organization)
}

/// Folds a batch: endpoints change, messages get their rows, the checkpoint moves; all in one transaction.
fn dispatch(connection: &mut Connection, position: u64, events: &[RecordedEvent], asked: &Asked) -> Result<(), ViewError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let sent_after: i64 = transaction.query_row("SELECT sent_after FROM checkpoint", [], |row| row.get(0))?;
    let mut all = endpoints(&transaction)?;
    let mut reached = position;
    for recorded in events.iter().filter(|recorded| recorded.position > position) {
        reached = recorded.position;
        let Ok(event) = recorded.event() else { continue };
        if let Event::Webhook(event) = &event {
            fold(&transaction, recorded, event)?;
            all = endpoints(&transaction)?;
        }
        if recorded.position <= sent_after as u64 {
            continue;
        }
        let Some(kind) = message_type(&event) else { continue };
        for endpoint in all.get(&recorded.meta.organization.to_string()).into_iter().flatten() {
            // A disabled endpoint's own notice goes to the others; what happens while one is paused or disabled is not sent.
            let wants = endpoint.settings.status == WebhookStatus::Active && subscribes(&endpoint.settings.events, kind);
            if wants && concerns(&endpoint.settings, recorded, asked) {
                insert(&transaction, &endpoint.id, recorded, kind, None)?;
            }
        }
    }
    transaction.execute("UPDATE checkpoint SET position = ?1", params![reached as i64])?;
    Ok(transaction.commit()?)
}

/// The filters: an event of an agent or its interactions by `agentIds`, one of a data spec by `dataSpecIds`.
fn concerns(settings: &WebhookSettings, recorded: &RecordedEvent, asked: &Asked) -> bool {
    let (agents, data_specs) = (&settings.filter.agent_ids, &settings.filter.data_spec_ids);
    match recorded.aggregate_type.as_str() {
        "Interaction" => asked.get(&recorded.aggregate_id).is_some_and(|asked| !asked.imported && (agents.is_empty() || agents.contains(&asked.agent))),
        "Agent" => agents.is_empty() || agents.iter().any(|id| id.to_string() == recorded.aggregate_id),
        "DataSpec" => data_specs.is_empty() || data_specs.iter().any(|id| id.to_string() == recorded.aggregate_id),
        _ => true,
    }
}

/// A delivery with the endpoint's next sequence. Its id follows from what it is, so that a repeat is the same row.
fn insert(transaction: &Transaction, webhook: &str, recorded: &RecordedEvent, kind: &str, replay: Option<u64>) -> Result<(), ViewError> {
    let asked_at = replay.unwrap_or(0).to_be_bytes();
    let id: DeliveryId = derived_id(recorded.recorded_at, &[webhook.as_bytes(), recorded.event_id.to_string().as_bytes(), &asked_at]);
    let sequence = next_sequence(transaction, webhook)?;
    let at = recorded.recorded_at.millis();
    transaction
        .prepare_cached(
            "INSERT INTO deliveries (id, organization, webhook, sequence, position, event_id, type, replayed, state, next_at, created_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'pending', ?9, ?9)",
        )?
        .execute(params![
            id.to_string(),
            recorded.meta.organization.to_string(),
            webhook,
            sequence,
            recorded.position as i64,
            recorded.event_id.to_string(),
            kind,
            replay.is_some(),
            at
        ])?;
    Ok(())
}

pub(super) fn next_sequence(connection: &Connection, webhook: &str) -> Result<i64, rusqlite::Error> {
    connection.prepare_cached("UPDATE endpoints SET sequence = sequence + 1 WHERE id = ?1 RETURNING sequence")?.query_row([webhook], |row| row.get(0))
}

fn fold(transaction: &Transaction, recorded: &RecordedEvent, event: &WebhookEvent) -> Result<(), ViewError> {
    let id = &recorded.aggregate_id;
    let json = |settings: &WebhookSettings| serde_json::to_string(settings).map_err(|error| ViewError::Other(error.to_string()));
    let secrets = |secrets: &[WebhookSecret]| serde_json::to_string(secrets).map_err(|error| ViewError::Other(error.to_string()));
    match event {
        WebhookEvent::WebhookRegistered { organization, settings, secret, .. } => {
            let row = params![id, organization.to_string(), json(settings)?, secrets(std::slice::from_ref(secret))?, status(settings.status)];
            transaction.execute("INSERT OR REPLACE INTO endpoints (id, organization, settings, secrets, status) VALUES (?1, ?2, ?3, ?4, ?5)", row)?;
        }
        WebhookEvent::WebhookUpdated { settings, .. } => {
            let row = params![id, json(settings)?, status(settings.status)];
            transaction.execute("UPDATE endpoints SET settings = ?2, status = ?3, failing_since = NULL WHERE id = ?1", row)?;
        }
        WebhookEvent::WebhookSecretRotated { secrets: all } => {
            transaction.execute("UPDATE endpoints SET secrets = ?2 WHERE id = ?1", params![id, secrets(all)?])?;
        }
        WebhookEvent::WebhookDisabled { reason } => disable(transaction, id, reason)?,
        WebhookEvent::WebhookReplayRequested { from, types } => {
            let next = match from {
                ReplayFrom::Position(position) => position.saturating_sub(1),
                ReplayFrom::Since(_) => 0,
            };
            let since = if let ReplayFrom::Since(time) = from { time.millis() } else { 0 };
            let types = serde_json::to_string(&(types, since)).unwrap_or_default();
            let row = params![id, recorded.position as i64, next as i64, recorded.position as i64, types];
            transaction.execute("INSERT OR REPLACE INTO replays (webhook, requested, next, until, types) VALUES (?1, ?2, ?3, ?4, ?5)", row)?;
        }
        WebhookEvent::WebhookDeleted {} => {
            for sql in [
                "DELETE FROM attempts WHERE delivery IN (SELECT id FROM deliveries WHERE webhook = ?1)",
                "DELETE FROM deliveries WHERE webhook = ?1",
                "DELETE FROM replays WHERE webhook = ?1",
                "DELETE FROM endpoints WHERE id = ?1",
            ] {
                transaction.execute(sql, [id])?;
            }
        }
    }
    Ok(())
}

/// What is still due to a disabled endpoint is kept as failed, to be retried.
fn disable(transaction: &Transaction, id: &str, reason: &str) -> Result<(), ViewError> {
    let settings: Option<String> = transaction.query_row("SELECT settings FROM endpoints WHERE id = ?1", [id], |row| row.get(0)).optional()?;
    let Some(mut settings) = settings.and_then(|text| serde_json::from_str::<WebhookSettings>(&text).ok()) else { return Ok(()) };
    (settings.status, settings.disabled_reason) = (WebhookStatus::Disabled, Some(reason.to_owned()));
    let settings = serde_json::to_string(&settings).map_err(|error| ViewError::Other(error.to_string()))?;
    transaction.execute("UPDATE endpoints SET settings = ?2, status = 'disabled', failing_since = NULL WHERE id = ?1", params![id, settings])?;
    transaction
        .execute("UPDATE deliveries SET state = 'failed', lease_until = NULL WHERE webhook = ?1 AND state = 'pending' AND type <> 'webhook.test'", [id])?;
    Ok(())
}

pub(super) fn status(status: WebhookStatus) -> &'static str {
    match status {
        WebhookStatus::Active => "active",
        WebhookStatus::Paused => "paused",
        WebhookStatus::Disabled => "disabled",
    }
}

/// A piece of history: rows in its order, and the replay's place moves in the same transaction.
fn advance(connection: &mut Connection, replay: &Replay, events: &[RecordedEvent], asked: &Asked) -> Result<(), ViewError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let settings: Option<String> = transaction.query_row("SELECT settings FROM endpoints WHERE id = ?1", [&replay.webhook], |row| row.get(0)).optional()?;
    let settings = settings.and_then(|text| serde_json::from_str::<WebhookSettings>(&text).ok());
    let organization: Option<String> =
        transaction.query_row("SELECT organization FROM endpoints WHERE id = ?1", [&replay.webhook], |row| row.get(0)).optional()?;
    let mut reached = replay.until;
    if let (Some(settings), Some(organization), Some(last)) = (settings, organization, events.last()) {
        for recorded in events {
            let wanted = organization == recorded.meta.organization.to_string() && recorded.recorded_at.millis() >= replay.since;
            let Some(kind) = wanted.then(|| recorded.event().ok().as_ref().and_then(message_type)).flatten() else { continue };
            let types = if replay.types.is_empty() { &settings.events } else { &replay.types };
            if subscribes(types, kind) && concerns(&settings, recorded, asked) {
                insert(&transaction, &replay.webhook, recorded, kind, Some(replay.requested))?;
            }
        }
        reached = if events.len() == MAX_BATCH_EVENTS { last.position } else { replay.until };
    }
    if reached >= replay.until {
        transaction.execute("DELETE FROM replays WHERE webhook = ?1 AND requested = ?2", params![replay.webhook, replay.requested as i64])?;
    } else {
        let row = params![replay.webhook, replay.requested as i64, reached as i64];
        transaction.execute("UPDATE replays SET next = ?3 WHERE webhook = ?1 AND requested = ?2", row)?;
    }
    Ok(transaction.commit()?)
}

impl Deliveries {
    /// A `webhook.test` message to one endpoint, whatever it subscribed to.
    pub async fn test(&self, organization: String, webhook: String, event: EventId, now: twig_domain::Timestamp) -> Result<Option<DeliveryId>, ViewError> {
        let id: DeliveryId = twig_commands::ids::new_id(now);
        let made = self
            .change(move |connection| {
                let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                let known = transaction.prepare("SELECT 1 FROM endpoints WHERE id = ?1 AND organization = ?2")?.exists([&webhook, &organization])?;
                if !known {
                    return Ok(None);
                }
                let sequence = next_sequence(&transaction, &webhook)?;
                let data = serde_json::json!({"webhookId": webhook, "message": "This is a test message"}).to_string();
                transaction.execute(
                    "INSERT INTO deliveries (id, organization, webhook, sequence, event_id, type, data, replayed, state, next_at, created_at) \
                     VALUES (?1, ?2, ?3, ?4, ?5, 'webhook.test', ?6, 0, 'pending', ?7, ?7)",
                    params![id.to_string(), organization, webhook, sequence, event.to_string(), data, now.millis()],
                )?;
                transaction.commit()?;
                Ok(Some(id))
            })
            .await?;
        self.wake();
        Ok(made)
    }
}
