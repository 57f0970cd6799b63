//! The runner: one loop for every live projection. It takes a batch of the feed, folds it in memory, and writes rows and checkpoints in one transaction.
//!
//! Checkpoints are read again inside the transaction, so that two processes on one file cannot fold an event twice. A poison event is parked with its
//! error and never stops the feed.

use std::{cell::Cell, collections::HashMap, sync::Arc, time::Duration};

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
/// A pointer switched by another process is seen at the latest after this.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Keeps the live views up with the log.
#[derive(Clone)]
pub struct Projector {
    pub log: EventLog,
    pub vault: Vault,
    pub views: Views,
}

impl Projector {
    /// Runs until it is canceled.
    pub async fn run(self, cancel: CancellationToken) {
        let mut head = self.log.subscribe();
        while !cancel.is_cancelled() {
            match self.catch_up().await {
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
    }

    /// Keeps the live views up with the topic that the relay writes, sharing its partitions with every other projector, until it is canceled.
    #[cfg(feature = "kafka")]
    pub async fn run_from_kafka(self, settings: crate::feed::KafkaSettings, cancel: CancellationToken) {
        let ended = tokio::task::spawn_blocking(move || crate::feed::consumer::run(&self, &settings, &cancel)).await;
        if let Err(error) = ended {
            tracing::error!(%error, "the feed from Kafka ended");
        }
    }

    /// Folds everything that the log has and the views do not.
    pub async fn catch_up(&self) -> Result<(), ViewError> {
        if self.catch_up_partitions().await? {
            return Ok(());
        }
        loop {
            let from = self.views.checkpoint().await?;
            let events = self.log.read(from, MAX_BATCH_EVENTS).await?;
            let full = events.len() == MAX_BATCH_EVENTS;
            if events.is_empty() {
                self.views.publish(from);
                return Ok(());
            }
            let (views, vault) = (self.views.clone(), self.vault.clone());
            tokio::task::spawn_blocking(move || views.fold_live(&events, &vault)).await.map_err(|error| ViewError::Other(error.to_string()))??;
            if !full {
                let reached = self.views.checkpoint().await?;
                if reached >= self.log.head().await? {
                    return Ok(());
                }
            }
        }
    }
}

impl Projector {
    /// The same, from the log, for views that a partitioned feed has begun; `false` where none has.
    async fn catch_up_partitions(&self) -> Result<bool, ViewError> {
        loop {
            let known = self.views.blocking(Views::feed_checkpoints).await?;
            let partitions = known.len() as u32;
            let mut planner = Planner::default();
            known.into_iter().for_each(|(partition, reached)| planner.assign(partition, reached));
            let Some(after) = planner.lowest() else { return Ok(false) };
            let Some(batch) = planner.from_log(after, self.log.read(after, MAX_BATCH_EVENTS).await?, partitions) else {
                self.views.publish(after);
                return Ok(true);
            };
            let vault = self.vault.clone();
            self.views.blocking(move |views| views.fold_feed(&batch, partitions, &vault)).await?;
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
    /// One transaction for all live projections.
    fn fold_live(&self, events: &[RecordedEvent], vault: &Vault) -> Result<(), ViewError> {
        let events: Vec<Arc<RecordedEvent>> = events.iter().cloned().map(Arc::new).collect();
        let reached = self.database.write_now(|session| {
            let live = crate::views::live_versions(session)?;
            let keys = Keys::of(vault);
            let mut reached = u64::MAX;
            // In one order, so that two processes never wait for each other.
            for projection in Projection::ALL {
                if let Some(version) = live.get(&projection) {
                    reached = reached.min(fold_batch(session, projection, *version, &events, &|sealed| keys.open(sealed))?);
                }
            }
            keys.check()?;
            // Looked at last, while every version is held: one feed at a time folds a version.
            if checkpoint::has_begun(session)? {
                return Err(ViewError::Other("a partitioned feed has begun".into()));
            }
            Ok(reached)
        })?;
        self.publish(reached);
        metrics::gauge!("twig_projection_position").set(reached as f64);
        Ok(())
    }
}

/// The live version of each projection.
pub type Live = HashMap<Projection, i64>;
