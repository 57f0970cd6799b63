//! Which events are in ClickHouse, kept in the view store. A range is written down before its rows go in, so that after a crash the very same range goes
//! in again under the very same token, which ClickHouse knows and then leaves everything as it is.

use twig_commands::database::{Engine, Session, StoreError, Value};

use crate::store::TENANT_ROLE;

/// Without Kafka there is one partition: the log, whose offsets are positions.
pub const LOG_PARTITION: i64 = 0;

/// How far a partition is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Which filling of ClickHouse this is about: another one begins at nothing.
    pub generation: String,
    /// The last offset whose rows are in.
    pub offset: u64,
    /// The end of the range that is going in.
    pub pending: Option<u64>,
}

impl Reached {
    /// What ClickHouse tells a repeated insert by.
    pub fn token(&self, table: &str, partition: i64, end: u64) -> String {
        format!("{}:{table}:{partition}:{}-{end}", self.generation, self.offset)
    }
}

pub fn create(session: &mut Session) -> Result<(), StoreError> {
    let (number, end) = match session.engine() {
        Engine::Sqlite => ("INTEGER", " WITHOUT ROWID"),
        Engine::Postgres => ("bigint", ""),
    };
    session.batch(&format!(
        "CREATE TABLE IF NOT EXISTS clickhouse_ranges (part {number} NOT NULL, generation TEXT NOT NULL, reached {number} NOT NULL, pending {number}, PRIMARY KEY (part)){end}"
    ))?;
    // It has no organization, and readers may know it.
    if session.engine() == Engine::Postgres { session.batch(&format!("GRANT SELECT ON clickhouse_ranges TO {TENANT_ROLE}")) } else { Ok(()) }
}

pub fn read(session: &mut Session, partition: i64) -> Result<Option<Reached>, StoreError> {
    let found = session.query_first("SELECT generation, reached, pending FROM clickhouse_ranges WHERE part = ?1", &[partition.into()])?;
    found.map(|row| Ok(Reached { generation: row.get(0)?, offset: row.get(1)?, pending: row.get(2)? })).transpose()
}

/// Begins anew, at nothing.
pub fn begin(session: &mut Session, generation: &str) -> Result<(), StoreError> {
    session.execute("DELETE FROM clickhouse_ranges", &[])?;
    let sql = "INSERT INTO clickhouse_ranges (part, generation, reached) VALUES (?1, ?2, 0)";
    session.execute(sql, &[LOG_PARTITION.into(), generation.into()]).map(drop)
}

/// Writes a range down; `false` where another process was first with this or another.
pub fn record(session: &mut Session, partition: i64, reached: &Reached, end: u64) -> Result<bool, StoreError> {
    let sql = "UPDATE clickhouse_ranges SET pending = ?4 WHERE part = ?1 AND generation = ?2 AND reached = ?3 AND pending IS NULL";
    Ok(session.execute(sql, &[partition.into(), Value::from(&reached.generation), reached.offset.into(), end.into()])? > 0)
}

/// The rows of a range are in.
pub fn settle(session: &mut Session, partition: i64, reached: &Reached, end: u64) -> Result<(), StoreError> {
    let sql = "UPDATE clickhouse_ranges SET reached = ?4, pending = NULL WHERE part = ?1 AND generation = ?2 AND reached = ?3 AND pending = ?4";
    session.execute(sql, &[partition.into(), Value::from(&reached.generation), reached.offset.into(), end.into()]).map(drop)
}
