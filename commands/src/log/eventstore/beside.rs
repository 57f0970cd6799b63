//! What stands in the database beside the log: subjects' keys, outcomes of idempotency keys, and the intents that become such outcomes.

use std::sync::Arc;

use twig_domain::{Timestamp, id::EventId};

use super::{server::Server, writer::INTENT_HOLDS_S};
use crate::{
    clock::Clock,
    content::sha256,
    database::{Database, Row, Session, StoreError},
    idempotency::{IdempotencyKey, KEPT_S},
    log::{Appended, LogError},
    vault::NewSubjectKey,
};

const INTENT_COLUMNS: &str = "organization, key, route, fingerprint, aggregate_type, aggregate_id, version, event_id, until";

/// What a command with an `Idempotency-Key` is about to append: its last event tells whether it did.
#[derive(Clone)]
pub(super) struct Intent {
    pub(super) key: IdempotencyKey,
    pub(super) aggregate_type: String,
    pub(super) aggregate_id: String,
    /// The last event's.
    pub(super) version: u64,
    pub(super) event_id: EventId,
}

/// What a command needs beside its events.
#[derive(Clone)]
pub(super) struct Wanted {
    /// Its place in the batch.
    pub(super) place: usize,
    pub(super) intent: Option<Intent>,
    pub(super) subject_keys: Vec<NewSubjectKey>,
}

#[derive(Clone)]
pub(super) struct Beside {
    pub(super) database: Database,
    pub(super) server: Arc<Server>,
    pub(super) clock: Clock,
}

impl Beside {
    /// Syncs what must be there before the events; which commands must not go on, and why.
    pub(super) async fn reserve(&self, wanted: Vec<Wanted>, now: Timestamp) -> Vec<(usize, Result<Appended, LogError>)> {
        if wanted.is_empty() {
            return Vec::new();
        }
        let places: Vec<usize> = wanted.iter().map(|wanted| wanted.place).collect();
        let keys: Vec<IdempotencyKey> = wanted.iter().filter_map(|wanted| wanted.intent.as_ref()).map(|intent| intent.key.clone()).collect();
        let reserved = async {
            self.settle_left(keys).await?;
            let reserve = move |session: &mut Session| {
                let refused = |wanted: &Wanted| Ok((wanted.place, refused(session, wanted, now)?));
                wanted.iter().map(refused).collect::<Result<Vec<_>, StoreError>>()
            };
            Ok::<_, LogError>(self.database.write(reserve).await?)
        };
        match reserved.await {
            Ok(refused) => refused.into_iter().filter_map(|(place, refused)| Some((place, Ok(refused?)))).collect(),
            Err(error) => places.into_iter().map(|place| (place, Err(error.clone()))).collect(),
        }
    }

    /// Makes outcomes of the intents of what was appended, and drops those of what was refused. An intent whose append has no known outcome stays; so do all
    /// where this fails: they are settled when their key is used again, or at the next start.
    pub(super) async fn conclude(&self, wanted: Vec<Wanted>, outcomes: &[Result<Appended, LogError>]) {
        let concluded: Vec<(Intent, Option<u64>)> = wanted
            .into_iter()
            .filter_map(|wanted| match (wanted.intent?, &outcomes[wanted.place]) {
                (intent, Ok(Appended::At(position))) => Some((intent, Some(*position))),
                (intent, Ok(_)) => Some((intent, None)),
                (_, Err(_)) => None,
            })
            .collect();
        if concluded.is_empty() {
            return;
        }
        let now = self.clock.now();
        let conclude = move |session: &mut Session| concluded.iter().try_for_each(|(intent, position)| conclude(session, intent, *position, now));
        if let Err(error) = self.database.write::<_, StoreError>(conclude).await {
            tracing::error!(%error, "outcomes of Idempotency-Keys could not be written; they are settled later");
        }
    }

    /// Settles every intent that was left behind.
    pub(super) async fn settle_all(&self) -> Result<(), LogError> {
        let left = self.database.read(|session| session.query(&format!("SELECT {INTENT_COLUMNS} FROM idempotency_intents"), &[])).await?;
        self.settle(left).await
    }

    async fn settle_left(&self, keys: Vec<IdempotencyKey>) -> Result<(), LogError> {
        if keys.is_empty() {
            return Ok(());
        }
        let pairs: Vec<(String, String)> = keys.into_iter().map(|key| (key.organization.to_string(), key.key)).collect();
        let select = format!("SELECT {INTENT_COLUMNS} FROM idempotency_intents");
        let left = self.database.read(move |session| session.query_by_keys(&select, ["organization", "key"], &pairs)).await?;
        self.settle(left).await
    }

    /// One that was appended becomes an outcome; one that can't arrive any more is dropped. Any other holds its key.
    async fn settle(&self, left: Vec<Row>) -> Result<(), LogError> {
        for row in left {
            let ((intent, until), now) = (intent(&row)?, self.clock.now());
            let stream = self.server.names.stream(&intent.aggregate_type, &intent.aggregate_id);
            let position = self.server.position_of(&stream, intent.version, intent.event_id).await?;
            if position.is_some() || until < now {
                self.database.write::<_, StoreError>(move |session| conclude(session, &intent, position, now)).await?;
            }
        }
        Ok(())
    }
}

fn intent(row: &Row) -> Result<(Intent, Timestamp), StoreError> {
    let text = |place| row.get::<String>(place);
    let shape = |_| StoreError::Shape("an intent is damaged".into());
    let key = IdempotencyKey { organization: text(0)?.parse().map_err(shape)?, key: text(1)?, route: text(2)?, fingerprint: text(3)? };
    let event_id = text(7)?.parse().map_err(shape)?;
    let intent = Intent { key, aggregate_type: text(4)?, aggregate_id: text(5)?, version: row.get(6)?, event_id };
    Ok((intent, Timestamp::from_millis(row.get(8)?)))
}

/// Why a command must not go on; where it may, its keys and its intent are written.
fn refused(session: &mut Session, wanted: &Wanted, now: Timestamp) -> Result<Option<Appended>, StoreError> {
    if let Some(intent) = &wanted.intent
        && !announce(session, intent, now)?
    {
        return Ok(Some(Appended::IdempotencyTaken));
    }
    for key in &wanted.subject_keys {
        if !keep(session, key)? {
            if let Some(intent) = &wanted.intent {
                conclude(session, intent, None, now)?;
            }
            return Ok(Some(Appended::SubjectKeyConflict));
        }
    }
    Ok(None)
}

/// Writes an intent where its key has none, and no outcome. The intent is first: where another process has just made its own an outcome, that is seen then.
fn announce(session: &mut Session, intent: &Intent, now: Timestamp) -> Result<bool, StoreError> {
    let Intent { key, aggregate_type, aggregate_id, version, event_id } = intent;
    let organization = key.organization.to_string();
    let until = now.plus_seconds(INTENT_HOLDS_S).millis();
    let row = [
        (&organization).into(),
        (&key.key).into(),
        (&key.route).into(),
        (&key.fingerprint).into(),
        aggregate_type.into(),
        aggregate_id.into(),
        (*version).into(),
        event_id.to_string().into(),
        until.into(),
    ];
    let sql = format!("INSERT INTO idempotency_intents ({INTENT_COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING");
    if session.execute(&sql, &row)? == 0 {
        return Ok(false);
    }
    let taken = "SELECT 1 FROM idempotency WHERE organization = ?1 AND key = ?2 AND expires_at > ?3";
    if session.exists(taken, &[organization.into(), (&key.key).into(), now.millis().into()])? {
        conclude(session, intent, None, now)?;
        return Ok(false);
    }
    Ok(true)
}

/// Stores a subject's key; `false` where the subject has another, or this one was destroyed.
fn keep(session: &mut Session, key: &NewSubjectKey) -> Result<bool, StoreError> {
    let stored = |session: &mut Session| {
        let row = session.query_first("SELECT wrapped FROM subject_keys WHERE subject = ?1", &[(&key.subject).into()])?;
        row.map(|row| row.get::<Vec<u8>>(0)).transpose()
    };
    if let Some(wrapped) = stored(session)? {
        return Ok(wrapped == key.wrapped);
    }
    if session.exists("SELECT 1 FROM destroyed_keys WHERE wrapped_sha256 = ?1", &[sha256(&key.wrapped).into()])? {
        return Ok(false);
    }
    let row = [(&key.subject).into(), key.wrapped.as_slice().into()];
    let inserted = session.execute("INSERT INTO subject_keys (subject, wrapped) VALUES (?1, ?2) ON CONFLICT DO NOTHING", &row)?;
    Ok(inserted > 0 || stored(session)?.is_some_and(|wrapped| wrapped == key.wrapped))
}

/// Drops an intent; where its events are in the log, in favour of the outcome.
fn conclude(session: &mut Session, intent: &Intent, position: Option<u64>, now: Timestamp) -> Result<(), StoreError> {
    let IdempotencyKey { organization, key, route, fingerprint } = &intent.key;
    let organization = organization.to_string();
    let mine = [(&organization).into(), key.into(), intent.event_id.to_string().into()];
    let dropped = session.execute("DELETE FROM idempotency_intents WHERE organization = ?1 AND key = ?2 AND event_id = ?3", &mine)?;
    let Some(position) = position.filter(|_| dropped > 0) else { return Ok(()) };
    let row = [organization.into(), key.into(), route.into(), fingerprint.into(), position.into(), now.plus_seconds(KEPT_S).millis().into()];
    let keep = "INSERT INTO idempotency (organization, key, route, fingerprint, position, expires_at, response) VALUES (?1, ?2, ?3, ?4, ?5, ?6, NULL) \
                ON CONFLICT (organization, key) DO UPDATE SET route = excluded.route, fingerprint = excluded.fingerprint, position = excluded.position, \
                expires_at = excluded.expires_at, response = NULL";
    session.execute(keep, &row).map(drop)
}
