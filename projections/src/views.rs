//! The view store: a file that can be deleted at any time, and is made again from the log when it is damaged.

use std::{
    collections::HashMap,
    fs,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, params};
use serde_json::Value;
use tokio::sync::watch;
use twig_commands::log::{EventLog, LogError};
use twig_domain::id::{DataSpecId, OrgId, RunId};

use crate::{
    fold::{FoldError, Projection},
    runner::Live,
    store,
};

const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_IDLE_READERS: usize = 8;

#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    #[error("the view store failed: {0}")]
    Store(#[from] rusqlite::Error),
    #[error("the event log failed: {0}")]
    Log(#[from] LogError),
    #[error("a fold failed: {0}")]
    Fold(#[from] FoldError),
    #[error("the views could not be opened: {0}")]
    File(#[from] std::io::Error),
    #[error("{0}")]
    Other(String),
}

/// How a version of a projection stands.
#[derive(Clone, Debug, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProjectionStatus {
    pub name: String,
    pub version: i64,
    pub live: bool,
    pub position: u64,
    pub dead_events: u64,
}

/// A run that is queued or running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenRun {
    pub organization: OrgId,
    pub data_spec: DataSpecId,
    pub run: RunId,
}

#[derive(Clone)]
pub struct Views {
    pub(crate) log: EventLog,
    writer: Arc<Mutex<Connection>>,
    idle: Arc<Mutex<Vec<Connection>>>,
    file: Arc<std::path::PathBuf>,
    position: Arc<watch::Sender<u64>>,
}

impl Views {
    /// Opens the views of a data folder. A damaged file is put aside and begun anew: the log has everything.
    pub fn open(file: &Path, log: EventLog) -> Result<Self, ViewError> {
        let writer = match open_checked(file) {
            Ok(writer) => writer,
            Err(error) if is_damage(&error) => {
                tracing::warn!(%error, "the views are damaged; they are made again from the event log");
                put_aside(file)?;
                open_checked(file)?
            }
            Err(error) => return Err(error.into()),
        };
        let views = Self {
            log,
            writer: Arc::new(Mutex::new(writer)),
            idle: Arc::default(),
            file: Arc::new(file.to_owned()),
            position: Arc::new(watch::Sender::new(0)),
        };
        views.publish(views.write(|connection| Ok(checkpoint(connection)?))?);
        Ok(views)
    }

    pub(crate) fn write<T>(&self, work: impl FnOnce(&mut Connection) -> Result<T, ViewError>) -> Result<T, ViewError> {
        work(&mut self.writer.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn read_now<T>(&self, work: impl FnOnce(&Connection, &Live) -> Result<T, ViewError>) -> Result<T, ViewError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = idle.map_or_else(|| reader(&self.file), Ok)?;
        // Read each time: another process may have switched a version a moment ago.
        let live = live_versions(&connection)?;
        let result = work(&connection, &live);
        let mut kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < MAX_IDLE_READERS {
            kept.push(connection);
        }
        result
    }

    /// Runs a query on a thread that may block.
    pub(crate) async fn read<T: Send + 'static>(&self, work: impl FnOnce(&Connection, &Live) -> Result<T, ViewError> + Send + 'static) -> Result<T, ViewError> {
        let views = self.clone();
        tokio::task::spawn_blocking(move || views.read_now(work)).await.map_err(|error| ViewError::Other(error.to_string()))?
    }

    pub(crate) async fn change<T: Send + 'static>(&self, work: impl FnOnce(&mut Connection) -> Result<T, ViewError> + Send + 'static) -> Result<T, ViewError> {
        let views = self.clone();
        tokio::task::spawn_blocking(move || views.write(work)).await.map_err(|error| ViewError::Other(error.to_string()))?
    }

    pub(crate) fn publish(&self, position: u64) {
        self.position.send_if_modified(|known| std::mem::replace(known, position.max(*known)) < position);
    }

    /// The position that every live view has reached, as far as this process knows.
    #[must_use]
    pub fn position(&self) -> u64 {
        *self.position.borrow()
    }

    /// The same, from the store.
    pub async fn checkpoint(&self) -> Result<u64, ViewError> {
        self.change(|connection| Ok(checkpoint(connection)?)).await
    }

    /// Waits until every live view has reached a position; `false` when that takes longer than `limit`.
    pub async fn wait_for(&self, position: u64, limit: Duration) -> bool {
        let mut watched = self.position.subscribe();
        tokio::time::timeout(limit, watched.wait_for(|reached| *reached >= position)).await.is_ok_and(|reached| reached.is_ok())
    }

    pub async fn status(&self) -> Result<Vec<ProjectionStatus>, ViewError> {
        self.read(|connection, _| {
            let mut statement = connection.prepare(
                "SELECT name, version, live, position, (SELECT count(*) FROM dead_events d WHERE d.projection = p.name AND d.version = p.version) FROM projections p ORDER BY name, version",
            )?;
            let rows = statement.query_map([], |row| {
                Ok(ProjectionStatus {
                    name: row.get(0)?,
                    version: row.get(1)?,
                    live: row.get(2)?,
                    position: row.get::<_, i64>(3)? as u64,
                    dead_events: row.get::<_, i64>(4)? as u64,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }
}

fn open_checked(file: &Path) -> Result<Connection, rusqlite::Error> {
    let connection = Connection::open(file)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.set_prepared_statement_cache_capacity(64);
    store::create(&connection)?;
    // Reads a page of every table: a file that is damaged further in shows at its first use, and again at the next start.
    connection.execute_batch("SELECT count(*) FROM sqlite_schema")?;
    let damage: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if damage == "ok" { Ok(connection) } else { Err(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT), Some(damage))) }
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase))
}

fn put_aside(file: &Path) -> Result<(), std::io::Error> {
    for end in ["", "-wal", "-shm"] {
        let mut name = file.as_os_str().to_owned();
        name.push(end);
        if Path::new(&name).exists() {
            let mut aside = name.clone();
            aside.push(".damaged");
            fs::rename(&name, &aside)?;
        }
    }
    Ok(())
}

fn reader(file: &Path) -> Result<Connection, rusqlite::Error> {
    let connection = Connection::open(file)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.set_prepared_statement_cache_capacity(128);
    Ok(connection)
}

pub(crate) fn live_versions(connection: &Connection) -> Result<Live, rusqlite::Error> {
    let mut statement = connection.prepare_cached("SELECT name, version FROM projections WHERE live = 1")?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))?;
    let rows: HashMap<String, i64> = rows.collect::<Result<_, _>>()?;
    Ok(rows.into_iter().filter_map(|(name, version)| Some((Projection::named(&name)?, version))).collect())
}

fn checkpoint(connection: &Connection) -> Result<u64, rusqlite::Error> {
    connection
        .prepare_cached("SELECT coalesce(min(position), 0) FROM projections WHERE live = 1")?
        .query_row([], |row| row.get::<_, i64>(0))
        .map(|position| position as u64)
}

/// Members that only this crate needs begin with an underscore, and are not shown.
pub(crate) fn shown(mut body: Value) -> Value {
    if let Some(object) = body.as_object_mut() {
        object.retain(|name, _| !name.starts_with('_'));
    }
    body
}

/// Organization, id, parent, time, position and body, as they are stored.
pub(crate) type StoredRow = (String, String, Option<String>, i64, i64, String);

pub(crate) fn all_rows(connection: &Connection, table: &str) -> Result<Vec<StoredRow>, rusqlite::Error> {
    let mut statement = connection.prepare(&format!("SELECT organization, id, parent, at, sort, body FROM {table} ORDER BY organization, id"))?;
    let rows = statement.query_map(params![], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?)))?;
    rows.collect()
}
