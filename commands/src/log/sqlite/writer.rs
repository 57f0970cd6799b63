//! The one append path: a thread that owns the writing connection and takes, at each turn, all that has queued up.
//!
//! Invariant: a batch is one transaction and one sync. A stale command fails alone and whole; positions are given under SQLite's write lock, so they are
//! the order of commits. While one batch is synced, the next one gathers.

use std::time::Instant;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use tokio::sync::{mpsc, watch};
use twig_domain::{Timestamp, id::EventId};

use crate::{
    clock::Clock,
    content::sha256,
    idempotency::KEPT_S,
    ids::new_id,
    log::{
        Append, Appended, LogError, publish,
        queue::{Gathering, Queued, answer},
    },
};

pub(super) struct Writer {
    connection: Connection,
    clock: Clock,
    head: watch::Sender<u64>,
}

impl Writer {
    pub(super) fn new(connection: Connection, clock: Clock, head: watch::Sender<u64>) -> Self {
        Self { connection, clock, head }
    }

    /// Runs until every handle is gone.
    pub(super) fn run(mut self, mut appends: mpsc::Receiver<Queued>) {
        let mut gathering = Gathering::default();
        while let Some(first) = appends.blocking_recv() {
            let batch = gathering.blocking(first, &mut appends);
            let started = Instant::now();
            let outcome = self.write(&batch);
            gathering.wrote(batch.len(), started.elapsed());
            metrics::histogram!("twig_log_batch_appends").record(batch.len() as f64);
            metrics::histogram!("twig_log_append_seconds").record(started.elapsed());
            answer(batch, outcome);
        }
    }

    fn write(&mut self, batch: &[Queued]) -> Result<Vec<Appended>, LogError> {
        let now = self.clock.now();
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let (mut position, last_time) = newest(&transaction)?;
        let before = position;
        let recorded_at = now.max(last_time);
        let mut outcomes = Vec::with_capacity(batch.len());
        for queued in batch {
            outcomes.push(insert(&transaction, &queued.append, &mut position, recorded_at, now)?);
        }
        transaction.commit()?;
        metrics::counter!("twig_log_events_total").increment(position - before);
        metrics::counter!("twig_log_commits_total").increment(1);
        publish(&self.head, position);
        Ok(outcomes)
    }
}

fn newest(transaction: &Transaction) -> Result<(u64, Timestamp), rusqlite::Error> {
    let mut statement = transaction.prepare_cached("SELECT position, recorded_at FROM events ORDER BY position DESC LIMIT 1")?;
    let found = statement.query_row([], |row| Ok((row.get::<_, i64>(0)? as u64, Timestamp::from_millis(row.get(1)?)))).optional()?;
    Ok(found.unwrap_or((0, Timestamp::from_millis(i64::MIN))))
}

/// Everything is compared before anything is inserted, so that a refused command leaves nothing behind.
fn insert(transaction: &Transaction, append: &Append, position: &mut u64, recorded_at: Timestamp, now: Timestamp) -> Result<Appended, rusqlite::Error> {
    let mut version_of = transaction.prepare_cached("SELECT coalesce(max(sequence), 0) FROM events WHERE aggregate_type = ?1 AND aggregate_id = ?2")?;
    let version: i64 = version_of.query_row(params![append.aggregate_type, append.aggregate_id], |row| row.get(0))?;
    if version as u64 != append.expected_version {
        return Ok(Appended::Stale);
    }
    if let Some(key) = &append.idempotency {
        let mut taken = transaction.prepare_cached("SELECT 1 FROM idempotency WHERE organization = ?1 AND key = ?2 AND expires_at > ?3")?;
        if taken.exists(params![key.organization.to_string(), key.key, now.millis()])? {
            return Ok(Appended::IdempotencyTaken);
        }
    }
    for subject in &append.subject_keys {
        let mut stored = transaction.prepare_cached("SELECT wrapped FROM subject_keys WHERE subject = ?1")?;
        match stored.query_row([&subject.subject], |row| row.get::<_, Vec<u8>>(0)).optional()? {
            Some(wrapped) if wrapped != subject.wrapped => return Ok(Appended::SubjectKeyConflict),
            Some(_) => {}
            None if is_destroyed(transaction, &subject.wrapped)? => return Ok(Appended::SubjectKeyConflict),
            None => {
                transaction
                    .prepare_cached("INSERT INTO subject_keys (subject, wrapped) VALUES (?1, ?2)")?
                    .execute(params![subject.subject, subject.wrapped])?;
            }
        }
    }
    let (metadata, organization) = (serde_json::to_string(&append.meta).unwrap_or_default(), append.meta.organization.to_string());
    let mut insert = transaction.prepare_cached(
        "INSERT INTO events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata, position, event_id, recorded_at, organization) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?;
    for (place, event) in append.events.iter().enumerate() {
        *position += 1;
        let event_id: EventId = new_id(recorded_at);
        insert.execute(params![
            append.aggregate_type,
            append.aggregate_id,
            version + 1 + place as i64,
            event.event_type,
            event.event_version.to_string(),
            event.payload,
            metadata,
            *position as i64,
            event_id.to_string(),
            recorded_at.millis(),
            organization
        ])?;
    }
    if let Some(key) = &append.idempotency {
        let mut keep = transaction.prepare_cached(
            "INSERT OR REPLACE INTO idempotency (organization, key, route, fingerprint, position, expires_at, response) VALUES (?1, ?2, ?3, ?4, ?5, ?6, NULL)",
        )?;
        let expires_at = now.plus_seconds(KEPT_S).millis();
        keep.execute(params![key.organization.to_string(), key.key, key.route, key.fingerprint, *position as i64, expires_at])?;
    }
    Ok(Appended::At(*position))
}

/// Whether a key was erased while somebody still held it.
fn is_destroyed(transaction: &Transaction, wrapped: &[u8]) -> Result<bool, rusqlite::Error> {
    transaction.prepare_cached("SELECT 1 FROM destroyed_keys WHERE wrapped_sha256 = ?1")?.exists([sha256(wrapped)])
}
