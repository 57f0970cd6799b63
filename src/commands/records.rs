//! Damage inside the records of a store, which a check of its pages does not see: an event that is no JSON any more, a position that is missing, a content
//! that is not what its hash says. Words that were changed for other words show in the audit's proofs alone.

use rusqlite::Connection;
use serde::de::IgnoredAny;
use twig_commands::content;

/// What is damaged first, in words; `None` where all is as it was written.
pub fn damage(store: &Connection) -> Result<Option<String>, rusqlite::Error> {
    let has = |table: &str| store.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?1")?.exists([table]);
    if has("events")?
        && let Some(damage) = in_events(store)?
    {
        return Ok(Some(damage));
    }
    if has("blobs")? { in_contents(store) } else { Ok(None) }
}

fn in_events(store: &Connection) -> Result<Option<String>, rusqlite::Error> {
    let mut statement = store.prepare("SELECT position, payload, metadata FROM events ORDER BY position")?;
    let (mut rows, mut expected) = (statement.query([])?, 1);
    while let Some(row) = rows.next()? {
        let position: i64 = row.get(0)?;
        if position != expected {
            return Ok(Some(format!("the event at position {expected} is missing")));
        }
        for column in [1, 2] {
            let bytes = row.get_ref(column)?.as_bytes().unwrap_or_default();
            if serde_json::from_slice::<IgnoredAny>(bytes).is_err() {
                return Ok(Some(format!("the event at position {position} is damaged")));
            }
        }
        expected += 1;
    }
    Ok(None)
}

fn in_contents(store: &Connection) -> Result<Option<String>, rusqlite::Error> {
    let mut statement = store.prepare("SELECT sha256, bytes, zstd FROM blobs")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (sha256, bytes): (String, i64) = (row.get(0)?, row.get(1)?);
        if !content::is_intact(&sha256, usize::try_from(bytes).unwrap_or(0), row.get_ref(2)?.as_bytes().unwrap_or_default()) {
            return Ok(Some(format!("the content {sha256} is damaged")));
        }
    }
    Ok(None)
}
