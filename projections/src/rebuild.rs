//! Rebuilds: a new version of a projection fills tables of its own beside the live ones, is compared, and takes over in one transaction.

use std::sync::Arc;

use rusqlite::{TransactionBehavior, params};
use twig_commands::vault::Vault;

use crate::{
    fold::Projection,
    runner::{Keys, MAX_BATCH_EVENTS, fold_batch},
    store,
    views::{ViewError, Views, all_rows},
};

#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    #[error("there is no projection {0}; there are organizations, agents, data_specs and interactions")]
    Unknown(String),
    #[error("{0} has no rebuilt version: run `twig projections rebuild {0}` first")]
    NothingRebuilt(String),
    #[error(transparent)]
    View(#[from] ViewError),
}

impl From<rusqlite::Error> for RebuildError {
    fn from(error: rusqlite::Error) -> Self {
        Self::View(error.into())
    }
}

impl Views {
    /// Fills a new version beside the live one, up to the log's end. `progress` hears the position after each batch.
    pub async fn rebuild(&self, name: &str, vault: Vault, progress: impl Fn(u64, u64)) -> Result<i64, RebuildError> {
        let projection = Projection::named(name).ok_or_else(|| RebuildError::Unknown(name.to_owned()))?;
        let version = self.change(move |connection| begin(connection, projection)).await?;
        loop {
            let reached = self.fill(projection, version, vault.clone()).await?;
            let head = self.log.head().await.map_err(ViewError::from)?;
            progress(reached, head);
            if reached >= head {
                return Ok(version);
            }
        }
    }

    async fn fill(&self, projection: Projection, version: i64, vault: Vault) -> Result<u64, ViewError> {
        let from = self
            .read(move |connection, _| {
                let position =
                    connection.query_row("SELECT position FROM projections WHERE name = ?1 AND version = ?2", params![projection.name(), version], |row| {
                        row.get::<_, i64>(0)
                    })?;
                Ok(position as u64)
            })
            .await?;
        let events: Vec<_> = self.log.read(from, MAX_BATCH_EVENTS).await?.into_iter().map(Arc::new).collect();
        self.change(move |connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let keys = Keys::of(&vault);
            let reached = fold_batch(&transaction, projection, version, &events, &|sealed| keys.open(sealed))?;
            keys.check()?;
            transaction.commit()?;
            Ok(reached)
        })
        .await
    }

    /// Makes the rebuilt version the live one, once it is where the live one is.
    pub async fn switch(&self, name: &str, vault: Vault) -> Result<i64, RebuildError> {
        let projection = Projection::named(name).ok_or_else(|| RebuildError::Unknown(name.to_owned()))?;
        let version = self.rebuilt(projection).await?.ok_or_else(|| RebuildError::NothingRebuilt(name.to_owned()))?;
        loop {
            self.fill(projection, version, vault.clone()).await?;
            let switched = self.change(move |connection| switch(connection, projection, version)).await?;
            if switched {
                return Ok(version);
            }
        }
    }

    /// Drops every version that is not live.
    pub async fn drop_rebuilt(&self, name: &str) -> Result<u64, RebuildError> {
        let projection = Projection::named(name).ok_or_else(|| RebuildError::Unknown(name.to_owned()))?;
        let dropped = self
            .change(move |connection| {
                let mut statement = connection.prepare("SELECT version FROM projections WHERE name = ?1 AND live = 0")?;
                let versions: Vec<i64> = statement.query_map([projection.name()], |row| row.get(0))?.collect::<Result<_, _>>()?;
                drop(statement);
                for version in &versions {
                    store::drop_version(connection, projection, *version)?;
                }
                Ok(versions.len() as u64)
            })
            .await?;
        Ok(dropped)
    }

    /// How many rows differ between the live version and the rebuilt one; both must be at the same position for this to mean anything.
    pub async fn differing_rows(&self, name: &str) -> Result<u64, RebuildError> {
        let projection = Projection::named(name).ok_or_else(|| RebuildError::Unknown(name.to_owned()))?;
        let rebuilt = self.rebuilt(projection).await?.ok_or_else(|| RebuildError::NothingRebuilt(name.to_owned()))?;
        let differing = self
            .read(move |connection, live| {
                let live = live.get(&projection).copied().unwrap_or_default();
                let mut differing = 0;
                for table in projection.tables() {
                    let one = all_rows(connection, &store::table_name(*table, live))?;
                    let two = all_rows(connection, &store::table_name(*table, rebuilt))?;
                    let (one, two): (std::collections::BTreeSet<_>, std::collections::BTreeSet<_>) = (one.into_iter().collect(), two.into_iter().collect());
                    differing += one.symmetric_difference(&two).count() as u64;
                }
                Ok(differing)
            })
            .await?;
        Ok(differing)
    }

    async fn rebuilt(&self, projection: Projection) -> Result<Option<i64>, ViewError> {
        self.read(move |connection, _| {
            let sql = "SELECT max(version) FROM projections WHERE name = ?1 AND live = 0";
            Ok(connection.query_row(sql, [projection.name()], |row| row.get(0))?)
        })
        .await
    }
}

fn begin(connection: &mut rusqlite::Connection, projection: Projection) -> Result<i64, ViewError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let newest: i64 = transaction.query_row("SELECT max(version) FROM projections WHERE name = ?1", [projection.name()], |row| row.get(0))?;
    let version = newest + 1;
    store::create_version(&transaction, projection, version)?;
    transaction.execute("INSERT INTO projections (name, version, position, live) VALUES (?1, ?2, 0, 0)", params![projection.name(), version])?;
    transaction.commit()?;
    Ok(version)
}

fn switch(connection: &mut rusqlite::Connection, projection: Projection, version: i64) -> Result<bool, ViewError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let behind: bool = transaction.query_row(
        "SELECT (SELECT position FROM projections WHERE name = ?1 AND version = ?2) < (SELECT position FROM projections WHERE name = ?1 AND live = 1)",
        params![projection.name(), version],
        |row| row.get(0),
    )?;
    if behind {
        return Ok(false);
    }
    transaction.execute("UPDATE projections SET live = (version = ?2) WHERE name = ?1", params![projection.name(), version])?;
    transaction.commit()?;
    Ok(true)
}
