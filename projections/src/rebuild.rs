//! Rebuilds: a new version of a projection fills tables of its own beside the live ones, is compared, and takes over in one transaction.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use twig_commands::{
    database::{Session, StoreError, Value, at_one_moment},
    vault::Vault,
};

use crate::{
    analytics,
    feed::{MAX_BATCH_EVENTS, checkpoint},
    fold::Projection,
    runner::{Keys, fold_batch},
    store,
    views::{Tenant, ViewError, Views},
};

/// Rows that one statement compares: an organization may have more than a statement's time allows.
const COMPARED_ROWS: u64 = 20_000;
/// The live version is waited for where it is behind the rebuilt one.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(20);
const LIVE_FOLLOWS_WITHIN: Duration = Duration::from_secs(60);
const COMPARED: &str = "organization, id, parent, at, sort, body";

#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    #[error("there is no projection {0}; there are organizations, agents, data_specs, interactions, webhooks, audit and jobs")]
    Unknown(String),
    #[error("{0} has no rebuilt version: run `twig projections rebuild {0}` first")]
    NothingRebuilt(String),
    #[error(transparent)]
    View(#[from] ViewError),
}

impl From<StoreError> for RebuildError {
    fn from(error: StoreError) -> Self {
        Self::View(error.into())
    }
}

impl Views {
    /// Fills a new version beside the live one, up to the log's end. `progress` hears the position after each batch.
    pub async fn rebuild(&self, name: &str, vault: Vault, progress: impl Fn(u64, u64)) -> Result<i64, RebuildError> {
        let projection = Projection::named(name).ok_or_else(|| RebuildError::Unknown(name.to_owned()))?;
        let version = self.change(move |session| begin(session, projection)).await?;
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
        self.fill_to(u64::MAX, projection, version, vault).await
    }

    /// Folds the next batch, but nothing above a position.
    async fn fill_to(&self, end: u64, projection: Projection, version: i64, vault: Vault) -> Result<u64, ViewError> {
        let from = self.read(Tenant::All, move |session, _| Ok(position(session, projection, version)?)).await?;
        let events = self.log.read(from, MAX_BATCH_EVENTS).await?.into_iter().filter(|event| event.position <= end);
        let events: Vec<_> = events.map(Arc::new).collect();
        self.change(move |session| {
            let keys = Keys::of(&vault);
            let reached = fold_batch(session, projection, version, &events, &|sealed| keys.open(sealed))?;
            keys.check()?;
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
            let switched = self.change(move |session| switch(session, projection, version)).await?;
            if switched {
                return Ok(version);
            }
        }
    }

    /// Drops every version that is not live.
    pub async fn drop_rebuilt(&self, name: &str) -> Result<u64, RebuildError> {
        let projection = Projection::named(name).ok_or_else(|| RebuildError::Unknown(name.to_owned()))?;
        let dropped = self
            .change(move |session| {
                let versions = session.query("SELECT version FROM projections WHERE name = ?1 AND live = 0", &[projection.name().into()])?;
                for version in &versions {
                    store::drop_version(session, projection, version.get(0)?)?;
                }
                Ok(versions.len() as u64)
            })
            .await?;
        Ok(dropped)
    }

    /// How many rows differ between the live version and the rebuilt one, once both are at the same position. The live one is not held up for it: where it
    /// moves on meanwhile, the rebuilt one follows.
    pub async fn differing_rows(&self, name: &str, vault: Vault) -> Result<u64, RebuildError> {
        let projection = Projection::named(name).ok_or_else(|| RebuildError::Unknown(name.to_owned()))?;
        let rebuilt = self.rebuilt(projection).await?.ok_or_else(|| RebuildError::NothingRebuilt(name.to_owned()))?;
        let begun = Instant::now();
        loop {
            let compared = self.read(Tenant::All, move |session, live| {
                let live = live.get(&projection).copied().unwrap_or_default();
                at_one_moment(session, |session| {
                    let (live_at, rebuilt_at) = (position(session, projection, live)?, position(session, projection, rebuilt)?);
                    // What partitions feed has no one position.
                    let same = live_at == rebuilt_at || checkpoint::has_begun(session)?;
                    let differing = same.then(|| differing(session, projection, live, rebuilt)).transpose()?;
                    Ok::<_, ViewError>((differing, live_at, rebuilt_at))
                })
            });
            match compared.await? {
                (Some(differing), ..) => return Ok(differing),
                (None, live_at, rebuilt_at) if live_at > rebuilt_at => drop(self.fill_to(live_at, projection, rebuilt, vault.clone()).await?),
                _ if begun.elapsed() > LIVE_FOLLOWS_WITHIN => return Err(ViewError::Other(format!("the live version of {name} stands still")).into()),
                _ => tokio::time::sleep(LOOK_AGAIN_AFTER).await,
            }
        }
    }

    async fn rebuilt(&self, projection: Projection) -> Result<Option<i64>, ViewError> {
        self.read(Tenant::All, move |session, _| {
            let sql = "SELECT max(version) FROM projections WHERE name = ?1 AND live = 0";
            Ok(session.query_one(sql, &[projection.name().into()])?.get(0)?)
        })
        .await
    }
}

fn position(session: &mut Session, projection: Projection, version: i64) -> Result<u64, StoreError> {
    session.query_one("SELECT position FROM projections WHERE name = ?1 AND version = ?2", &[projection.name().into(), version.into()])?.get(0)
}

fn differing(session: &mut Session, projection: Projection, live: i64, rebuilt: i64) -> Result<u64, StoreError> {
    let mut differing = 0;
    for table in projection.tables() {
        differing += differing_between(session, &store::table_name(*table, live), &store::table_name(*table, rebuilt))?;
    }
    if projection == Projection::Interactions {
        differing += analytics::differing_cells(session, live, rebuilt)?;
    }
    Ok(differing)
}

/// How many rows only one of two tables has, counted where they are: they may be more than this process can hold.
fn differing_between(session: &mut Session, one: &str, other: &str) -> Result<u64, StoreError> {
    let end_sql =
        format!("SELECT organization, id FROM {one} WHERE (organization, id) > (?1, ?2) ORDER BY organization, id LIMIT 1 OFFSET {}", COMPARED_ROWS - 1);
    let (mut differing, mut from) = (0, (String::new(), String::new()));
    loop {
        let end = session.query_first(&end_sql, &[(&from.0).into(), (&from.1).into()])?;
        let end: Option<(String, String)> = end.map(|row| Ok::<_, StoreError>((row.get(0)?, row.get(1)?))).transpose()?;
        let mut values: Vec<Value> = vec![(&from.0).into(), (&from.1).into()];
        values.extend(end.iter().flat_map(|(organization, id)| [organization.into(), id.into()]));
        let within = if end.is_some() { "(organization, id) > (?1, ?2) AND (organization, id) <= (?3, ?4)" } else { "(organization, id) > (?1, ?2)" };
        for (a, b) in [(one, other), (other, one)] {
            let sql = format!("SELECT count(*) FROM (SELECT {COMPARED} FROM {a} WHERE {within} EXCEPT SELECT {COMPARED} FROM {b} WHERE {within}) AS differing");
            differing += session.query_one(&sql, &values)?.get::<u64>(0)?;
        }
        match end {
            Some(end) => from = end,
            None => return Ok(differing),
        }
    }
}

fn begin(session: &mut Session, projection: Projection) -> Result<i64, ViewError> {
    let newest: i64 = session.query_one("SELECT max(version) FROM projections WHERE name = ?1", &[projection.name().into()])?.get(0)?;
    let version = newest + 1;
    store::create_version(session, projection, version)?;
    session.execute("INSERT INTO projections (name, version, position, live) VALUES (?1, ?2, 0, 0)", &[projection.name().into(), version.into()])?;
    Ok(version)
}

fn switch(session: &mut Session, projection: Projection, version: i64) -> Result<bool, ViewError> {
    let which = [projection.name().into(), version.into()];
    let behind: bool = session
        .query_one(
            "SELECT (SELECT position FROM projections WHERE name = ?1 AND version = ?2) < (SELECT position FROM projections WHERE name = ?1 AND live = 1)",
            &which,
        )?
        .get(0)?;
    let behind = behind || !checkpoint::take_over(session, projection, version)?;
    if !behind {
        session.execute("UPDATE projections SET live = CASE WHEN version = ?2 THEN 1 ELSE 0 END WHERE name = ?1", &which)?;
    }
    Ok(!behind)
}
