//! The event log as it lies on disk, read beside the server: what an acknowledgement is held against.

use std::{collections::BTreeMap, path::Path};

use rusqlite::{Connection, OpenFlags};

/// Every event's stream (aggregate id) and type, by position.
pub fn events(folder: &Path) -> BTreeMap<u64, (String, String)> {
    let log = Connection::open_with_flags(folder.join("events.db"), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut rows = log.prepare("SELECT position, aggregate_id, event_type FROM events").unwrap();
    rows.query_map([], |row| Ok((row.get::<_, i64>(0)?.unsigned_abs(), (row.get(1)?, row.get(2)?)))).unwrap().map(Result::unwrap).collect()
}

/// The identifiers of every event of a type, in the log's order.
pub fn event_ids(folder: &Path, event_type: &str) -> Vec<String> {
    let log = Connection::open_with_flags(folder.join("events.db"), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut rows = log.prepare("SELECT event_id FROM events WHERE event_type = ?1 ORDER BY position").unwrap();
    rows.query_map([event_type], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
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
