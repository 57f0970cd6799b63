//! Webhook deliveries. The **dispatcher** is a projection of the log: for each event and each endpoint that subscribed to it, it writes a row to the queue in
//! the transaction of its checkpoint, so that a crash loses no message and makes none twice. The **deliverer** (in `workers`) claims due rows by lease,
//! sends them, and records each attempt; what has ended leaves the queue for the delivery log. A lease saves work; correctness is the receiver's
//! `webhook-id`, which is the event's id at every attempt.
//!
//! Endpoints are folded here as well, so that a subscription counts from its own position in the log, whatever the views have reached. A store that is begun
//! anew on an old log sends nothing of the past: `replay` brings that back.

mod age;
mod attempts;
mod claims;
mod dispatch;
mod endpoints;
mod erase;
mod message;
mod query;
mod retry;
mod rows;

use std::{path::Path, sync::Arc};

use tokio::sync::watch;
use twig_commands::{
    clock::Clock,
    database::{Database, Durability, PostgresPool, Session},
    log::EventLog,
    vault::Vault,
};

pub use attempts::{AttemptResult, Next};
pub use claims::{DueDelivery, Lane, Ready, Want};
pub use message::MESSAGE_TYPES;
pub use query::DeliveryFilter;

use crate::ViewError;

const SQLITE_DDL: &str = include_str!("../../../schemas/sql/sqlite/webhooks.sql");
const POSTGRES_DDL: &str = include_str!("../../../schemas/sql/postgres/webhooks.sql");

/// The delivery store, with what is needed to fill it.
#[derive(Clone)]
pub struct Deliveries {
    log: EventLog,
    vault: Vault,
    clock: Clock,
    database: Database,
    /// Counts up whenever something may have become due.
    due: Arc<watch::Sender<u64>>,
}

impl Deliveries {
    /// Opens the store of a data folder, or makes it. What the log held before a new store is never sent.
    pub async fn open(file: &Path, log: EventLog, vault: Vault, clock: Clock) -> Result<Self, ViewError> {
        let deliveries = Self::over(Database::sqlite(file, Durability::Normal, SQLITE_DDL)?, log, vault, clock).await?;
        // Whoever held a lease is gone: this process alone has the data folder.
        let release = |session: &mut Session| -> Result<(), ViewError> {
            session.execute("UPDATE webhook_due SET claimed_by = NULL, next_at = due_at WHERE claimed_by IS NOT NULL", &[])?;
            session.execute("UPDATE webhook_dispatch SET owner = NULL", &[])?;
            Ok(())
        };
        deliveries.database.write(release).await?;
        Ok(deliveries)
    }

    /// The store in a PostgreSQL database, for any number of processes.
    pub async fn postgres(pool: PostgresPool, log: EventLog, vault: Vault, clock: Clock) -> Result<Self, ViewError> {
        let (partitions, making) = (age::partitions(clock.now()), pool.clone());
        let made = tokio::task::spawn_blocking(move || making.migrate(POSTGRES_DDL).and_then(|()| making.run_ddl(&partitions)));
        made.await.map_err(|error| ViewError::Other(error.to_string()))??;
        Self::over(Database::Postgres(pool), log, vault, clock).await
    }

    async fn over(database: Database, log: EventLog, vault: Vault, clock: Clock) -> Result<Self, ViewError> {
        let head = log.head().await?;
        let begin = move |session: &mut Session| -> Result<(), ViewError> {
            let sql = "INSERT INTO webhook_dispatch (one, position, sent_after) VALUES (1, 0, ?1) ON CONFLICT (one) DO NOTHING";
            session.execute(sql, &[head.into()])?;
            Ok(())
        };
        database.write(begin).await?;
        Ok(Self { log, vault, clock, database, due: Arc::new(watch::Sender::new(0)) })
    }

    /// Changes when something may have become due.
    #[must_use]
    pub fn due_changes(&self) -> watch::Receiver<u64> {
        self.due.subscribe()
    }

    /// Changes when the log has grown, which another process may be about to dispatch.
    #[must_use]
    pub fn log_changes(&self) -> watch::Receiver<u64> {
        self.log.subscribe()
    }

    fn wake(&self) {
        self.due.send_modify(|count| *count += 1);
    }
}
