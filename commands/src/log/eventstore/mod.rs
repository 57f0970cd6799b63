//! The log in EventStoreDB (KurrentDB, by its new name): a stream an aggregate (`Agent-<id>`), expected revisions, and `$all` as the tail.
//!
//! Positions are the server's commit positions: they grow strictly and have gaps, and times are the server's, so that they never go back.
//!
//! A server of streams has no transaction with anything else. What the other logs write together with the events stands in a database beside it, and goes
//! there in an order that a crash may cut anywhere: subjects' keys and the intent of a command that has an `Idempotency-Key` are synced first, then the events
//! are appended, then the intent becomes the key's outcome. An intent that was left behind names the event that would tell: whoever finds it looks into the
//! stream, so no command runs twice and no outcome is lost. All that a refused command may leave behind is a subject's key, for the next one to use.
//!
//! Invariant: an append whose answer was lost is settled by its event ids, never repeated blindly.

mod beside;
mod events;
mod server;
mod writer;

use std::{
    sync::{Arc, LazyLock, mpsc},
    time::Duration,
};

use tokio::sync::watch;

use self::{beside::Beside, server::Server};
use super::{
    Append, Appended, LogError, RecordedEvent, publish,
    queue::{Place, Queue, queue},
};
use crate::{
    clock::Clock,
    database::{Database, DatabaseUrl, Durability, PostgresPool},
};

/// How soon what another process appended is noticed.
const FOLLOW_EVERY: Duration = Duration::from_millis(50);
const IO_THREADS: usize = 2;

/// Connections belong to this runtime, whichever runtime their callers come from and end with.
static IO: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    let built = tokio::runtime::Builder::new_multi_thread().worker_threads(IO_THREADS).thread_name("event-store").enable_all().build();
    built.expect("a machine that runs this can start two threads")
});

fn open(beside: &DatabaseUrl) -> Result<Database, LogError> {
    match beside {
        DatabaseUrl::Sqlite(file) => {
            let ddl = concat!(include_str!("../../../../schemas/sql/sqlite/beside.sql"), include_str!("../../../../schemas/sql/sqlite/intents.sql"));
            Ok(Database::sqlite(file, Durability::Full, ddl)?)
        }
        DatabaseUrl::Postgres(url) => {
            let pool = PostgresPool::connect(url, None)?;
            pool.migrate(concat!(include_str!("../../../../schemas/sql/postgres/beside.sql"), include_str!("../../../../schemas/sql/postgres/intents.sql")))?;
            Ok(Database::Postgres(pool))
        }
    }
}

#[derive(Clone)]
pub struct EventStoreLog {
    queue: Queue,
    head: watch::Receiver<u64>,
    server: Arc<Server>,
    database: Database,
}

impl EventStoreLog {
    pub(super) fn open(url: &str, beside: &DatabaseUrl, clock: Clock) -> Result<Self, LogError> {
        let (server, database) = (Arc::new(Server::of(url)?), open(beside)?);
        let beside = Beside { database: database.clone(), server: server.clone(), clock: clock.clone() };
        let (first, settling) = (server.clone(), beside.clone());
        let newest = wait(async move {
            let newest = first.newest().await?;
            settling.settle_all().await?;
            Ok(newest)
        })?;
        let (queue, appends) = queue();
        let (head, watched) = watch::channel(newest);
        IO.spawn(writer::write(writer::Writer { server: server.clone(), beside, clock, head: head.clone() }, appends));
        IO.spawn(follow(server.clone(), head));
        Ok(Self { queue, head: watched, server, database })
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
        let server = self.server.clone();
        spawned(async move { server.read(after, limit).await }).await
    }

    pub(super) async fn at(&self, position: u64) -> Result<Option<RecordedEvent>, LogError> {
        let server = self.server.clone();
        spawned(async move { server.at(position).await }).await
    }

    pub(super) async fn read_stream(&self, aggregate_type: &'static str, aggregate_id: &str, after_version: u64) -> Result<Vec<RecordedEvent>, LogError> {
        let (server, id) = (self.server.clone(), aggregate_id.to_owned());
        spawned(async move { server.read_stream(aggregate_type, &id, after_version).await }).await
    }

    pub(super) async fn head(&self) -> Result<u64, LogError> {
        let (server, known) = (self.server.clone(), *self.head.borrow());
        spawned(async move { server.newest_after(known).await }).await
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.head.clone()
    }
}

async fn spawned<T: Send + 'static>(work: impl Future<Output = Result<T, LogError>> + Send + 'static) -> Result<T, LogError> {
    IO.spawn(work).await.map_err(|error| LogError::Other(error.to_string()))?
}

/// Waits for a future of the connections' runtime, on a thread that may belong to another.
fn wait<T: Send + 'static>(work: impl Future<Output = Result<T, LogError>> + Send + 'static) -> Result<T, LogError> {
    let (done, answer) = mpsc::sync_channel(1);
    IO.spawn(async move { done.send(work.await) });
    answer.recv().map_err(|_| LogError::Stopped)?
}

/// Publishes what other processes append, by looking behind the newest that is known. The client's own subscriptions are not used: where a server ends one
/// in good order, kurrentdb 1.2 asks the ended stream for ever, without a pause.
async fn follow(server: Arc<Server>, head: watch::Sender<u64>) {
    let mut reachable = true;
    while !head.is_closed() {
        let known = *head.borrow();
        match server.newest_after(known).await {
            Ok(newest) => {
                reachable = true;
                publish(&head, newest);
            }
            Err(error) => {
                if std::mem::take(&mut reachable) {
                    tracing::warn!(%error, "the event log's head could not be read");
                }
            }
        }
        tokio::time::sleep(FOLLOW_EVERY).await;
    }
}
