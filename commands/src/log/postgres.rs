//! The log in PostgreSQL: a task that sends each batch as one call of `twig_append`, so that an append is one round trip and one sync.
//!
//! Invariant: a batch whose fate is unknown (its connection was lost under it) is sent again with the same event ids: where it had gone in, its streams
//! have moved on to exactly these events, and that is how it is known. So nothing is appended twice, and nothing that was appended is called lost.

use std::{sync::Arc, time::Duration};

use sqlx::{
    Postgres, Row as _,
    pool::PoolConnection,
    postgres::{PgListener, PgRow},
};
use tokio::sync::{mpsc, watch};
use twig_domain::{Timestamp, id::EventId};

use super::{
    Append, Appended, LogError, RecordedEvent, publish,
    queue::{Gathering, Place, Queue, Queued, answer, queue},
    rows::RawEvent,
};
use crate::{
    clock::Clock,
    database::{Database, PostgresPool, StoreError},
    idempotency::KEPT_S,
    ids::new_id,
};

const DDL: &str = concat!(include_str!("../../../schemas/sql/postgres/beside.sql"), include_str!("../../../schemas/sql/postgres/events.sql"));
const COLUMNS: &str = "position, event_id, recorded_at, aggregate_type, aggregate_id, sequence, event_type, event_version, metadata ->> 'meta', payload::text";
/// How often a batch is sent before its callers are told that the log cannot be reached.
const MAX_TRIES: u32 = 6;
const RETRY_AFTER: Duration = Duration::from_millis(200);
/// The head is asked for at least this often: a notification may be lost with its connection.
const FOLLOW_AT_LEAST_EVERY: Duration = Duration::from_secs(1);

#[derive(Clone)]
pub struct PostgresLog {
    queue: Queue,
    head: watch::Receiver<u64>,
    pool: PostgresPool,
}

impl PostgresLog {
    pub(super) fn open(url: &str, clock: Clock) -> Result<Self, LogError> {
        let pool = PostgresPool::connect(url, None)?;
        pool.migrate(DDL)?;
        let (queue, appends) = queue();
        let newest: u64 =
            Database::Postgres(pool.clone()).read_now(|session| session.query_one("SELECT coalesce(max(position), 0) FROM events", &[])?.get::<u64>(0))?;
        let (head, watched) = watch::channel(newest);
        drop(PostgresPool::spawn(write(Writer { pool: pool.clone(), connection: None, clock, head: head.clone() }, appends)));
        drop(PostgresPool::spawn(follow(pool.clone(), head)));
        Ok(Self { queue, head: watched, pool })
    }

    pub(super) fn database(&self) -> Database {
        Database::Postgres(self.pool.clone())
    }

    pub(super) async fn append(&self, append: Append) -> Result<Appended, LogError> {
        self.queue.append(append).await
    }

    pub(super) async fn place(&self) -> Result<Place, LogError> {
        self.queue.place().await
    }

    pub(super) async fn read(&self, after: u64, limit: usize) -> Result<Vec<RecordedEvent>, LogError> {
        let pool = self.pool.clone();
        spawned(async move {
            let sql = format!("SELECT {COLUMNS} FROM events WHERE position > $1 ORDER BY position LIMIT $2");
            let rows = sqlx::query(&sql).bind(after as i64).bind(limit as i64).fetch_all(pool.pool()).await.map_err(StoreError::from)?;
            rows.iter().map(read).collect()
        })
        .await
    }

    pub(super) async fn read_stream(&self, aggregate_type: &'static str, aggregate_id: &str, after_version: u64) -> Result<Vec<RecordedEvent>, LogError> {
        let (pool, id) = (self.pool.clone(), aggregate_id.to_owned());
        spawned(async move {
            let sql = format!("SELECT {COLUMNS} FROM events WHERE aggregate_type = $1 AND aggregate_id = $2 AND sequence > $3 ORDER BY sequence");
            let query = sqlx::query(&sql).bind(aggregate_type).bind(id).bind(after_version as i64);
            let rows = query.fetch_all(pool.pool()).await.map_err(StoreError::from)?;
            rows.iter().map(read).collect()
        })
        .await
    }

    pub(super) async fn head(&self) -> Result<u64, LogError> {
        let pool = self.pool.clone();
        spawned(async move { newest(&pool).await }).await
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.head.clone()
    }
}

async fn spawned<T: Send + 'static>(work: impl Future<Output = Result<T, LogError>> + Send + 'static) -> Result<T, LogError> {
    PostgresPool::spawn(work).await.map_err(|error| LogError::Other(error.to_string()))?
}

async fn newest(pool: &PostgresPool) -> Result<u64, LogError> {
    let row = sqlx::query("SELECT coalesce(max(position), 0) FROM events").fetch_one(pool.pool()).await.map_err(StoreError::from)?;
    Ok(row.try_get::<i64, _>(0).map_err(StoreError::from)? as u64)
}

fn read(row: &PgRow) -> Result<RecordedEvent, LogError> {
    let raw = || {
        Ok::<_, sqlx::Error>(RawEvent {
            position: row.try_get(0)?,
            event_id: row.try_get(1)?,
            recorded_at: row.try_get(2)?,
            aggregate_type: row.try_get(3)?,
            aggregate_id: row.try_get(4)?,
            sequence: row.try_get(5)?,
            event_type: row.try_get(6)?,
            event_version: row.try_get(7)?,
            metadata: row.try_get::<Option<String>, _>(8)?.unwrap_or_default(),
            payload: row.try_get(9)?,
        })
    };
    raw().map_err(StoreError::from)?.read()
}

struct Writer {
    pool: PostgresPool,
    /// The writer's own connection, for as long as it holds.
    connection: Option<PoolConnection<Postgres>>,
    clock: Clock,
    head: watch::Sender<u64>,
}

/// Runs until every handle is gone.
async fn write(mut writer: Writer, mut appends: mpsc::Receiver<Queued>) {
    let mut gathering = Gathering::default();
    while let Some(first) = appends.recv().await {
        let batch = gathering.waiting(first, &mut appends).await;
        let started = std::time::Instant::now();
        let outcome = writer.settle(&batch).await;
        gathering.wrote(batch.len(), started.elapsed());
        metrics::histogram!("twig_log_batch_appends").record(batch.len() as f64);
        metrics::histogram!("twig_log_append_seconds").record(started.elapsed());
        answer(batch, outcome);
    }
}

impl Writer {
    /// Sends a batch until its fate is known, or the log has been out of reach for too long.
    async fn settle(&mut self, batch: &[Queued]) -> Result<Vec<Appended>, LogError> {
        let now = self.clock.now();
        let sent = Arc::new(Batch::of(batch, now)?);
        let mut tries = 0;
        loop {
            tries += 1;
            match self.send(&sent, now, tries > 1).await {
                Ok(outcomes) => {
                    metrics::counter!("twig_log_events_total").increment(sent.e_append.len() as u64);
                    metrics::counter!("twig_log_commits_total").increment(1);
                    let reached = outcomes.iter().filter_map(|outcome| if let Appended::At(position) = outcome { Some(*position) } else { None });
                    publish(&self.head, reached.max().unwrap_or(0));
                    return Ok(outcomes);
                }
                Err(LogError::Unavailable(told)) if tries < MAX_TRIES => {
                    self.connection = None;
                    tracing::warn!(told, tries, "the event log was out of reach; the batch is sent again");
                    tokio::time::sleep(RETRY_AFTER * 2_u32.pow(tries - 1)).await;
                }
                Err(error) => {
                    self.connection = None;
                    return Err(error);
                }
            }
        }
    }

    async fn connection(&mut self) -> Result<&mut PoolConnection<Postgres>, LogError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.pool.pool().acquire().await.map_err(StoreError::from)?,
        };
        Ok(self.connection.insert(connection))
    }

    async fn send(&mut self, batch: &Batch, now: Timestamp, again: bool) -> Result<Vec<Appended>, LogError> {
        let sql = "SELECT twig_append($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19,$20)";
        let call = sqlx::query(sql)
            .bind(now.millis())
            .bind(now.plus_seconds(KEPT_S).millis())
            .bind(&batch.a_type)
            .bind(&batch.a_id)
            .bind(&batch.a_expected)
            .bind(&batch.a_events)
            .bind(&batch.a_metadata)
            .bind(&batch.a_organization)
            .bind(&batch.a_key)
            .bind(&batch.a_route)
            .bind(&batch.a_fingerprint)
            .bind(&batch.e_append)
            .bind(&batch.e_place)
            .bind(&batch.e_type)
            .bind(&batch.e_version)
            .bind(&batch.e_payload)
            .bind(&batch.e_id)
            .bind(&batch.k_append)
            .bind(&batch.k_subject)
            .bind(&batch.k_wrapped);
        let row = call.fetch_one(&mut **self.connection().await?).await.map_err(StoreError::from)?;
        let outcomes: Vec<i64> = row.try_get(0).map_err(StoreError::from)?;
        let mut told = Vec::with_capacity(outcomes.len());
        for (place, outcome) in outcomes.into_iter().enumerate() {
            told.push(match outcome {
                -1 if again => self.is_ours(batch, place).await?.map_or(Appended::Stale, Appended::At),
                -1 => Appended::Stale,
                -2 => Appended::IdempotencyTaken,
                -3 => Appended::SubjectKeyConflict,
                position => Appended::At(position as u64),
            });
        }
        Ok(told)
    }

    /// Where a command that is stale now had gone in at an earlier try: the position of its last event.
    async fn is_ours(&mut self, batch: &Batch, place: usize) -> Result<Option<u64>, LogError> {
        let ids: Vec<&String> = batch.e_append.iter().zip(&batch.e_id).filter(|(append, _)| **append as usize == place + 1).map(|(_, id)| id).collect();
        let (Some(last), count) = (ids.last(), ids.len()) else { return Ok(None) };
        let sql = "SELECT position FROM events WHERE aggregate_type = $1 AND aggregate_id = $2 AND sequence = $3 AND event_id = $4";
        let query = sqlx::query(sql).bind(&batch.a_type[place]).bind(&batch.a_id[place]).bind(batch.a_expected[place] + count as i64).bind(last);
        let row = query.fetch_optional(&mut **self.connection().await?).await.map_err(StoreError::from)?;
        row.map(|row| Ok(row.try_get::<i64, _>(0).map_err(StoreError::from)? as u64)).transpose()
    }
}

/// A batch as columns: `a_` of its commands, `e_` of their events, `k_` of the subjects' keys they bring.
#[derive(Default)]
struct Batch {
    a_type: Vec<String>,
    a_id: Vec<String>,
    a_expected: Vec<i64>,
    a_events: Vec<i32>,
    a_metadata: Vec<String>,
    a_organization: Vec<String>,
    a_key: Vec<Option<String>>,
    a_route: Vec<Option<String>>,
    a_fingerprint: Vec<Option<String>>,
    e_append: Vec<i32>,
    e_place: Vec<i32>,
    e_type: Vec<String>,
    e_version: Vec<String>,
    e_payload: Vec<String>,
    e_id: Vec<String>,
    k_append: Vec<i32>,
    k_subject: Vec<String>,
    k_wrapped: Vec<Vec<u8>>,
}

impl Batch {
    fn of(queued: &[Queued], now: Timestamp) -> Result<Self, LogError> {
        let mut batch = Self::default();
        for (place, queued) in queued.iter().enumerate() {
            let (append, number) = (&queued.append, place as i32 + 1);
            batch.a_type.push(append.aggregate_type.to_owned());
            batch.a_id.push(append.aggregate_id.clone());
            batch.a_expected.push(append.expected_version as i64);
            batch.a_events.push(append.events.len() as i32);
            batch.a_metadata.push(serde_json::to_string(&append.meta).map_err(|error| LogError::Other(error.to_string()))?);
            batch.a_organization.push(append.meta.organization.to_string());
            let key = append.idempotency.as_ref();
            batch.a_key.push(key.map(|key| key.key.clone()));
            batch.a_route.push(key.map(|key| key.route.clone()));
            batch.a_fingerprint.push(key.map(|key| key.fingerprint.clone()));
            for (place, event) in append.events.iter().enumerate() {
                let id: EventId = new_id(now);
                batch.e_append.push(number);
                batch.e_place.push(place as i32 + 1);
                batch.e_type.push(event.event_type.clone());
                batch.e_version.push(event.event_version.to_string());
                batch.e_payload.push(event.payload.clone());
                batch.e_id.push(id.to_string());
            }
            for key in &append.subject_keys {
                batch.k_append.push(number);
                batch.k_subject.push(key.subject.clone());
                batch.k_wrapped.push(key.wrapped.clone());
            }
        }
        Ok(batch)
    }
}

/// Publishes what every process appends, by notifications and, should one be lost, by asking.
async fn follow(pool: PostgresPool, head: watch::Sender<u64>) {
    let mut listener: Option<PgListener> = None;
    while !head.is_closed() {
        if listener.is_none() {
            listener = listen(&pool).await;
        }
        match newest(&pool).await {
            Ok(position) => publish(&head, position),
            Err(error) => tracing::warn!(%error, "the event log's head could not be read"),
        }
        let asked_again = tokio::time::sleep(FOLLOW_AT_LEAST_EVERY);
        tokio::pin!(asked_again);
        while let Some(listening) = &mut listener {
            tokio::select! {
                told = listening.recv() => match told {
                    Ok(told) => publish(&head, told.payload().parse().unwrap_or(0)),
                    Err(_) => listener = None,
                },
                () = &mut asked_again => break,
            }
        }
        if listener.is_none() {
            asked_again.await;
        }
    }
}

async fn listen(pool: &PostgresPool) -> Option<PgListener> {
    let mut listener = PgListener::connect_with(pool.pool()).await.ok()?;
    listener.listen("twig_events").await.ok()?;
    Some(listener)
}
