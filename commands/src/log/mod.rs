//! The event log: one append path, positions in commit order, nothing ever changed.

mod repository;
mod rows;
mod writer;

use std::{path::Path, time::Duration};

use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};
use twig_domain::{Event, EventMeta, Timestamp, event::UnreadableEvent, id::EventId};

pub use repository::LogRepository;

use crate::{clock::Clock, idempotency::IdempotencyKey, sqlite::Readers, vault::NewSubjectKey};

/// Commands that may wait for the writer before callers are held back.
const MAX_QUEUED_APPENDS: usize = 8192;
/// How soon what another process appended is noticed.
const FOLLOW_EVERY: Duration = Duration::from_millis(40);

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
    pub fn event(&self) -> Result<Event, UnreadableEvent> {
        Event::read(&self.aggregate_type, &self.payload)
    }
}

/// Why the log did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("the disk is full")]
    Full,
    #[error("the event log is read-only")]
    ReadOnly,
    #[error("the event log is damaged: restore it from a backup")]
    Corrupt,
    #[error("another process holds the event log")]
    Busy,
    #[error("the event log's writer has stopped")]
    Stopped,
    #[error("the event at position {position} is damaged")]
    Unreadable { position: u64 },
    #[error("the event log failed: {0}")]
    Other(String),
}

impl From<rusqlite::Error> for LogError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Self::Full,
            Some(rusqlite::ErrorCode::ReadOnly | rusqlite::ErrorCode::PermissionDenied) => Self::ReadOnly,
            Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => Self::Corrupt,
            Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => Self::Busy,
            _ => Self::Other(error.to_string()),
        }
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

struct Queued {
    append: Append,
    done: oneshot::Sender<Result<Appended, LogError>>,
}

/// A handle on the log.
#[derive(Clone)]
pub struct EventLog {
    queue: mpsc::Sender<Queued>,
    head: watch::Receiver<u64>,
    readers: Readers,
}

impl EventLog {
    /// Opens the log of a data folder, or makes it.
    pub fn open(file: &Path, clock: Clock) -> Result<Self, LogError> {
        let connection = crate::sqlite::writer(file, include_str!("../../../schemas/sql/sqlite/events.sql"))?;
        let (queue, appends) = mpsc::channel(MAX_QUEUED_APPENDS);
        let (head, watched) = watch::channel(rows::head(&connection)?);
        let writer = writer::Writer::new(connection, clock, head.clone());
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            std::thread::Builder::new().name(name.into()).spawn(work).map_err(|error| LogError::Other(error.to_string()))
        };
        spawn("event-log", Box::new(move || writer.run(appends)))?;
        let readers = Readers::of(file);
        let followed = readers.clone();
        spawn("event-log-follow", Box::new(move || follow(&followed, &head)))?;
        Ok(Self { queue, head: watched, readers })
    }

    /// Appends one command's events. It is durable when this answers.
    pub async fn append(&self, append: Append) -> Result<Appended, LogError> {
        let (done, answer) = oneshot::channel();
        self.queue.send(Queued { append, done }).await.map_err(|_| LogError::Stopped)?;
        answer.await.map_err(|_| LogError::Stopped)?
    }

    /// Events after a position, in position order.
    pub async fn read(&self, after: u64, limit: usize) -> Result<Vec<RecordedEvent>, LogError> {
        self.blocking(move |connection| rows::after(connection, after, limit)).await
    }

    /// A stream's events after a version.
    pub async fn read_stream(&self, aggregate_type: &'static str, aggregate_id: &str, after_version: u64) -> Result<Vec<RecordedEvent>, LogError> {
        let id = aggregate_id.to_owned();
        self.blocking(move |connection| rows::stream(connection, aggregate_type, &id, after_version)).await
    }

    /// The newest position there is, whoever wrote it.
    pub async fn head(&self) -> Result<u64, LogError> {
        self.blocking(|connection| rows::head(connection).map_err(LogError::from)).await
    }

    /// The newest position as this process knows it; what others append shows within [`FOLLOW_EVERY`].
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.head.clone()
    }

    async fn blocking<T: Send + 'static>(&self, work: impl FnOnce(&rusqlite::Connection) -> Result<T, LogError> + Send + 'static) -> Result<T, LogError> {
        let readers = self.readers.clone();
        let done = tokio::task::spawn_blocking(move || readers.read(|connection| Ok(work(connection))));
        done.await.map_err(|error| LogError::Other(error.to_string()))??
    }
}

/// Publishes what other processes append, by `PRAGMA data_version`, until nobody listens any more.
fn follow(readers: &Readers, head: &watch::Sender<u64>) {
    let followed = readers.read(|connection| {
        let mut seen = 0i64;
        while !head.is_closed() {
            let version: i64 = connection.pragma_query_value(None, "data_version", |row| row.get(0))?;
            if version != seen {
                seen = version;
                let newest = rows::head(connection)?;
                head.send_if_modified(|known| std::mem::replace(known, newest.max(*known)) < newest);
            }
            std::thread::sleep(FOLLOW_EVERY);
        }
        Ok(())
    });
    if let Err(error) = followed {
        tracing::error!(%error, "the event log can't be followed any more");
    }
}
