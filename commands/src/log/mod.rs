//! The event log: one append path, positions in commit order, nothing ever changed.

#[cfg(feature = "eventstoredb")]
mod eventstore;
mod postgres;
mod queue;
mod repository;
mod rows;
mod sqlite;

use std::path::Path;

use cqrs_es::persist::SerializedEvent;
use serde_json::Value;
use tokio::sync::watch;
use twig_domain::{Event, EventMeta, Timestamp, event::UnreadableEvent, id::EventId};

#[cfg(feature = "eventstoredb")]
pub use eventstore::EventStoreLog;
pub use postgres::PostgresLog;
pub use repository::LogRepository;
pub use sqlite::SqliteLog;

pub(crate) use queue::{Pending, Place};

use crate::{
    clock::Clock,
    database::{Database, DatabaseUrl, StoreError},
    idempotency::IdempotencyKey,
    upcast::upcast,
    vault::NewSubjectKey,
};

/// An event as the log has it.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedEvent {
    pub position: u64,
    pub event_id: EventId,
    pub recorded_at: Timestamp,
    pub aggregate_type: String,
    pub aggregate_id: String,
    /// The number of the event in its stream, from 1.
    pub version: u64,
    pub event_type: String,
    pub event_version: u32,
    pub meta: EventMeta,
    pub payload: Value,
}

impl RecordedEvent {
    /// The event as this binary knows it: an older shape is brought to the newest.
    #[must_use]
    pub fn current(self) -> Self {
        let (id, kind, version) = (self.aggregate_id, self.aggregate_type, self.event_version.to_string());
        let event = upcast(SerializedEvent::new(id, self.version as usize, kind, self.event_type, version, self.payload, Value::Null));
        Self {
            aggregate_type: event.aggregate_type,
            aggregate_id: event.aggregate_id,
            event_type: event.event_type,
            event_version: event.event_version.parse().unwrap_or(self.event_version),
            payload: event.payload,
            ..self
        }
    }

    pub fn event(&self) -> Result<Event, UnreadableEvent> {
        Event::read(&self.aggregate_type, &self.payload)
    }
}

/// Why the log did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LogError {
    #[error("the disk is full")]
    Full,
    #[error("the event log is read-only")]
    ReadOnly,
    #[error("the event log is damaged: restore it from a backup")]
    Corrupt,
    #[error("another process holds the event log")]
    Busy,
    #[error("the event log cannot be reached: {0}")]
    Unavailable(String),
    #[error("the event log's writer has stopped")]
    Stopped,
    #[error("the event at position {position} is damaged")]
    Unreadable { position: u64 },
    #[error("the event log failed: {0}")]
    Other(String),
}

impl From<StoreError> for LogError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full => Self::Full,
            StoreError::ReadOnly => Self::ReadOnly,
            StoreError::Corrupt => Self::Corrupt,
            StoreError::Busy => Self::Busy,
            StoreError::Unavailable(told) => Self::Unavailable(told),
            StoreError::Constraint(told) | StoreError::Shape(told) | StoreError::Other(told) => Self::Other(told),
        }
    }
}

impl From<rusqlite::Error> for LogError {
    fn from(error: rusqlite::Error) -> Self {
        StoreError::from(error).into()
    }
}

/// One command's events, to be appended whole or not at all.
#[derive(Clone, Debug)]
pub struct Append {
    pub aggregate_type: &'static str,
    pub aggregate_id: String,
    /// The version that the stream must be at.
    pub expected_version: u64,
    pub events: Vec<NewEvent>,
    pub meta: EventMeta,
    pub idempotency: Option<IdempotencyKey>,
    pub subject_keys: Vec<NewSubjectKey>,
}

#[derive(Clone, Debug)]
pub struct NewEvent {
    pub event_type: String,
    pub event_version: u32,
    /// The payload as JSON text.
    pub payload: String,
}

/// What became of one append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// The position of its last event.
    At(u64),
    /// The stream is at another version.
    Stale,
    /// The idempotency key has an outcome already.
    IdempotencyTaken,
    /// Another process made a key for the same subject first.
    SubjectKeyConflict,
}

/// Whether this build can keep its log in EventStoreDB.
pub const HAS_EVENTSTOREDB: bool = cfg!(feature = "eventstoredb");

/// A handle on the log, wherever it is kept.
#[derive(Clone)]
pub enum EventLog {
    Sqlite(SqliteLog),
    Postgres(PostgresLog),
    #[cfg(feature = "eventstoredb")]
    EventStore(EventStoreLog),
}

impl EventLog {
    /// Opens the log of a data folder, or makes it.
    pub fn open(file: &Path, clock: Clock) -> Result<Self, LogError> {
        SqliteLog::open(file, clock).map(Self::Sqlite)
    }

    /// Opens the log of a PostgreSQL database, or makes it.
    pub fn postgres(url: &str, clock: Clock) -> Result<Self, LogError> {
        PostgresLog::open(url, clock).map(Self::Postgres)
    }

    /// Opens the log of an EventStoreDB (`esdb://…`), with what it keeps in a database beside it: keys and idempotency, which need transactions.
    #[cfg(feature = "eventstoredb")]
    pub fn eventstore(url: &str, beside: &DatabaseUrl, clock: Clock) -> Result<Self, LogError> {
        EventStoreLog::open(url, beside, clock).map(Self::EventStore)
    }

    /// There is none in this build ([`HAS_EVENTSTOREDB`]).
    #[cfg(not(feature = "eventstoredb"))]
    pub fn eventstore(_: &str, _: &DatabaseUrl, _: Clock) -> Result<Self, LogError> {
        Err(LogError::Other("this build has no EventStoreDB (its feature `eventstoredb` is off)".into()))
    }

    /// The store that the log's own tables stand in: keys, idempotency.
    #[must_use]
    pub fn database(&self) -> Database {
        match self {
            Self::Sqlite(log) => log.database(),
            Self::Postgres(log) => log.database(),
            #[cfg(feature = "eventstoredb")]
            Self::EventStore(log) => log.database(),
        }
    }

    /// Appends one command's events. It is durable when this answers.
    pub async fn append(&self, append: Append) -> Result<Appended, LogError> {
        match self {
            Self::Sqlite(log) => log.append(append).await,
            Self::Postgres(log) => log.append(append).await,
            #[cfg(feature = "eventstoredb")]
            Self::EventStore(log) => log.append(append).await,
        }
    }

    /// Waits for a place in the queue of appends.
    pub(crate) async fn place(&self) -> Result<Place, LogError> {
        match self {
            Self::Sqlite(log) => log.place().await,
            Self::Postgres(log) => log.place().await,
            #[cfg(feature = "eventstoredb")]
            Self::EventStore(log) => log.place().await,
        }
    }

    /// Events after a position, in position order.
    pub async fn read(&self, after: u64, limit: usize) -> Result<Vec<RecordedEvent>, LogError> {
        match self {
            Self::Sqlite(log) => log.read(after, limit).await,
            Self::Postgres(log) => log.read(after, limit).await,
            #[cfg(feature = "eventstoredb")]
            Self::EventStore(log) => log.read(after, limit).await,
        }
    }

    /// The event at a position.
    pub async fn at(&self, position: u64) -> Result<Option<RecordedEvent>, LogError> {
        match self {
            #[cfg(feature = "eventstoredb")]
            Self::EventStore(log) => log.at(position).await,
            log => Ok(log.read(position.saturating_sub(1), 1).await?.into_iter().next().filter(|event| event.position == position)),
        }
    }

    /// A stream's events after a version.
    pub async fn read_stream(&self, aggregate_type: &'static str, aggregate_id: &str, after_version: u64) -> Result<Vec<RecordedEvent>, LogError> {
        metrics::counter!("twig_log_stream_reads_total").increment(1);
        match self {
            Self::Sqlite(log) => log.read_stream(aggregate_type, aggregate_id, after_version).await,
            Self::Postgres(log) => log.read_stream(aggregate_type, aggregate_id, after_version).await,
            #[cfg(feature = "eventstoredb")]
            Self::EventStore(log) => log.read_stream(aggregate_type, aggregate_id, after_version).await,
        }
    }

    /// The newest position there is, whoever wrote it.
    pub async fn head(&self) -> Result<u64, LogError> {
        match self {
            Self::Sqlite(log) => log.head().await,
            Self::Postgres(log) => log.head().await,
            #[cfg(feature = "eventstoredb")]
            Self::EventStore(log) => log.head().await,
        }
    }

    /// The newest position as this process knows it; what others append shows a moment later.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        match self {
            Self::Sqlite(log) => log.subscribe(),
            Self::Postgres(log) => log.subscribe(),
            #[cfg(feature = "eventstoredb")]
            Self::EventStore(log) => log.subscribe(),
        }
    }
}

/// Positions only grow, whoever tells of them first.
fn publish(head: &watch::Sender<u64>, position: u64) {
    metrics::gauge!("twig_log_position").set(position as f64);
    head.send_if_modified(|known| std::mem::replace(known, position.max(*known)) < position);
}
