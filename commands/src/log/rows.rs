//! Rows of the events table, read.

use rusqlite::{Connection, Row, params};
use serde_json::Value;
use twig_domain::Timestamp;

use super::{LogError, RecordedEvent};

const COLUMNS: &str = "position, event_id, recorded_at, aggregate_type, aggregate_id, sequence, event_type, event_version, metadata, payload";

pub(super) fn head(connection: &Connection) -> Result<u64, rusqlite::Error> {
    connection.prepare_cached("SELECT coalesce(max(position), 0) FROM events")?.query_row([], |row| row.get::<_, i64>(0)).map(|head| head as u64)
}

pub(super) fn after(connection: &Connection, position: u64, limit: usize) -> Result<Vec<RecordedEvent>, LogError> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM events WHERE position > ?1 ORDER BY position LIMIT ?2"))?;
    let rows = statement.query_map(params![position as i64, limit as i64], raw)?;
    rows.map(|row| row.map_err(LogError::from)?.read()).collect()
}

pub(super) fn stream(connection: &Connection, aggregate_type: &str, aggregate_id: &str, after_version: u64) -> Result<Vec<RecordedEvent>, LogError> {
    let sql = format!("SELECT {COLUMNS} FROM events WHERE aggregate_type = ?1 AND aggregate_id = ?2 AND sequence > ?3 ORDER BY sequence");
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params![aggregate_type, aggregate_id, after_version as i64], raw)?;
    rows.map(|row| row.map_err(LogError::from)?.read()).collect()
}

/// A row before its texts are read.
pub(super) struct RawEvent {
    pub position: i64,
    pub event_id: String,
    pub recorded_at: i64,
    pub aggregate_type: String,
    pub aggregate_id: String,
    pub sequence: i64,
    pub event_type: String,
    pub event_version: String,
    pub metadata: String,
    pub payload: String,
}

fn raw(row: &Row) -> Result<RawEvent, rusqlite::Error> {
    Ok(RawEvent {
        position: row.get(0)?,
        event_id: row.get(1)?,
        recorded_at: row.get(2)?,
        aggregate_type: row.get(3)?,
        aggregate_id: row.get(4)?,
        sequence: row.get(5)?,
        event_type: row.get(6)?,
        event_version: row.get(7)?,
        metadata: row.get(8)?,
        payload: row.get(9)?,
    })
}

impl RawEvent {
    pub(super) fn read(self) -> Result<RecordedEvent, LogError> {
        let position = self.position as u64;
        let damaged = || LogError::Unreadable { position };
        let payload: Value = serde_json::from_str(&self.payload).map_err(|_| damaged())?;
        let event = RecordedEvent {
            position,
            event_id: self.event_id.parse().map_err(|_| damaged())?,
            recorded_at: Timestamp::from_millis(self.recorded_at),
            aggregate_type: self.aggregate_type,
            aggregate_id: self.aggregate_id,
            version: self.sequence as u64,
            event_type: self.event_type,
            event_version: self.event_version.parse().map_err(|_| damaged())?,
            meta: serde_json::from_str(&self.metadata).map_err(|_| damaged())?,
            payload,
        };
        Ok(event.current())
    }
}
