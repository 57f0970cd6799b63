//! Webhook deliveries. The **dispatcher** is a projection of the log: for each event and each endpoint that subscribed to it, it writes a delivery row in the
//! transaction of its checkpoint, so that a crash loses no message and makes none twice. The **deliverer** (in `workers`) claims due rows by lease, sends
//! them, and records each attempt here. A lease saves work; correctness is the receiver's `webhook-id`, which is the event's id at every attempt.
//!
//! Endpoints are folded here as well, so that a subscription counts from its own position in the log, whatever the views have reached. A store that is begun
//! anew on an old log sends nothing of the past: `replay` brings that back.

mod attempts;
mod dispatch;
mod message;
mod query;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::watch;
use twig_commands::{log::EventLog, vault::Vault};

pub use attempts::{AttemptResult, DueDelivery, Next, body};
pub use message::MESSAGE_TYPES;
pub use query::DeliveryFilter;

use crate::ViewError;

const DDL: &str = include_str!("../../../schemas/sql/sqlite/webhooks.sql");
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The delivery store, with what is needed to fill it.
#[derive(Clone)]
pub struct Deliveries {
    log: EventLog,
    vault: Vault,
    writer: Arc<Mutex<Connection>>,
    file: Arc<PathBuf>,
    /// Counts up whenever something may have become due.
    due: Arc<watch::Sender<u64>>,
}

impl Deliveries {
    /// Opens or makes the store. What the log held before a new store is never sent.
    pub async fn open(file: &Path, log: EventLog, vault: Vault) -> Result<Self, ViewError> {
        let head = log.head().await?;
        let connection = Connection::open(file)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.set_prepared_statement_cache_capacity(64);
        connection.execute_batch(DDL)?;
        let known: Option<i64> = connection.query_row("SELECT position FROM checkpoint", [], |row| row.get(0)).optional()?;
        if known.is_none() {
            connection.execute("INSERT INTO checkpoint (one, position, sent_after) VALUES (1, 0, ?1)", params![head as i64])?;
        }
        // Whoever held a lease is gone: this process alone has the data folder.
        connection.execute("UPDATE deliveries SET lease_until = NULL WHERE state = 'pending' AND lease_until IS NOT NULL", [])?;
        Ok(Self { log, vault, writer: Arc::new(Mutex::new(connection)), file: Arc::new(file.to_owned()), due: Arc::new(watch::Sender::new(0)) })
    }

    /// Changes when something may have become due.
    #[must_use]
    pub fn due_changes(&self) -> watch::Receiver<u64> {
        self.due.subscribe()
    }

    fn wake(&self) {
        self.due.send_modify(|count| *count += 1);
    }

    async fn change<T: Send + 'static>(&self, work: impl FnOnce(&mut Connection) -> Result<T, ViewError> + Send + 'static) -> Result<T, ViewError> {
        let writer = self.writer.clone();
        let work = move || work(&mut writer.lock().unwrap_or_else(PoisonError::into_inner));
        tokio::task::spawn_blocking(work).await.map_err(|error| ViewError::Other(error.to_string()))?
    }

    async fn read<T: Send + 'static>(&self, work: impl FnOnce(&Connection) -> Result<T, ViewError> + Send + 'static) -> Result<T, ViewError> {
        let file = self.file.clone();
        let work = move || {
            let connection = Connection::open(file.as_path())?;
            connection.busy_timeout(BUSY_TIMEOUT)?;
            connection.pragma_update(None, "query_only", true)?;
            work(&connection)
        };
        tokio::task::spawn_blocking(work).await.map_err(|error| ViewError::Other(error.to_string()))?
    }
}
