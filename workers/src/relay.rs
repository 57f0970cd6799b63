//! The relay: publishes the log to the topic, in the log's order, by one process at a time.
//!
//! It is elected by a session-level advisory lock and keeps its position by the same session, after the acknowledgement: with the session gone it can do
//! neither. Killed between the two, its successor publishes a stretch again; two at once publish the same statements twice. Both are harmless, since a
//! step is true whoever writes it, and however often. Nothing on the write side waits for it.

use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use twig_commands::{
    database::{Database, Session, StoreError},
    log::{EventLog, LogError},
};
use twig_projections::feed::{KafkaError, KafkaSettings, MAX_BATCH_EVENTS, Marks, Producer, Told};

/// `twig` and 4: the advisory locks of this product begin so.
const LOCK: i64 = 0x7477_6967_0000_0004;
const STAND_FOR_ELECTION_EVERY: Duration = Duration::from_secs(1);
/// So often every partition hears where the relay is, and the election is confirmed, while nothing happens.
const MARK_EVERY: Duration = Duration::from_secs(5);
const DDL: &str = "CREATE TABLE IF NOT EXISTS relay (topic TEXT PRIMARY KEY, position BIGINT NOT NULL)";

#[derive(Debug, thiserror::Error)]
enum RelayError {
    #[error("the log failed: {0}")]
    Log(#[from] LogError),
    #[error("the relay's place failed: {0}")]
    Store(#[from] StoreError),
    #[error(transparent)]
    Kafka(#[from] KafkaError),
}

#[derive(Clone)]
pub struct Relay {
    log: EventLog,
    database: Database,
    settings: KafkaSettings,
}

impl Relay {
    /// `database` is the log's own: its locks elect, and it keeps the place.
    #[must_use]
    pub fn new(log: EventLog, database: Database, settings: KafkaSettings) -> Self {
        Self { log, database, settings }
    }

    /// Stands for election, and relays while it is elected, until it is canceled.
    pub async fn run(self, cancel: CancellationToken) {
        while !cancel.is_cancelled() {
            let (relay, canceled) = (self.clone(), cancel.clone());
            // On a thread that may block: an elected relay holds one connection for as long as it leads.
            match tokio::task::spawn_blocking(move || relay.stand(&canceled)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    metrics::counter!("twig_relay_failures_total").increment(1);
                    tracing::warn!(%error, "the relay was interrupted and begins again at its place");
                }
                Err(error) => tracing::error!(%error, "the relay ended"),
            }
            tokio::select! {
                () = tokio::time::sleep(STAND_FOR_ELECTION_EVERY) => {}
                () = cancel.cancelled() => {}
            }
        }
    }

    fn stand(&self, cancel: &CancellationToken) -> Result<(), RelayError> {
        self.database.read_now(|session| {
            if !session.query_one("SELECT pg_try_advisory_lock(?1)", &[LOCK.into()])?.get::<bool>(0)? {
                return Ok(());
            }
            tracing::info!(topic = self.settings.topic, "this process is the relay now");
            metrics::gauge!("twig_relay_leader").set(1.0);
            let ended = Handle::current().block_on(self.lead(session, cancel));
            metrics::gauge!("twig_relay_leader").set(0.0);
            // A session that is gone has let its lock go.
            let _ = session.query("SELECT pg_advisory_unlock(?1)", &[LOCK.into()]);
            ended
        })
    }

    async fn lead(&self, session: &mut Session<'_>, cancel: &CancellationToken) -> Result<(), RelayError> {
        session.batch(DDL)?;
        let mut place = self.place(session)?;
        let producer = Producer::connect(self.settings.clone()).await?;
        let mut told = Told::at(place, self.settings.partitions);
        producer.send(&told.marks(place, Marks::All)).await?;
        let (mut head, mut marked) = (self.log.subscribe(), Instant::now());
        while !cancel.is_cancelled() {
            head.mark_unchanged();
            metrics::gauge!("twig_relay_lag_events").set(head.borrow().saturating_sub(place) as f64);
            let events = self.log.read(place, MAX_BATCH_EVENTS).await?;
            let whole = events.len() == MAX_BATCH_EVENTS;
            if let Some(last) = events.last().map(|event| event.position) {
                metrics::counter!("twig_relay_events_total").increment(events.len() as u64);
                let mut steps = told.events(events);
                if !whole {
                    // Nothing more is waiting, so whoever waits for this position is told now that no other partition has anything before it.
                    steps.extend(told.marks(last, Marks::Behind));
                }
                producer.send(&steps).await?;
                self.keep(session, last)?;
                place = last;
                marked = Instant::now();
                continue;
            }
            // After a full batch some partitions have not heard of its end.
            let behind = told.marks(place, Marks::Behind);
            producer.send(&behind).await?;
            tokio::select! {
                _ = head.changed() => {}
                () = tokio::time::sleep(MARK_EVERY.saturating_sub(marked.elapsed())) => {
                    producer.send(&told.marks(place, Marks::All)).await?;
                    self.keep(session, place)?;
                    marked = Instant::now();
                }
                () = cancel.cancelled() => {}
            }
        }
        Ok(())
    }

    fn place(&self, session: &mut Session) -> Result<u64, StoreError> {
        session.execute("INSERT INTO relay (topic, position) VALUES (?1, 0) ON CONFLICT (topic) DO NOTHING", &[self.settings.topic.clone().into()])?;
        session.query_one("SELECT position FROM relay WHERE topic = ?1", &[self.settings.topic.clone().into()])?.get(0)
    }

    /// Never backwards: a relay that lost its election without knowing may come late.
    fn keep(&self, session: &mut Session, position: u64) -> Result<(), StoreError> {
        metrics::gauge!("twig_relay_position").set(position as f64);
        let row = [self.settings.topic.clone().into(), position.into()];
        session.execute("UPDATE relay SET position = ?2 WHERE topic = ?1 AND position <= ?2", &row).map(drop)
    }
}
