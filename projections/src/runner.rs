//! The runner: one loop for every live projection. It takes a batch of the feed, folds it in memory, and writes rows and checkpoints in one transaction.
//!
//! Checkpoints are read again inside the transaction, so that two processes on one file cannot fold an event twice. A poison event is parked with its
//! error and never stops the feed.

#[cfg(feature = "kafka")]
use std::time::Instant;
use std::{cell::Cell, collections::HashMap, sync::Arc, time::Duration};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use twig_commands::{
    database::{Engine, Session, StoreError},
    log::{EventLog, RecordedEvent},
    vault::{Vault, VaultError},
};
use twig_domain::Sealed;

use crate::{
    feed::{MAX_BATCH_EVENTS, Planner, checkpoint},
    fold::{FoldError, Opener, Projection},
    store::BatchRows,
    views::{ViewError, Views},
};

const RETRY_AFTER: Duration = Duration::from_millis(500);
/// A topic that has brought nothing for so long, while the log has something, is not waited for; reads of own writes wait longer than this.
#[cfg(feature = "kafka")]
const TOPIC_IS_LATE_AFTER: Duration = Duration::from_millis(1500);
#[cfg(feature = "kafka")]
const TOPIC_IS_LATE_FOR: Duration = Duration::from_secs(10);
/// A pointer switched by another process is seen at the latest after this.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Keeps the live views up with the log.
#[derive(Clone)]
pub struct Projector {
    pub log: EventLog,
    pub vault: Vault,
    pub views: Views,
}

/// Which live versions are folded by their own position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Folded {
    All,
    /// Those that a partitioned feed leaves to the log.
    InLogOrder,
}

impl Folded {
    fn projections(self) -> impl Iterator<Item = Projection> {
        Projection::ALL.into_iter().filter(move |projection| self == Self::All || projection.in_log_order())
    }
}

/// Whether the topic brings the views what the log has.
#[cfg(feature = "kafka")]
#[derive(Clone, Copy, Debug)]
enum Topic {
    InTime,
    /// It has not, since then, come beyond a position.
    Waited {
        position: u64,
        since: Instant,
    },
    /// It is not waited for, for a while.
    Late {
        since: Instant,
    },
}

#[cfg(feature = "kafka")]
impl Topic {
    fn seen(self, position: u64, head: u64) -> Self {
        match self {
            Self::Late { since } if since.elapsed() < TOPIC_IS_LATE_FOR => self,
            Self::Waited { position: before, since } if position == before && position < head => {
                if since.elapsed() < TOPIC_IS_LATE_AFTER {
                    return self;
                }
                tracing::warn!(position, head, "the topic is late: the views are fed from the log");
                metrics::counter!("twig_feed_late_total").increment(1);
                Self::Late { since: Instant::now() }
            }
            _ if position < head => Self::Waited { position, since: Instant::now() },
            _ => Self::InTime,
        }
    }
}

impl Projector {
    /// Runs until it is canceled.
    pub async fn run(self, cancel: CancellationToken) {
        let mut head = self.log.subscribe();
        while !cancel.is_cancelled() {
            let done = self.catch_up().await;
            rest(done, &mut head, &cancel).await;
        }
    }

    /// Keeps the live views up with the topic that the relay writes, sharing its partitions with every other projector, until it is canceled. What needs the
    /// log's order is folded from the log beside it.
    #[cfg(feature = "kafka")]
    pub async fn run_from_kafka(self, settings: crate::feed::KafkaSettings, cancel: CancellationToken) {
        let in_log_order = tokio::spawn(self.clone().run_in_log_order(cancel.clone()));
        let by_partitions = tokio::task::spawn_blocking(move || crate::feed::consumer::run(&self, &settings, &cancel));
        for ended in [by_partitions.await, in_log_order.await] {
            if let Err(error) = ended {
                tracing::error!(%error, "a feed of the views ended");
            }
        }
    }

    /// Folds what needs the log's order; and, from the log, what the topic does not bring in time: its brokers may be away, or who has a partition may hang.
    #[cfg(feature = "kafka")]
    async fn run_in_log_order(self, cancel: CancellationToken) {
        let mut head = self.log.subscribe();
        let mut topic = Topic::InTime;
        while !cancel.is_cancelled() {
            let mut done = self.catch_up_by_position(Folded::InLogOrder, &|_, _| {}).await;
            topic = topic.seen(self.views.position(), *head.borrow());
            if let (Ok(()), Topic::Late { .. }) = (&done, topic) {
                done = self.catch_up_partitions(&|_, _| {}).await.map(drop);
            }
            rest(done, &mut head, &cancel).await;
        }
    }

    /// Folds everything that the log has and the views do not.
    pub async fn catch_up(&self) -> Result<(), ViewError> {
        self.catch_up_telling(|_, _| {}).await
    }

    /// The same; `progress` hears what all views have reached, and the log's end, after each batch.
    pub async fn catch_up_telling(&self, progress: impl Fn(u64, u64)) -> Result<(), ViewError> {
        let folded = if self.catch_up_partitions(&progress).await? { Folded::InLogOrder } else { Folded::All };
        self.catch_up_by_position(folded, &progress).await
    }

    fn tell(&self, progress: &impl Fn(u64, u64)) {
        progress(self.views.position(), *self.log.subscribe().borrow());
    }

    async fn catch_up_by_position(&self, folded: Folded, progress: &impl Fn(u64, u64)) -> Result<(), ViewError> {
        loop {
            let from = self.views.blocking(move |views| views.reached(folded)).await?;
            let events = self.log.read(from, MAX_BATCH_EVENTS).await?;
            let full = events.len() == MAX_BATCH_EVENTS;
            if events.is_empty() {
                self.views.publish(self.views.checkpoint().await?);
                return Ok(());
            }
            let vault = self.vault.clone();
            self.views.blocking(move |views| views.fold_live(&events, &vault, folded)).await?;
            self.tell(progress);
            if !full && self.views.blocking(move |views| views.reached(folded)).await? >= self.log.head().await? {
                return Ok(());
            }
        }
    }

    /// From the log, for views that a partitioned feed has begun; `false` where none has.
    async fn catch_up_partitions(&self, progress: &impl Fn(u64, u64)) -> Result<bool, ViewError> {
        loop {
            let known = self.views.blocking(Views::feed_checkpoints).await?;
            let partitions = known.len() as u32;
            let mut planner = Planner::default();
            known.into_iter().for_each(|(partition, reached)| planner.assign(partition, reached));
            let Some(after) = planner.lowest() else { return Ok(false) };
            let Some(batch) = planner.from_log(after, self.log.read(after, MAX_BATCH_EVENTS).await?, partitions) else {
                return Ok(true);
            };
            let vault = self.vault.clone();
            self.views.blocking(move |views| views.fold_feed(&batch, partitions, &vault)).await?;
            self.tell(progress);
        }
    }
}

/// Waits for more, or after a failure for a while.
async fn rest(done: Result<(), ViewError>, head: &mut watch::Receiver<u64>, cancel: &CancellationToken) {
    match done {
        Ok(()) => {
            tokio::select! {
                _ = head.changed() => {}
                () = tokio::time::sleep(LOOK_AGAIN_AFTER) => {}
                () = cancel.cancelled() => {}
            }
        }
        Err(error) => {
            tracing::error!(%error, "the views could not be brought up to the log");
            tokio::time::sleep(RETRY_AFTER).await;
        }
    }
}

/// Folds a batch into one version of a projection and moves its checkpoint; events at or below it are skipped.
pub fn fold_batch(session: &mut Session, projection: Projection, version: i64, events: &[Arc<RecordedEvent>], open: Opener) -> Result<u64, ViewError> {
    // Where several processes fold, the checkpoint's row is held by one of them until it has committed.
    let held = if session.engine() == Engine::Postgres { " FOR UPDATE" } else { "" };
    let sql = format!("SELECT position FROM projections WHERE name = ?1 AND version = ?2{held}");
    let position: u64 = session.query_one(&sql, &[projection.name().into(), version.into()])?.get(0)?;
    let new: Vec<&Arc<RecordedEvent>> = events.iter().filter(|recorded| recorded.position > position).collect();
    fold_events(session, projection, version, &new, open)?;
    let reached = new.last().map_or(position, |last| last.position);
    session.execute("UPDATE projections SET position = ?3 WHERE name = ?1 AND version = ?2", &[projection.name().into(), version.into(), reached.into()])?;
    Ok(reached)
}

/// Folds events that a version does not have yet. One that cannot be folded is parked.
pub fn fold_events(session: &mut Session, projection: Projection, version: i64, new: &[&Arc<RecordedEvent>], open: Opener) -> Result<(), ViewError> {
    let mut rows = BatchRows::new(session, version);
    rows.prefetch(projection, new)?;
    let mut parked = Vec::new();
    for recorded in new {
        match fold_one(&mut rows, projection, recorded, open) {
            Ok(()) => {}
            // The store's trouble is not the event's fault: the whole batch is tried again.
            Err(FoldError::Store(error)) if !error.is_about_data() => return Err(error.into()),
            Err(error) => parked.push((recorded.position, error.to_string())),
        }
    }
    rows.write()?;
    for (position, error) in parked {
        park(session, projection, version, position, &error)?;
    }
    Ok(())
}

/// The keys that a batch opens words with. Where their store fails, the batch fails, for the words would seem erased.
pub struct Keys<'a> {
    vault: &'a Vault,
    failed: Cell<Option<StoreError>>,
}

impl<'a> Keys<'a> {
    pub fn of(vault: &'a Vault) -> Self {
        Self { vault, failed: Cell::new(None) }
    }

    pub fn open(&self, sealed: &Sealed) -> Option<String> {
        self.vault.open_text(sealed).unwrap_or_else(|error| {
            if let VaultError::Store(error) = error {
                self.failed.set(Some(error));
            }
            None
        })
    }

    pub fn check(self) -> Result<(), ViewError> {
        self.failed.into_inner().map_or(Ok(()), |error| Err(error.into()))
    }
}

fn fold_one(rows: &mut BatchRows, projection: Projection, recorded: &RecordedEvent, open: Opener) -> Result<(), FoldError> {
    projection.fold(rows, recorded, &recorded.event()?, open)
}

fn park(session: &mut Session, projection: Projection, version: i64, position: u64, error: &str) -> Result<(), StoreError> {
    tracing::error!(projection = projection.name(), position, error, "an event could not be folded and was parked");
    metrics::counter!("twig_projection_dead_events_total", "projection" => projection.name()).increment(1);
    let row = vec![projection.name().into(), version.into(), position.into(), error.into()];
    session.upsert("dead_events", &["projection", "version", "position", "error"], &["projection", "version", "position"], vec![row])
}

impl Views {
    /// The lowest position of these live versions.
    fn reached(&self, folded: Folded) -> Result<u64, ViewError> {
        self.database.read_now(|session| {
            let mut lowest = None;
            for row in session.query("SELECT name, position FROM projections WHERE live = 1", &[])? {
                let (name, position): (String, u64) = (row.get(0)?, row.get(1)?);
                if folded.projections().any(|projection| projection.name() == name) {
                    lowest = Some(lowest.unwrap_or(position).min(position));
                }
            }
            Ok(lowest.unwrap_or(0))
        })
    }

    /// One transaction for all of these live versions.
    fn fold_live(&self, events: &[RecordedEvent], vault: &Vault, folded: Folded) -> Result<(), ViewError> {
        let events: Vec<Arc<RecordedEvent>> = events.iter().cloned().map(Arc::new).collect();
        let lowest: u64 = self.database.write_now(|session| {
            let live = crate::views::live_versions(session)?;
            let keys = Keys::of(vault);
            // In one order, so that two processes never wait for each other.
            for projection in folded.projections() {
                if let Some(version) = live.get(&projection) {
                    fold_batch(session, projection, *version, &events, &|sealed| keys.open(sealed))?;
                }
            }
            keys.check()?;
            // Looked at last, while every version is held: one feed at a time folds a version.
            if folded == Folded::All && checkpoint::has_begun(session)? {
                return Err(ViewError::Other("a partitioned feed has begun".into()));
            }
            Ok(session.query_one(checkpoint::LOWEST, &[])?.get(0)?)
        })?;
        self.publish(lowest);
        metrics::gauge!("twig_projection_position").set(lowest as f64);
        Ok(())
    }
}

/// The live version of each projection.
pub type Live = HashMap<Projection, i64>;
