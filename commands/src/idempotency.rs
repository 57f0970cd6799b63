//! Outcomes of requests with an `Idempotency-Key`: the first that changed something is kept 24 hours and answered again.
//!
//! The row is written by the append's transaction, so an outcome and its key are never one without the other; the answer's bytes follow.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};
use twig_domain::{Timestamp, id::OrgId};

use crate::{
    database::{Database, Engine, Session, StoreError, postgres::PROCESS},
    ids::random_bytes,
    log::LogError,
    vault::Vault,
};

/// How long an outcome is kept (API §1).
pub(crate) const KEPT_S: i64 = 24 * 3600;
/// How long a process's claim on a key lasts where nobody gives it back.
const CLAIM_S: i64 = 150;
const PURPOSE: &str = "idempotency";
/// So that no append waits for long.
const FORGOTTEN_AT_ONCE: i64 = 500;

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
    /// Where other processes look.
    claimed: Option<(Database, String)>,
}

impl Drop for RunningGuard {
    fn drop(&mut self) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
        if let Some((database, owner)) = self.claimed.take() {
            let values = [self.key.0.to_string().into(), self.key.1.as_str().into(), owner.into()];
            // A claim that can't be given back ends by itself.
            std::thread::spawn(move || {
                let given = database
                    .write_now(|session| session.execute("DELETE FROM idempotency_running WHERE organization = ?1 AND key = ?2 AND owner = ?3", &values));
                if let Err(error) = given {
                    tracing::warn!(%error, "a claim on an Idempotency-Key could not be given back");
                }
            });
        }
    }
}

#[derive(Clone)]
pub struct Idempotency {
    running: Running,
    database: Database,
    /// Answers may hold somebody's words: they are kept sealed.
    vault: Vault,
    /// This process, to others on the same database.
    owner: String,
}

impl Idempotency {
    /// The keys that stand beside a log. Outcomes are synced by the append; a lost answer is made good by its position.
    #[must_use]
    pub fn new(database: Database, vault: Vault) -> Self {
        let owner = format!("{}/{:032x}", &*PROCESS, u128::from_be_bytes(random_bytes()));
        Self { running: Arc::default(), database, vault, owner }
    }

    pub async fn begin(&self, key: &IdempotencyKey, now: Timestamp) -> Result<Begin, LogError> {
        let guard_key = (key.organization, key.key.clone());
        if !self.running.lock().unwrap_or_else(PoisonError::into_inner).insert(guard_key.clone()) {
            return Ok(Begin::Running);
        }
        let mut guard = RunningGuard { running: self.running.clone(), key: guard_key, claimed: None };
        let (organization, text, owner) = (key.organization.to_string(), key.key.clone(), self.owner.clone());
        let look = move |session: &mut Session| {
            // SQLite's log has one process that answers requests; PostgreSQL's may have many.
            let claimed = session.engine() == Engine::Sqlite || claim(session, &organization, &text, &owner, now)?;
            let sql = "SELECT route, fingerprint, position, response FROM idempotency WHERE organization = ?1 AND key = ?2 AND expires_at > ?3";
            let found = session.query_first(sql, &[(&organization).into(), (&text).into(), now.millis().into()])?;
            let found = found.map(|row| Ok::<_, StoreError>((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))).transpose()?;
            Ok::<(bool, Option<(String, String, u64, Option<Vec<u8>>)>), StoreError>((claimed, found))
        };
        let (claimed, found) = match self.database.engine() {
            Engine::Sqlite => self.database.read(look).await?,
            Engine::Postgres => self.database.write(look).await?,
        };
        if claimed && self.database.engine() == Engine::Postgres {
            guard.claimed = Some((self.database.clone(), self.owner.clone()));
        }
        Ok(match found {
            None if !claimed => Begin::Running,
            None => Begin::New(guard),
            Some((route, fingerprint, ..)) if route != key.route || fingerprint != key.fingerprint => Begin::Mismatch,
            Some((.., position, response)) => {
                let response = response.and_then(|sealed| self.vault.open_own(PURPOSE, &sealed)).and_then(|bytes| serde_json::from_slice(&bytes).ok());
                Begin::Done(StoredOutcome { response, position })
            }
        })
    }

    pub async fn save_response(&self, key: &IdempotencyKey, response: StoredResponse) -> Result<(), LogError> {
        let bytes = serde_json::to_vec(&response).map_err(|error| LogError::Other(error.to_string()))?;
        let values = [key.organization.to_string().into(), key.key.as_str().into(), self.vault.seal_own(PURPOSE, &bytes).into()];
        let saved = self.database.write(move |session| session.execute("UPDATE idempotency SET response = ?3 WHERE organization = ?1 AND key = ?2", &values));
        Ok(saved.await.map(drop)?)
    }

    /// Removes kept answers to the requests that made these events; their keys stay taken. How many there were.
    pub async fn forget_answers(&self, organization: OrgId, positions: Vec<u64>) -> Result<u64, LogError> {
        let forget = move |session: &mut Session| {
            let sql = "UPDATE idempotency SET response = NULL WHERE organization = ?1 AND position = ?2 AND response IS NOT NULL";
            let organization = organization.to_string();
            positions.iter().try_fold(0, |forgotten, position| Ok(forgotten + session.execute(sql, &[(&organization).into(), (*position).into()])?))
        };
        Ok(self.database.write::<_, StoreError>(forget).await?)
    }

    /// Drops some of the outcomes that have had their time; how many there were.
    pub async fn forget_expired(&self, now: Timestamp) -> Result<u64, LogError> {
        let sql = "DELETE FROM idempotency WHERE (organization, key) IN (SELECT organization, key FROM idempotency WHERE expires_at <= ?1 LIMIT ?2)";
        Ok(self.database.write(move |session| session.execute(sql, &[now.millis().into(), FORGOTTEN_AT_ONCE.into()])).await?)
    }
}

/// Takes a key for this process where no other that lives has it. It is a courtesy to requests that run at once: two appends never both stand.
fn claim(session: &mut Session, organization: &str, key: &str, owner: &str, now: Timestamp) -> Result<bool, StoreError> {
    let sql = "INSERT INTO idempotency_running AS r (organization, key, owner, until) VALUES (?1, ?2, ?3, ?4) \
               ON CONFLICT (organization, key) DO UPDATE SET owner = excluded.owner, until = excluded.until \
               WHERE r.owner = excluded.owner OR r.until <= ?5 \
                  OR NOT EXISTS (SELECT 1 FROM pg_stat_activity WHERE application_name = split_part(r.owner, '/', 1))";
    let values = [organization.into(), key.into(), owner.into(), now.plus_seconds(CLAIM_S).millis().into(), now.millis().into()];
    Ok(session.execute(sql, &values)? > 0)
}
