//! The dispatcher: from events to queued deliveries, batch by batch, live ones first and then a piece of each replay that was asked for.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use tokio_util::sync::CancellationToken;
use twig_commands::{
    database::{Row, Session},
    ids::derived_id,
    log::RecordedEvent,
};
use twig_domain::{
    Event, Timestamp,
    id::{DeliveryId, EventId},
    webhook::{WebhookSettings, WebhookStatus},
};

use super::{
    Deliveries, Lane, endpoints,
    message::{AskedOf, message_type, subscribes},
    rows::{self, NewDelivery},
};
use crate::ViewError;

const MAX_BATCH_EVENTS: usize = 1000;
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// One process dispatches. The lease saves the others' work; what is dispatched is right without it, since the checkpoint is compared where it is moved.
const LEASE_S: i64 = 15;
const RENEW_EVERY: Duration = Duration::from_secs(5);
/// Interactions whose agent is kept in mind, so that their later events need no look-up.
const MAX_REMEMBERED: usize = 20_000;

/// A replay that is under way.
struct Replay {
    webhook: String,
    requested: u64,
    requested_at: Timestamp,
    next: u64,
    until: u64,
    types: Vec<String>,
    /// Milliseconds; earlier events are not sent.
    since: i64,
}

type Asked = HashMap<String, AskedOf>;
/// Messages that are yet to be queued, by endpoint.
type Gathered = BTreeMap<String, Vec<NewDelivery>>;

impl Deliveries {
    /// Dispatches until it is canceled, while this process, `owner`, has the lease.
    pub async fn run(self, owner: String, cancel: CancellationToken) {
        let mut head = self.log.subscribe();
        let mut asked = Asked::new();
        while !cancel.is_cancelled() {
            match self.dispatch_once(&owner, &mut asked).await {
                Ok(true) => {}
                Ok(false) => {
                    tokio::select! {
                        _ = head.changed() => {}
                        () = tokio::time::sleep(RENEW_EVERY) => {}
                        () = cancel.cancelled() => {}
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "webhook messages could not be dispatched");
                    tokio::time::sleep(RETRY_AFTER).await;
                }
            }
        }
        let give_up = move |session: &mut Session| session.execute("UPDATE webhook_dispatch SET owner = NULL WHERE owner = ?1", &[owner.into()]);
        if let Err(error) = self.database.write(give_up).await {
            tracing::warn!(%error, "the dispatcher's lease was not given up; it ends by itself");
        }
    }

    /// Takes or renews the lease and dispatches what there is; `false` when there is nothing more to do here.
    async fn dispatch_once(&self, owner: &str, asked: &mut Asked) -> Result<bool, ViewError> {
        let now = self.clock.now();
        let lease = [owner.into(), now.plus_seconds(LEASE_S).millis().into(), now.millis().into()];
        let hold = move |session: &mut Session| {
            let sql = "UPDATE webhook_dispatch SET owner = ?1, lease_until = ?2 WHERE owner IS NULL OR owner = ?1 OR lease_until <= ?3";
            session.execute(sql, &lease)
        };
        let held = self.database.write(hold).await? > 0;
        if held { self.catch_up(asked).await } else { Ok(false) }
    }

    /// One batch of new events and one of each replay; `false` when there is nothing more to do.
    async fn catch_up(&self, asked: &mut Asked) -> Result<bool, ViewError> {
        let (position, replays) = self.database.read(|session| Ok::<_, ViewError>((checkpoint(session)?, replays(session)?))).await?;
        let events = self.log.read(position, MAX_BATCH_EVENTS).await?;
        if events.is_empty() && replays.is_empty() {
            return Ok(false);
        }
        if asked.len() > MAX_REMEMBERED {
            asked.clear();
        }
        let clock = self.clock.clone();
        if !events.is_empty() {
            let known = self.asked_of(&events, asked).await?;
            self.database.write(move |session| dispatch(session, position, &events, &known, clock.now())).await?;
            self.wake();
        }
        for replay in replays {
            let events = self.log.read(replay.next, MAX_BATCH_EVENTS).await?;
            let events: Vec<RecordedEvent> = events.into_iter().take_while(|event| event.position < replay.until).collect();
            let known = self.asked_of(&events, asked).await?;
            let now = self.clock.now();
            self.database.write(move |session| advance(session, &replay, &events, &known, now)).await?;
            self.wake();
        }
        Ok(true)
    }

    /// Whose the batch's interactions are; nothing is looked up where nobody subscribes.
    async fn asked_of(&self, events: &[RecordedEvent], asked: &mut Asked) -> Result<Asked, ViewError> {
        let anyone = self.database.read(|session| session.exists("SELECT 1 FROM webhook_endpoints LIMIT 1", &[])).await?;
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

    /// A `webhook.test` message to one endpoint, whatever it subscribed to; `None` where the endpoint is not known (yet).
    pub async fn test(&self, organization: String, webhook: String, event: EventId, now: Timestamp) -> Result<Option<DeliveryId>, ViewError> {
        let id: DeliveryId = twig_commands::ids::new_id(now);
        let made = self
            .database
            .write(move |session| {
                if endpoints::one(session, &webhook)?.is_none_or(|(owner, _)| owner != organization) {
                    return Ok(None);
                }
                let data = serde_json::json!({"webhookId": webhook, "message": "This is a test message"}).to_string();
                let message = NewDelivery {
                    id: id.to_string(),
                    organization,
                    webhook: webhook.clone(),
                    lane: Lane::Test.number(),
                    position: None,
                    event_id: event.to_string(),
                    message_type: "webhook.test".into(),
                    data: Some(data),
                    created_at: now.millis(),
                };
                rows::enqueue(session, &webhook, vec![message], now.millis())?;
                Ok::<_, ViewError>(Some(id))
            })
            .await?;
        self.wake();
        Ok(made)
    }
}

fn checkpoint(session: &mut Session) -> Result<u64, ViewError> {
    Ok(session.query_one("SELECT position FROM webhook_dispatch", &[])?.get(0)?)
}

fn replays(session: &mut Session) -> Result<Vec<Replay>, ViewError> {
    let rows = session.query("SELECT webhook, requested, requested_at, next, until, types, since FROM webhook_replays ORDER BY requested", &[])?;
    let replay = |row: &Row| {
        Ok(Replay {
            webhook: row.get(0)?,
            requested: row.get(1)?,
            requested_at: Timestamp::from_millis(row.get(2)?),
            next: row.get(3)?,
            until: row.get(4)?,
            types: row.json(5)?,
            since: row.get(6)?,
        })
    };
    rows.iter().map(replay).collect()
}

/// Folds a batch: endpoints change, messages are queued, the checkpoint moves; all in one transaction. Nothing where another process was here first.
fn dispatch(session: &mut Session, position: u64, events: &[RecordedEvent], asked: &Asked, now: Timestamp) -> Result<(), ViewError> {
    let moved = session.execute("UPDATE webhook_dispatch SET position = ?2 WHERE position = ?1", &[position.into(), last(events, position).into()])?;
    if moved == 0 {
        return Ok(());
    }
    let sent_after: u64 = session.query_one("SELECT sent_after FROM webhook_dispatch", &[])?.get(0)?;
    let (mut all, mut gathered) = (endpoints::all(session)?, Gathered::new());
    for recorded in events {
        let Ok(event) = recorded.event() else { continue };
        if let Event::Webhook(event) = &event {
            queue(session, &mut gathered, now)?;
            endpoints::fold(session, recorded, event)?;
            all = endpoints::all(session)?;
        }
        if recorded.position <= sent_after {
            continue;
        }
        let Some(kind) = message_type(&event) else { continue };
        for endpoint in all.get(&recorded.meta.organization.to_string()).into_iter().flatten() {
            // A disabled endpoint's own notice goes to the others; what happens while one is paused or disabled is not sent.
            let wants = endpoint.settings.status == WebhookStatus::Active && subscribes(&endpoint.settings.events, kind);
            if wants && concerns(&endpoint.settings, recorded, asked) {
                gathered.entry(endpoint.id.clone()).or_default().push(delivery(&endpoint.id, recorded, kind, None));
            }
        }
    }
    queue(session, &mut gathered, now)
}

fn last(events: &[RecordedEvent], position: u64) -> u64 {
    events.last().map_or(position, |event| event.position)
}

fn queue(session: &mut Session, gathered: &mut Gathered, now: Timestamp) -> Result<(), ViewError> {
    std::mem::take(gathered).into_iter().try_for_each(|(webhook, deliveries)| Ok(rows::enqueue(session, &webhook, deliveries, now.millis())?))
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

/// Its id follows from what it is, so that a repeat is the same row, and has the time from which it is kept.
fn delivery(webhook: &str, recorded: &RecordedEvent, kind: &str, replay: Option<&Replay>) -> NewDelivery {
    let asked_at = replay.map_or(0, |replay| replay.requested).to_be_bytes();
    let since = replay.map_or(recorded.recorded_at, |replay| replay.requested_at);
    let id: DeliveryId = derived_id(since, &[webhook.as_bytes(), recorded.event_id.to_string().as_bytes(), &asked_at]);
    NewDelivery {
        id: id.to_string(),
        organization: recorded.meta.organization.to_string(),
        webhook: webhook.to_owned(),
        lane: if replay.is_some() { Lane::History } else { Lane::Live }.number(),
        position: Some(recorded.position),
        event_id: recorded.event_id.to_string(),
        message_type: kind.to_owned(),
        data: None,
        created_at: recorded.recorded_at.millis(),
    }
}

/// A piece of history: its messages in order, and the replay's place moves in the same transaction.
fn advance(session: &mut Session, replay: &Replay, events: &[RecordedEvent], asked: &Asked, now: Timestamp) -> Result<(), ViewError> {
    let reached = last(events, replay.next);
    let key = [replay.webhook.as_str().into(), replay.requested.into(), replay.next.into(), reached.into()];
    let moved = session.execute("UPDATE webhook_replays SET next = ?4 WHERE webhook = ?1 AND requested = ?2 AND next = ?3", &key)?;
    let Some((organization, settings)) = endpoints::one(session, &replay.webhook)?.filter(|_| moved > 0) else { return Ok(()) };
    let mut messages = Vec::new();
    for recorded in events {
        let wanted = organization == recorded.meta.organization.to_string() && recorded.recorded_at.millis() >= replay.since;
        let Some(kind) = wanted.then(|| recorded.event().ok().as_ref().and_then(message_type)).flatten() else { continue };
        let types = if replay.types.is_empty() { &settings.events } else { &replay.types };
        if subscribes(types, kind) && concerns(&settings, recorded, asked) {
            messages.push(delivery(&replay.webhook, recorded, kind, Some(replay)));
        }
    }
    rows::enqueue(session, &replay.webhook, messages, now.millis())?;
    if events.len() < MAX_BATCH_EVENTS {
        session.execute("DELETE FROM webhook_replays WHERE webhook = ?1 AND requested = ?2", &key[..2])?;
    }
    Ok(())
}
