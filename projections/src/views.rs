//! The view store: a file or a database that can be deleted at any time, and is made again from the log when it is damaged.

use std::{collections::HashMap, fs, path::Path, sync::Arc, time::Duration};

use serde_json::Value;
use tokio::sync::watch;
use twig_commands::{
    database::{Database, Durability, Engine, PostgresPool, Session, StoreError},
    log::{EventLog, LogError},
};
use twig_domain::id::{DataSpecId, OrgId, RunId};

use crate::{
    analytics::{ClickHouse, Remembered, remembered},
    feed::checkpoint::LOWEST,
    fold::{FoldError, Projection},
    runner::Live,
    store::{self, TENANT_ROLE},
};

/// How soon a checkpoint that another process has moved is noticed by one who waits for it.
const LOOK_EVERY: Duration = Duration::from_millis(5);

#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    #[error("the view store failed: {0}")]
    Store(#[from] StoreError),
    #[error("the event log failed: {0}")]
    Log(#[from] LogError),
    #[error("a fold failed: {0}")]
    Fold(#[from] FoldError),
    #[error("the views could not be opened: {0}")]
    File(#[from] std::io::Error),
    #[error("{0}")]
    Other(String),
}

impl From<rusqlite::Error> for ViewError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Whose rows a query may see, beside what its conditions say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tenant {
    Of(OrgId),
    /// What workers and the operator ask, across organizations.
    All,
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
    pub(crate) database: Database,
    /// The same store as those see it who may only read, and only what is theirs.
    reader: Database,
    position: Arc<watch::Sender<u64>>,
    looking: Arc<tokio::sync::Mutex<()>>,
    pub(crate) clickhouse: Option<ClickHouse>,
    pub(crate) dashboards: Remembered,
}

impl Views {
    /// Opens the views of a data folder. A damaged file is put aside and begun anew: the log has everything.
    pub fn open(file: &Path, log: EventLog) -> Result<Self, ViewError> {
        let database = match open_checked(file) {
            Ok(database) => database,
            Err(StoreError::Corrupt) => {
                tracing::warn!("the views are damaged; they are made again from the event log");
                put_aside(file)?;
                open_checked(file)?
            }
            Err(error) => return Err(error.into()),
        };
        Self::over(database.clone(), database, log)
    }

    /// Opens the views of a PostgreSQL database, or makes them.
    pub fn postgres(url: &str, log: EventLog) -> Result<Self, ViewError> {
        let pool = PostgresPool::connect(url, None)?;
        pool.migrate(&format!(
            "DO $$ BEGIN
                 IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = '{TENANT_ROLE}') THEN CREATE ROLE {TENANT_ROLE} NOLOGIN; END IF;
             EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
             END $$;
             GRANT {TENANT_ROLE} TO CURRENT_USER"
        ))?;
        let database = Database::Postgres(pool.clone());
        pool.alone(|| database.write_now(store::create))?;
        let reader = Database::Postgres(PostgresPool::connect(url, Some(TENANT_ROLE))?);
        Self::over(database, reader, log)
    }

    fn over(database: Database, reader: Database, log: EventLog) -> Result<Self, ViewError> {
        let (looking, dashboards) = (Arc::default(), remembered());
        let views = Self { log, database, reader, position: Arc::new(watch::Sender::new(0)), looking, clickhouse: None, dashboards };
        views.publish(views.database.read_now(checkpoint)?);
        Ok(views)
    }

    /// The dashboard's figures come from there.
    #[must_use]
    pub fn with_clickhouse(self, clickhouse: Option<ClickHouse>) -> Self {
        Self { clickhouse, ..self }
    }

    /// Where the dashboard's figures come from, if that is ClickHouse.
    #[must_use]
    pub fn clickhouse(&self) -> Option<ClickHouse> {
        self.clickhouse.clone()
    }

    /// The store itself, for what keeps its own tables beside the views.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.database
    }

    pub(crate) fn read_now<T>(&self, tenant: Tenant, work: impl FnOnce(&mut Session, &Live) -> Result<T, ViewError>) -> Result<T, ViewError> {
        self.reader.read_now(|session| {
            let live = begin_reading(session, tenant)?;
            work(session, &live)
        })
    }

    /// Runs a query on a thread that may block.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        tenant: Tenant,
        work: impl FnOnce(&mut Session, &Live) -> Result<T, ViewError> + Send + 'static,
    ) -> Result<T, ViewError> {
        let views = self.clone();
        tokio::task::spawn_blocking(move || views.read_now(tenant, work)).await.map_err(|error| ViewError::Other(error.to_string()))?
    }

    /// Work on the store, on a thread that may block.
    pub(crate) async fn blocking<T: Send + 'static>(&self, work: impl FnOnce(&Self) -> Result<T, ViewError> + Send + 'static) -> Result<T, ViewError> {
        let views = self.clone();
        tokio::task::spawn_blocking(move || work(&views)).await.map_err(|error| ViewError::Other(error.to_string()))?
    }

    /// Changes rows in one transaction.
    pub(crate) async fn change<T: Send + 'static>(&self, work: impl FnOnce(&mut Session) -> Result<T, ViewError> + Send + 'static) -> Result<T, ViewError> {
        self.database.write(work).await
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
        Ok(self.database.read(checkpoint).await?)
    }

    /// Waits until every live view has reached a position; `false` when that takes longer than `limit`. Another process may be the one that folds.
    pub async fn wait_for(&self, position: u64, limit: Duration) -> bool {
        let mut watched = self.position.subscribe();
        let reached = async {
            loop {
                tokio::select! {
                    reached = watched.wait_for(|reached| *reached >= position) => return reached.is_ok(),
                    () = self.look() => {}
                }
            }
        };
        tokio::time::timeout(limit, reached).await.unwrap_or(false)
    }

    /// Asks the store how far it is, a little later. Of all who wait one does so at a time, and tells the others.
    async fn look(&self) {
        let _turn = self.looking.lock().await;
        tokio::time::sleep(LOOK_EVERY).await;
        if let Ok(now) = self.checkpoint().await {
            self.publish(now);
        }
    }

    pub async fn status(&self) -> Result<Vec<ProjectionStatus>, ViewError> {
        self.read(Tenant::All, |session, _| {
            let rows = session.query(
                "SELECT name, version, live, coalesce((SELECT min(f.position) FROM feed_checkpoints f WHERE f.name = p.name AND f.version = p.version), position), (SELECT count(*) FROM dead_events d WHERE d.projection = p.name AND d.version = p.version) FROM projections p ORDER BY name, version",
                &[],
            )?;
            let status = |row: &twig_commands::database::Row| {
                Ok(ProjectionStatus { name: row.get(0)?, version: row.get(1)?, live: row.get(2)?, position: row.get(3)?, dead_events: row.get(4)? })
            };
            rows.iter().map(status).collect()
        })
        .await
    }
}

fn open_checked(file: &Path) -> Result<Database, StoreError> {
    let database = Database::sqlite(file, Durability::Normal, "")?;
    database.write_now(store::create)?;
    // Reads a page of every table: a file that is damaged further in shows at its first use, and again at the next start.
    let damage: String = database.read_now(|session| session.query_one("PRAGMA quick_check(1)", &[])?.get(0))?;
    if damage == "ok" { Ok(database) } else { Err(StoreError::Corrupt) }
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

/// Says for whom the session reads, and learns which versions are live: read each time, since another process may have switched one a moment ago.
fn begin_reading(session: &mut Session, tenant: Tenant) -> Result<Live, StoreError> {
    if session.engine() == Engine::Sqlite {
        return live_versions(session);
    }
    let organization = match tenant {
        Tenant::Of(organization) => organization.to_string(),
        Tenant::All => "*".to_owned(),
    };
    // One statement for both: the setting is made before any row is read.
    let sql = "SELECT p.name, p.version FROM (SELECT set_config('twig.organization', ?1, false)) AS made (organization), projections p WHERE p.live = 1 AND made.organization IS NOT NULL";
    let rows = session.query(sql, &[organization.into()])?;
    named(&rows)
}

pub(crate) fn live_versions(session: &mut Session) -> Result<Live, StoreError> {
    let rows = session.query("SELECT name, version FROM projections WHERE live = 1", &[])?;
    named(&rows)
}

fn named(rows: &[twig_commands::database::Row]) -> Result<Live, StoreError> {
    let rows: HashMap<String, i64> = rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect::<Result<_, StoreError>>()?;
    Ok(rows.into_iter().filter_map(|(name, version)| Some((Projection::named(&name)?, version))).collect())
}

fn checkpoint(session: &mut Session) -> Result<u64, StoreError> {
    session.query_one(LOWEST, &[])?.get(0)
}

/// Members that only this crate needs begin with an underscore, and are not shown.
pub(crate) fn shown(mut body: Value) -> Value {
    if let Some(object) = body.as_object_mut() {
        object.retain(|name, _| !name.starts_with('_'));
    }
    body
}
