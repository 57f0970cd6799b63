//! An event as the server keeps it: its type, its id and its payload are the server's own members; what the server has none for is in the metadata.

use kurrentdb::{EventData, RecordedEvent as Raw};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use twig_domain::{
    EventMeta, Timestamp,
    id::{EventId, Identifier},
};

use crate::log::{Append, LogError, RecordedEvent};

/// The shape of the metadata; that it is there makes an event one of a log of ours.
const FORMAT: u32 = 1;
/// The server counts time in steps of 100 ns.
const TICKS_A_MS: i64 = 10_000;

#[derive(Serialize, Deserialize)]
struct Metadata {
    twig: u32,
    #[serde(rename = "eventVersion")]
    event_version: u32,
    meta: EventMeta,
    /// How far the clock was shifted (development): times are the server's, moved by this.
    #[serde(rename = "clockOffsetMs", default, skip_serializing_if = "is_zero")]
    clock_offset_ms: i64,
    /// The name under which the server's own tools look for it.
    #[serde(rename = "$correlationId")]
    correlation_id: String,
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// How streams are named: `Agent-<id>`, or `name.Agent-<id>` where several logs share a server.
pub(super) struct Names {
    prefix: String,
}

impl Names {
    pub(super) fn of(name: Option<&str>) -> Result<Self, LogError> {
        match name {
            None => Ok(Self { prefix: String::new() }),
            Some(name) if !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_') => {
                Ok(Self { prefix: format!("{name}.") })
            }
            Some(_) => Err(LogError::Other("the name behind the address's # is not valid: letters, digits and _".into())),
        }
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(super) fn stream(&self, aggregate_type: &str, aggregate_id: &str) -> String {
        format!("{}{aggregate_type}-{aggregate_id}", self.prefix)
    }

    /// The aggregate of a stream; `None` where it is somebody else's.
    fn aggregate<'a>(&self, stream: &'a str) -> Option<(&'a str, &'a str)> {
        stream.strip_prefix(&self.prefix)?.split_once('-').filter(|(kind, _)| !kind.contains('.'))
    }
}

/// A command's events, ready to append under these ids.
pub(super) fn proposed(append: &Append, ids: &[EventId], clock_offset_ms: i64) -> Result<Vec<EventData>, LogError> {
    let failed = |error: serde_json::Error| LogError::Other(error.to_string());
    let event = |(event, id): (&crate::log::NewEvent, &EventId)| {
        let metadata = Metadata {
            twig: FORMAT,
            event_version: event.event_version,
            meta: append.meta.clone(),
            clock_offset_ms,
            correlation_id: append.meta.correlation_id.clone(),
        };
        let payload: Value = serde_json::from_str(&event.payload).map_err(failed)?;
        EventData::json(&event.event_type, &payload).and_then(|data| data.id(id.uuid()).metadata_as_json(&metadata)).map_err(failed)
    };
    append.events.iter().zip(ids).map(event).collect()
}

/// Whether an event is one of this log's.
pub(super) fn is_ours(names: &Names, event: &Raw) -> bool {
    let marked = || serde_json::from_slice::<Value>(&event.custom_metadata).is_ok_and(|metadata| metadata.get("twig").is_some());
    names.aggregate(event.stream_id()).is_some() && marked()
}

pub(super) fn recorded(names: &Names, event: &Raw) -> Result<RecordedEvent, LogError> {
    let position = event.position.commit;
    let damaged = || LogError::Unreadable { position };
    let (aggregate_type, aggregate_id) = names.aggregate(event.stream_id()).ok_or_else(damaged)?;
    let metadata: Metadata = serde_json::from_slice(&event.custom_metadata).map_err(|_| damaged())?;
    // The client's own reading of it is in whole seconds.
    let ticks: i64 = event.metadata.get("created").and_then(|ticks| ticks.parse().ok()).ok_or_else(damaged)?;
    let event = RecordedEvent {
        position,
        event_id: EventId::from(event.id),
        recorded_at: Timestamp::from_millis(ticks / TICKS_A_MS + metadata.clock_offset_ms),
        aggregate_type: aggregate_type.to_owned(),
        aggregate_id: aggregate_id.to_owned(),
        version: event.revision + 1,
        event_type: event.event_type.clone(),
        event_version: metadata.event_version,
        meta: metadata.meta,
        payload: serde_json::from_slice(&event.data).map_err(|_| damaged())?,
    };
    Ok(event.current())
}
