//! Outcomes of requests with an `Idempotency-Key`: the first that changed something is kept 24 hours and answered again.
//!
//! The row is written by the append's transaction, so an outcome and its key are never one without the other; the answer's bytes follow.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use twig_domain::{Timestamp, id::OrgId};

use crate::log::LogError;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    pub organization: OrgId,
    pub key: String,
    pub route: String,
    /// A hash of the body.
    pub fingerprint: String,
}

/// An answer as it was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredResponse {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredOutcome {
    /// `None` where the process died between the events and the answer.
    pub response: Option<StoredResponse>,
    pub position: u64,
}

/// What is known of a key when its request begins.
pub enum Begin {
    New(RunningGuard),
    Running,
    Mismatch,
    Done(StoredOutcome),
}

type Running = Arc<Mutex<HashSet<(OrgId, String)>>>;

/// Marks a key as running until it is dropped.
pub struct RunningGuard {
    running: Running,
    key: (OrgId, String),
}

impl Drop for RunningGuard {
    fn drop(&mut self) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

#[derive(Clone)]
pub struct Idempotency {
    running: Running,
    connection: Arc<Mutex<Connection>>,
}

impl Idempotency {
    /// Opens the keys that stand in a log's file.
    pub fn open(file: &Path) -> Result<Self, LogError> {
        let connection = Connection::open(PathBuf::from(file))?;
        connection.busy_timeout(std::time::Duration::from_secs(10))?;
        // The outcome itself is synced by the append; a lost answer is made good by its position.
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        Ok(Self { running: Arc::default(), connection: Arc::new(Mutex::new(connection)) })
    }

    pub async fn begin(&self, key: &IdempotencyKey, now: Timestamp) -> Result<Begin, LogError> {
        let guard_key = (key.organization, key.key.clone());
        if !self.running.lock().unwrap_or_else(PoisonError::into_inner).insert(guard_key.clone()) {
            return Ok(Begin::Running);
        }
        let guard = RunningGuard { running: self.running.clone(), key: guard_key };
        let (organization, text) = (key.organization.to_string(), key.key.clone());
        let found = self
            .blocking(move |connection| {
                let mut find = connection.prepare_cached(
                    "SELECT route, fingerprint, position, response FROM idempotency WHERE organization = ?1 AND key = ?2 AND expires_at > ?3",
                )?;
                let row =
                    |row: &rusqlite::Row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?, row.get::<_, Option<Vec<u8>>>(3)?));
                find.query_row(params![organization, text, now.millis()], row).optional()
            })
            .await?;
        Ok(match found {
            None => Begin::New(guard),
            Some((route, fingerprint, ..)) if route != key.route || fingerprint != key.fingerprint => Begin::Mismatch,
            Some((.., position, response)) => {
                Begin::Done(StoredOutcome { response: response.and_then(|bytes| serde_json::from_slice(&bytes).ok()), position: position as u64 })
            }
        })
    }

    pub async fn save_response(&self, key: &IdempotencyKey, response: StoredResponse) -> Result<(), LogError> {
        let (organization, text) = (key.organization.to_string(), key.key.clone());
        let bytes = serde_json::to_vec(&response).map_err(|error| LogError::Other(error.to_string()))?;
        self.blocking(move |connection| {
            connection.prepare_cached("UPDATE idempotency SET response = ?3 WHERE organization = ?1 AND key = ?2")?.execute(params![organization, text, bytes])
        })
        .await
        .map(drop)
    }

    /// Drops outcomes that have had their time.
    pub async fn forget_expired(&self, now: Timestamp) -> Result<usize, LogError> {
        self.blocking(move |connection| connection.execute("DELETE FROM idempotency WHERE expires_at <= ?1", [now.millis()])).await
    }

    async fn blocking<T: Send + 'static>(&self, work: impl FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send + 'static) -> Result<T, LogError> {
        let connection = self.connection.clone();
        let done = tokio::task::spawn_blocking(move || work(&connection.lock().unwrap_or_else(PoisonError::into_inner)));
        Ok(done.await.map_err(|error| LogError::Other(error.to_string()))??)
    }
}
