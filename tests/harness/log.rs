//! The event log as it lies on disk, read beside the server: what an acknowledgement is held against.

use std::{collections::BTreeMap, path::Path};

use rusqlite::{Connection, OpenFlags};
use sqlx::{Connection as _, Row as _};

use crate::stores;

/// Every event's stream (aggregate id) and type, by position.
pub fn events(folder: &Path) -> BTreeMap<u64, (String, String)> {
    let rows = rows(folder, "SELECT position, aggregate_id, event_type FROM events ORDER BY position");
    rows.into_iter().map(|(position, [stream, kind])| (position, (stream, kind))).collect()
}

/// The identifiers of every event of a type, in the log's order.
pub fn event_ids(folder: &Path, event_type: &str) -> Vec<String> {
    let rows = rows(folder, "SELECT position, event_id, event_type FROM events ORDER BY position");
    rows.into_iter().filter(|(_, [_, kind])| kind == event_type).map(|(_, [id, _])| id).collect()
}

/// A number and two texts a row, from whatever the log is kept in.
fn rows(folder: &Path, sql: &'static str) -> Vec<(u64, [String; 2])> {
    if stores::on_files() {
        let log = Connection::open_with_flags(folder.join("events.db"), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        let mut rows = log.prepare(sql).unwrap();
        let row = |row: &rusqlite::Row| Ok((row.get::<_, i64>(0)?.unsigned_abs(), [row.get(1)?, row.get(2)?]));
        return rows.query_map([], row).unwrap().map(Result::unwrap).collect();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut log = sqlx::PgConnection::connect(&stores::database(folder)).await.unwrap();
        let rows = sqlx::query(sql).fetch_all(&mut log).await.unwrap();
        rows.iter().map(|row| (row.get::<i64, _>(0).unsigned_abs(), [row.get(1), row.get(2)])).collect()
    })
}

/// A statement on one of the stores, as a damage would do it.
pub fn damage(store: &Path, statement: &str) {
    let connection = Connection::open(store).unwrap();
    connection.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    connection.execute_batch(statement).unwrap();
}

/// The tables whose names begin so.
pub fn tables(store: &Path, prefix: &str) -> Vec<String> {
    let connection = Connection::open_with_flags(store, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut rows = connection.prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE ?1 || '%'").unwrap();
    rows.query_map([prefix], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}
