//! The log as cqrs-es's own tools see it. They read; writing goes by [`EventLog::append`] alone.

use cqrs_es::{
    Aggregate,
    persist::{PersistedEventRepository, PersistenceError, ReplayStream, SerializedEvent, SerializedSnapshot},
};
use serde_json::Value;

use super::{Append, Appended, EventLog, LogError, NewEvent, RecordedEvent};

const REPLAY_PAGE_EVENTS: usize = 500;

#[derive(Clone)]
pub struct LogRepository(pub EventLog);

fn failed(error: LogError) -> PersistenceError {
    PersistenceError::UnknownError(Box::new(error))
}

fn serialized(event: RecordedEvent) -> SerializedEvent {
    let metadata = serde_json::to_value(&event.meta)
        .ok()
        .and_then(|meta| Some(meta.as_object()?.iter().map(|(name, value)| (name.clone(), Value::String(value.to_string()))).collect()));
    let metadata = metadata.map_or_else(|| Value::Object(serde_json::Map::new()), Value::Object);
    SerializedEvent::new(
        event.aggregate_id,
        event.version as usize,
        event.aggregate_type,
        event.event_type,
        event.event_version.to_string(),
        event.payload,
        metadata,
    )
}

impl PersistedEventRepository for LogRepository {
    async fn get_events<A: Aggregate>(&self, aggregate_id: &str) -> Result<Vec<SerializedEvent>, PersistenceError> {
        self.get_last_events::<A>(aggregate_id, 0).await
    }

    async fn get_last_events<A: Aggregate>(&self, aggregate_id: &str, last_sequence: usize) -> Result<Vec<SerializedEvent>, PersistenceError> {
        let events = self.0.read_stream(A::TYPE, aggregate_id, last_sequence as u64).await.map_err(failed)?;
        Ok(events.into_iter().map(serialized).collect())
    }

    /// This log keeps no snapshots.
    async fn get_snapshot<A: Aggregate>(&self, _: &str) -> Result<Option<SerializedSnapshot>, PersistenceError> {
        Ok(None)
    }

    async fn persist<A: Aggregate>(&self, events: &[SerializedEvent], _: Option<(String, Value, usize)>) -> Result<(), PersistenceError> {
        let Some(first) = events.first() else { return Ok(()) };
        let meta = serde_json::from_value(first.metadata.clone()).map_err(|error| PersistenceError::UnknownError(Box::new(error)))?;
        let append = Append {
            aggregate_type: A::TYPE,
            aggregate_id: first.aggregate_id.clone(),
            expected_version: first.sequence.saturating_sub(1) as u64,
            events: events
                .iter()
                .map(|event| NewEvent {
                    event_type: event.event_type.clone(),
                    event_version: event.event_version.parse().unwrap_or(1),
                    payload: event.payload.to_string(),
                })
                .collect(),
            meta,
            idempotency: None,
            subject_keys: Vec::new(),
        };
        match self.0.append(append).await.map_err(failed)? {
            Appended::At(_) => Ok(()),
            Appended::Stale | Appended::IdempotencyTaken | Appended::SubjectKeyConflict => Err(PersistenceError::OptimisticLockError),
        }
    }

    async fn stream_events<A: Aggregate>(&self, aggregate_id: &str) -> Result<ReplayStream, PersistenceError> {
        let events = self.get_events::<A>(aggregate_id).await?;
        let (mut feed, stream) = ReplayStream::new(events.len().max(1));
        for event in events {
            feed.push(Ok(event)).await?;
        }
        Ok(stream)
    }

    /// In position order; an error of the log ends the stream with that error.
    async fn stream_all_events<A: Aggregate>(&self) -> Result<ReplayStream, PersistenceError> {
        let (mut feed, stream) = ReplayStream::new(REPLAY_PAGE_EVENTS);
        let log = self.0.clone();
        tokio::spawn(async move {
            let mut after = 0;
            loop {
                let page = match log.read(after, REPLAY_PAGE_EVENTS).await {
                    Ok(page) if page.is_empty() => return,
                    Ok(page) => page,
                    Err(error) => return drop(feed.push(Err(failed(error))).await),
                };
                for event in page {
                    after = event.position;
                    if event.aggregate_type == A::TYPE && feed.push(Ok(serialized(event))).await.is_err() {
                        return;
                    }
                }
            }
        });
        Ok(stream)
    }
}
