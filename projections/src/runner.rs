//! The runner: one loop for every live projection. It takes a batch of the feed, folds it in memory, and writes rows and checkpoints in one transaction.
//!
//! Checkpoints are read again inside the transaction, so that two processes on one file cannot fold an event twice. A poison event is parked with its
//! error and never stops the feed.

use std::{cell::Cell, collections::HashMap, sync::Arc, time::Duration};

use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use tokio_util::sync::CancellationToken;
use twig_commands::{
    log::{EventLog, RecordedEvent},
    vault::{Vault, VaultError},
};
use twig_domain::Sealed;

use crate::{
    fold::{FoldError, Opener, Projection},
    store::BatchRows,
    views::{ViewError, Views},
};

pub const MAX_BATCH_EVENTS: usize = 1000;
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

    /// Folds everything that the log has and the views do not.
    pub async fn catch_up(&self) -> Result<(), ViewError> {
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

/// Folds a batch into one version of a projection and moves its checkpoint; events at or below it are skipped.
pub fn fold_batch(transaction: &Transaction, projection: Projection, version: i64, events: &[Arc<RecordedEvent>], open: Opener) -> Result<u64, ViewError> {
    let position: i64 = transaction
        .prepare_cached("SELECT position FROM projections WHERE name = ?1 AND version = ?2")?
        .query_row(params![projection.name(), version], |row| row.get(0))?;
    let mut reached = position as u64;
    let mut rows = BatchRows::new(transaction, version);
    for recorded in events.iter().filter(|recorded| recorded.position > position as u64) {
        match fold_one(&mut rows, projection, recorded, open) {
            Ok(()) => {}
            // The store's trouble is not the event's fault: the whole batch is tried again.
            Err(FoldError::Store(error)) if error.sqlite_error_code().is_some() => return Err(error.into()),
            Err(error) => park(transaction, projection, version, recorded.position, &error.to_string())?,
        }
        reached = recorded.position;
    }
    rows.write()?;
    transaction.prepare_cached("UPDATE projections SET position = ?3 WHERE name = ?1 AND version = ?2")?.execute(params![
        projection.name(),
        version,
        reached as i64
    ])?;
    Ok(reached)
}

/// The keys that a batch opens words with. Where their store fails, the batch fails, for the words would seem erased.
pub struct Keys<'a> {
    vault: &'a Vault,
    failed: Cell<Option<rusqlite::Error>>,
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

fn park(connection: &Connection, projection: Projection, version: i64, position: u64, error: &str) -> Result<(), rusqlite::Error> {
    tracing::error!(projection = projection.name(), position, error, "an event could not be folded and was parked");
    metrics::counter!("twig_projection_dead_events_total", "projection" => projection.name()).increment(1);
    let sql = "INSERT OR REPLACE INTO dead_events (projection, version, position, error) VALUES (?1, ?2, ?3, ?4)";
    connection.prepare_cached(sql)?.execute(params![projection.name(), version, position as i64, error]).map(drop)
}

impl Views {
    /// One transaction for all live projections.
    fn fold_live(&self, events: &[RecordedEvent], vault: &Vault) -> Result<(), ViewError> {
        let events: Vec<Arc<RecordedEvent>> = events.iter().cloned().map(Arc::new).collect();
        let reached = self.write(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let live = crate::views::live_versions(&transaction)?;
            let keys = Keys::of(vault);
            let mut reached = u64::MAX;
            for (projection, version) in &live {
                reached = reached.min(fold_batch(&transaction, *projection, *version, &events, &|sealed| keys.open(sealed))?);
            }
            keys.check()?;
            transaction.commit()?;
            Ok(reached)
        })?;
        self.publish(reached);
        metrics::gauge!("twig_projection_position").set(reached as f64);
        Ok(())
    }
}

/// The live version of each projection.
pub type Live = HashMap<Projection, i64>;
