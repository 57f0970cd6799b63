//! Where each partition stands in each live version, kept beside the rows and changed in their transaction.
//!
//! Invariant: a version's rows are exactly the events at or below its partitions' positions. A batch that would leave a hole is refused; who holds a
//! partition's row is alone with it until it has committed. A version that is folded in the log's order, and any that no partitioned feed has begun, has no
//! rows here: `projections.position` counts.

use std::collections::BTreeMap;

use twig_commands::{
    database::{Engine, Session, StoreError, Value},
    vault::Vault,
};

use super::{Batch, Reached, partition_of};
use crate::{
    ViewError, Views,
    fold::Projection,
    runner::{Keys, Live, fold_events},
    views::live_versions,
};

const TABLE: &str = "feed_checkpoints";
const COLUMNS: [&str; 5] = ["name", "version", "partition", "position", "next_offset"];
const KEY: [&str; 3] = ["name", "version", "partition"];
/// Every live version's position: the lowest of its partitions, or its own where there are none.
pub(crate) const LOWEST: &str = "SELECT coalesce(min(coalesce((SELECT min(f.position) FROM feed_checkpoints f WHERE f.name = p.name AND f.version = p.version), p.position)), 0) \
     FROM projections p WHERE p.live = 1";

type Checkpoints = BTreeMap<(Projection, u32), Reached>;

impl Views {
    /// Gives every live version that may be folded by partitions a row for each, at what it has reached by itself.
    pub(crate) fn begin_feed(&self, partitions: u32) -> Result<(), ViewError> {
        self.database.write_now(|session| {
            for (projection, version) in partitioned(&live_versions(session)?) {
                let which = [projection.name().into(), version.into()];
                // Whoever folds this version by its own position is done before, or sees the rows.
                let position: u64 =
                    session.query_one(&format!("SELECT position FROM projections WHERE name = ?1 AND version = ?2{}", held(session)), &which)?.get(0)?;
                let known: u32 = session.query_one("SELECT count(*) FROM feed_checkpoints WHERE name = ?1 AND version = ?2", &which)?.get(0)?;
                if known == 0 {
                    let rows = (0..partitions).map(|partition| row(projection, version, partition, Reached { position, next_offset: None }));
                    session.upsert(TABLE, &COLUMNS, &KEY, rows.collect())?;
                } else if known != partitions {
                    return Err(ViewError::Other(format!(
                        "the views were folded from a topic of {known} partitions, but kafka_partitions is {partitions}: a stream must not change its partition"
                    )));
                }
            }
            Ok(())
        })
    }

    /// Where each partition stands: the lowest of the live versions. Empty where no partitioned feed was ever begun.
    pub(crate) fn feed_checkpoints(&self) -> Result<BTreeMap<u32, Reached>, ViewError> {
        self.database.read_now(|session| {
            let sql = "SELECT f.partition, f.position, f.next_offset FROM feed_checkpoints f JOIN projections p ON p.name = f.name AND p.version = f.version WHERE p.live = 1";
            let mut lowest = BTreeMap::<u32, Reached>::new();
            for row in session.query(sql, &[])? {
                let reached = Reached { position: row.get(1)?, next_offset: row.get(2)? };
                let known = lowest.entry(row.get(0)?).or_insert(reached);
                if reached.position < known.position {
                    *known = reached;
                }
            }
            Ok(lowest)
        })
    }

    /// Folds a batch into every live version that is folded by partitions: rows and checkpoints are one transaction.
    pub(crate) fn fold_feed(&self, batch: &Batch, partitions: u32, vault: &Vault) -> Result<(), ViewError> {
        let lowest = self.database.write_now(|session| {
            let live = live_versions(session)?;
            let known = hold(session, &live, batch)?;
            let keys = Keys::of(vault);
            let mut rows = Vec::new();
            for (projection, version) in partitioned(&live) {
                let at = |partition: u32| known.get(&(projection, partition)).copied();
                for stretch in &batch.stretches {
                    let Some(reached) = at(stretch.partition).filter(|reached| reached.position >= stretch.after) else {
                        return Err(ViewError::Other(format!("partition {} of {} has not reached {}", stretch.partition, projection.name(), stretch.after)));
                    };
                    let reached = Reached { position: reached.position.max(stretch.reached), next_offset: stretch.next_offset };
                    rows.push(row(projection, version, stretch.partition, reached));
                }
                let is_new = |partition: u32, position: u64| at(partition).is_some_and(|reached| position > reached.position);
                let new: Vec<_> = batch.events.iter().filter(|event| is_new(partition_of(&event.aggregate_id, partitions), event.position)).collect();
                fold_events(session, projection, version, &new, &|sealed| keys.open(sealed))?;
            }
            keys.check()?;
            session.upsert(TABLE, &COLUMNS, &KEY, rows)?;
            Ok(session.query_one(LOWEST, &[])?.get(0)?)
        })?;
        self.publish(lowest);
        metrics::gauge!("twig_projection_position").set(lowest as f64);
        Ok(())
    }
}

/// The rows of a batch's partitions, held until the transaction ends; all processes take them in one order.
fn hold(session: &mut Session, live: &Live, batch: &Batch) -> Result<Checkpoints, ViewError> {
    let partitions: Vec<String> = batch.stretches.iter().map(|stretch| stretch.partition.to_string()).collect();
    if partitions.is_empty() {
        return Ok(Checkpoints::new());
    }
    let sql = format!(
        "SELECT name, version, partition, position, next_offset FROM feed_checkpoints WHERE partition IN ({}) ORDER BY name, version, partition{}",
        partitions.join(", "),
        held(session)
    );
    let mut known = Checkpoints::new();
    for row in session.query(&sql, &[])? {
        let projection = Projection::named(&row.get::<String>(0)?);
        if let Some(projection) = projection.filter(|projection| live.get(projection).copied() == row.get(1).ok()) {
            known.insert((projection, row.get(2)?), Reached { position: row.get(3)?, next_offset: row.get(4)? });
        }
    }
    Ok(known)
}

/// A rebuilt version that takes over goes on where the old one's partitions are; false while it is behind one of them.
pub(crate) fn take_over(session: &mut Session, projection: Projection, version: i64) -> Result<bool, StoreError> {
    let sql = format!(
        "SELECT f.partition, f.position, f.next_offset FROM feed_checkpoints f WHERE f.name = ?1 AND f.version = (SELECT version FROM projections WHERE name = ?1 AND live = 1) ORDER BY f.partition{}",
        held(session)
    );
    let old = session.query(&sql, &[projection.name().into()])?;
    let position: u64 =
        session.query_one("SELECT position FROM projections WHERE name = ?1 AND version = ?2", &[projection.name().into(), version.into()])?.get(0)?;
    let mut rows = Vec::with_capacity(old.len());
    for partition in &old {
        if partition.get::<u64>(1)? > position {
            return Ok(false);
        }
        rows.push(row(projection, version, partition.get(0)?, Reached { position, next_offset: partition.get(2)? }));
    }
    session.upsert(TABLE, &COLUMNS, &KEY, rows)?;
    Ok(true)
}

/// Whether a partitioned feed has begun, so that versions must not be folded by their own positions any more.
pub(crate) fn has_begun(session: &mut Session) -> Result<bool, StoreError> {
    session.exists("SELECT 1 FROM feed_checkpoints LIMIT 1", &[])
}

pub(crate) fn forget(session: &mut Session, projection: Projection, version: i64) -> Result<(), StoreError> {
    session.execute("DELETE FROM feed_checkpoints WHERE name = ?1 AND version = ?2", &[projection.name().into(), version.into()]).map(drop)
}

/// In one order for all processes.
fn partitioned(live: &Live) -> Vec<(Projection, i64)> {
    Projection::ALL.into_iter().filter(|projection| !projection.in_log_order()).filter_map(|projection| Some((projection, *live.get(&projection)?))).collect()
}

fn row(projection: Projection, version: i64, partition: u32, reached: Reached) -> Vec<Value> {
    vec![projection.name().into(), version.into(), partition.into(), reached.position.into(), reached.next_offset.into()]
}

/// SQLite has one writer at a time anyway.
fn held(session: &Session) -> &'static str {
    if session.engine() == Engine::Postgres { " FOR UPDATE" } else { "" }
}
