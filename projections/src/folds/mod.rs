//! One fold an aggregate.

pub mod agent;
pub mod audit;
pub mod data_spec;
pub mod interaction;
pub mod organization;
pub mod webhook;

use twig_commands::log::RecordedEvent;

use crate::fold::Row;

/// What marks a deleted thing's row, which stays for those who ask about the past.
pub const DELETED: &str = "deleted";

/// Brings the members that every resource has to the event.
fn touch(row: &mut Row, recorded: &RecordedEvent) {
    row.body["version"] = recorded.version.into();
    row.body["updatedAt"] = recorded.recorded_at.to_string().into();
}

/// The row of a thing that the event creates.
fn created(recorded: &RecordedEvent, id: impl std::fmt::Display, mut body: serde_json::Value) -> Row {
    body["id"] = id.to_string().into();
    body["version"] = recorded.version.into();
    body["createdAt"] = recorded.recorded_at.to_string().into();
    body["updatedAt"] = recorded.recorded_at.to_string().into();
    Row { parent: None, at: recorded.recorded_at.millis(), sort: recorded.position as i64, body }
}
