//! The log in one SQLite file: a thread that writes, readers beside it, and a look at what other processes append.

mod writer;

use std::{path::Path, time::Duration};

use tokio::sync::watch;

use super::{
    Append, Appended, LogError, RecordedEvent, publish,
    queue::{Place, Queue, queue},
    rows,
};
use crate::{
    clock::Clock,
    database::{Database, Durability, Readers, StoreError, sqlite_writer},
};

/// How soon what another process appended is noticed.
const FOLLOW_EVERY: Duration = Duration::from_millis(40);

#[derive(Clone)]
pub struct SqliteLog {
    queue: Queue,
    head: watch::Receiver<u64>,
    readers: Readers,
    database: Database,
}

impl SqliteLog {
    pub(super) fn open(file: &Path, clock: Clock) -> Result<Self, LogError> {
        let ddl = concat!(include_str!("../../../../schemas/sql/sqlite/events.sql"), include_str!("../../../../schemas/sql/sqlite/beside.sql"));
        let connection = sqlite_writer(file, Durability::Full, ddl)?;
        // What stands beside the events is written by a connection of its own. It is synced too: a destroyed key must stay destroyed.
        let database = Database::sqlite(file, Durability::Full, "")?;
        let (queue, appends) = queue();
        let (head, watched) = watch::channel(rows::head(&connection)?);
        let writer = writer::Writer::new(connection, clock, head.clone());
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            std::thread::Builder::new().name(name.into()).spawn(work).map_err(|error| LogError::Other(error.to_string()))
        };
        spawn("event-log", Box::new(move || writer.run(appends)))?;
        let readers = Readers::of(file);
        let followed = readers.clone();
        spawn("event-log-follow", Box::new(move || follow(&followed, &head)))?;
        Ok(Self { queue, head: watched, readers, database })
    }

    pub(super) fn database(&self) -> Database {
        self.database.clone()
    }

    pub(super) async fn append(&self, append: Append) -> Result<Appended, LogError> {
        self.queue.append(append).await
    }

    pub(super) async fn place(&self) -> Result<Place, LogError> {
        self.queue.place().await
    }

    pub(super) async fn read(&self, after: u64, limit: usize) -> Result<Vec<RecordedEvent>, LogError> {
        self.blocking(move |connection| rows::after(connection, after, limit)).await
    }

    pub(super) async fn read_stream(&self, aggregate_type: &'static str, aggregate_id: &str, after_version: u64) -> Result<Vec<RecordedEvent>, LogError> {
        let id = aggregate_id.to_owned();
        self.blocking(move |connection| rows::stream(connection, aggregate_type, &id, after_version)).await
    }

    pub(super) async fn head(&self) -> Result<u64, LogError> {
        self.blocking(|connection| rows::head(connection).map_err(LogError::from)).await
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.head.clone()
    }

    async fn blocking<T: Send + 'static>(&self, work: impl FnOnce(&rusqlite::Connection) -> Result<T, LogError> + Send + 'static) -> Result<T, LogError> {
        let readers = self.readers.clone();
        tokio::task::spawn_blocking(move || readers.read(work)).await.map_err(|error| LogError::Other(error.to_string()))?
    }
}

/// Publishes what other processes append, by `PRAGMA data_version`, until nobody listens any more.
fn follow(readers: &Readers, head: &watch::Sender<u64>) {
    let followed: Result<(), StoreError> = readers.read(|connection| {
        let mut seen = 0i64;
        while !head.is_closed() {
            let version: i64 = connection.pragma_query_value(None, "data_version", |row| row.get(0))?;
            if version != seen {
                seen = version;
                publish(head, rows::head(connection)?);
            }
            std::thread::sleep(FOLLOW_EVERY);
        }
        Ok(())
    });
    if let Err(error) = followed {
        tracing::error!(%error, "the event log can't be followed any more");
    }
}
