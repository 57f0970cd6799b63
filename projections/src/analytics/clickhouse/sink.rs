//! Brings the log into ClickHouse, each event once in effect.

use std::time::Duration;

use clickhouse::Row;
use serde::Serialize;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use twig_commands::{database::Database, log::RecordedEvent};

use super::{
    ClickHouse, ClickHouseError,
    ranges::{self, LOG_PARTITION, Reached},
    rows::Batch,
};
use crate::{ViewError, Views};

const MAX_RANGE_EVENTS: usize = 5000;
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(1);
const RETRY_AFTER: Duration = Duration::from_secs(1);
const INSERT_TIMEOUT: Duration = Duration::from_secs(60);
const TABLES: [&str; 5] = ["interactions", "feedback", "rollups", "visitors", "citations"];

/// `twig` and 0xc32: whoever works on ClickHouse is alone with it. Two would take the same ranges, which does no harm, but for the moment in which it is
/// emptied: rows of the one could then come between.
const LOCK: i64 = 0x7477_6967_0000_0c32;

/// The loop that feeds ClickHouse, in one process at a time.
#[derive(Clone)]
pub struct ClickHouseSink {
    pub store: ClickHouse,
    pub views: Views,
}

impl ClickHouseSink {
    /// Runs until it is canceled. A server that is away is tried again; the log waits.
    pub async fn run(self, cancel: CancellationToken) {
        let mut head = self.views.log.subscribe();
        let mut prepared = false;
        while !cancel.is_cancelled() {
            let sink = self.clone();
            let done = self.alone(async move { if prepared { sink.drain().await } else { sink.catch_up().await } }).await;
            prepared = matches!(done, Ok(Some(())));
            let wait = match done {
                Ok(_) => LOOK_AGAIN_AFTER,
                Err(error) => {
                    tracing::warn!(%error, "ClickHouse could not be brought up to the log; it is tried again");
                    metrics::counter!("twig_clickhouse_failures_total").increment(1);
                    RETRY_AFTER
                }
            };
            tokio::select! {
                _ = head.changed() => {}
                () = tokio::time::sleep(wait) => {}
                () = cancel.cancelled() => {}
            }
        }
    }

    /// Brings in everything that the log has.
    pub async fn catch_up(&self) -> Result<(), ClickHouseError> {
        self.prepare().await?;
        self.drain().await
    }

    /// Empties ClickHouse and fills it again from the log; `progress` hears the position after each range, and the log's end. A sink that runs meanwhile
    /// helps.
    pub async fn rebuild(&self, progress: impl Fn(u64, u64)) -> Result<(), ClickHouseError> {
        while self.alone(self.clone().begin_anew()).await?.is_none() {
            tokio::time::sleep(LOOK_AGAIN_AFTER).await;
        }
        loop {
            match self.alone(self.clone().one_range()).await? {
                Some(Some(end)) => progress(end, *self.views.log.subscribe().borrow()),
                Some(None) => return Ok(()),
                None => tokio::time::sleep(RETRY_AFTER).await,
            }
        }
    }

    async fn begin_anew(self) -> Result<(), ClickHouseError> {
        self.store.migrate().await?;
        self.begin().await
    }

    /// Where the range ends that went in; `None` where there is nothing more.
    async fn one_range(self) -> Result<Option<u64>, ClickHouseError> {
        let Some(range) = self.go_in(MAX_RANGE_EVENTS).await? else { return Ok(None) };
        let end = range.1;
        self.settle(range).await?;
        Ok(Some(end))
    }

    /// Does something while no other process works on ClickHouse; `None` where one does.
    async fn alone<T: Send + 'static>(&self, work: impl Future<Output = Result<T, ClickHouseError>> + Send + 'static) -> Result<Option<T>, ClickHouseError> {
        if let Database::Sqlite(_) = self.views.database() {
            return work.await.map(Some);
        }
        let (views, runtime) = (self.views.clone(), Handle::current());
        let done = tokio::task::spawn_blocking(move || {
            views.database().read_now(|session| {
                if !session.query_one("SELECT pg_try_advisory_lock(?1)", &[LOCK.into()])?.get::<bool>(0)? {
                    return Ok(None);
                }
                let done = runtime.block_on(work);
                // A session that is gone has let its lock go.
                let _ = session.query("SELECT pg_advisory_unlock(?1)", &[LOCK.into()]);
                done.map(Some)
            })
        });
        done.await.map_err(|error| ViewError::Other(error.to_string()))?
    }

    /// Makes the tables, and sees that they hold what the recorded ranges say.
    pub async fn prepare(&self) -> Result<(), ClickHouseError> {
        self.store.migrate().await?;
        self.same_generation().await
    }

    async fn drain(&self) -> Result<(), ClickHouseError> {
        while let Some(range) = self.go_in(MAX_RANGE_EVENTS).await? {
            self.settle(range).await?;
        }
        Ok(())
    }

    /// Puts the rows of the next range in; `None` where there is none.
    pub(in crate::analytics) async fn go_in(&self, most_events: usize) -> Result<Option<(Reached, u64)>, ClickHouseError> {
        let Some(reached) = self.reached().await? else { return Ok(None) };
        let Some(end) = self.next_end(&reached, most_events).await? else { return Ok(None) };
        let events = self.range(reached.offset, end).await?;
        let batch = Batch::of(&self.views.log, &events).await?;
        self.insert("interactions", &batch.interactions, &reached, end).await?;
        self.insert("feedback", &batch.feedback, &reached, end).await?;
        Ok(Some((reached, end)))
    }

    /// Writes down that a range is in.
    pub(in crate::analytics) async fn settle(&self, (reached, end): (Reached, u64)) -> Result<(), ClickHouseError> {
        self.views.change(move |session| Ok(ranges::settle(session, LOG_PARTITION, &reached, end)?)).await?;
        metrics::gauge!("twig_clickhouse_position").set(end as f64);
        Ok(())
    }

    /// Where the range ends that is going in, or that goes in next.
    async fn next_end(&self, reached: &Reached, most_events: usize) -> Result<Option<u64>, ClickHouseError> {
        if reached.pending.is_some() {
            return Ok(reached.pending);
        }
        let events = self.views.log.read(reached.offset, most_events).await.map_err(ViewError::from)?;
        let Some(end) = events.last().map(|event| event.position) else { return Ok(None) };
        let range = reached.clone();
        let recorded = self.views.change(move |session| Ok(ranges::record(session, LOG_PARTITION, &range, end)?)).await?;
        // Where another process was first, its range is the next.
        if recorded { Ok(Some(end)) } else { Ok(self.reached().await?.filter(|now| now.offset == reached.offset).and_then(|now| now.pending)) }
    }

    /// The events above one position, up to another.
    async fn range(&self, after: u64, end: u64) -> Result<Vec<RecordedEvent>, ViewError> {
        let (mut events, mut at) = (Vec::new(), after);
        while at < end {
            let more = self.views.log.read(at, MAX_RANGE_EVENTS).await?;
            let Some(last) = more.last() else { break };
            at = last.position;
            events.extend(more.into_iter().filter(|event| event.position <= end));
        }
        Ok(events)
    }

    async fn insert<T>(&self, table: &str, rows: &[T], reached: &Reached, end: u64) -> Result<(), ClickHouseError>
    where
        T: Row + Serialize + clickhouse::RowWrite + for<'a> Row<Value<'a> = T>,
    {
        if rows.is_empty() {
            return Ok(());
        }
        let insert = self.store.client().insert::<T>(table).await?;
        let mut insert = insert
            .with_timeouts(Some(INSERT_TIMEOUT), Some(INSERT_TIMEOUT))
            .with_setting("insert_deduplication_token", reached.token(table, LOG_PARTITION, end))
            // A view that had not taken the rows when the server died takes them at the repeat, and those that had leave them.
            .with_setting("deduplicate_blocks_in_dependent_materialized_views", "1")
            .with_setting("max_partitions_per_insert_block", "0")
            .with_setting("async_insert", "0");
        for row in rows {
            insert.write(row).await?;
        }
        Ok(insert.end().await?)
    }

    async fn reached(&self) -> Result<Option<Reached>, ViewError> {
        self.views.change(|session| Ok(ranges::read(session, LOG_PARTITION)?)).await
    }

    /// The ranges that the view store knows must be those of this ClickHouse. Where one of the two was made anew, ClickHouse is emptied and filled again.
    async fn same_generation(&self) -> Result<(), ClickHouseError> {
        let ours = self.reached().await?.map(|reached| reached.generation);
        let theirs: Option<String> = self.store.client().query("SELECT generation FROM installations ORDER BY made_at DESC LIMIT 1").fetch_optional().await?;
        if ours.is_some() && ours == theirs {
            return Ok(());
        }
        tracing::info!("ClickHouse is filled anew from the log");
        self.begin().await
    }

    /// Empties ClickHouse and begins at the start of the log.
    async fn begin(&self) -> Result<(), ClickHouseError> {
        let (client, generation) = (self.store.client(), uuid::Uuid::now_v7().simple().to_string());
        for table in TABLES {
            client.query(&format!("TRUNCATE TABLE {table}")).with_setting("max_table_size_to_drop", "0").execute().await?;
        }
        client.query("INSERT INTO installations (generation) VALUES (?)").bind(&generation).execute().await?;
        Ok(self.views.change(move |session| Ok(ranges::begin(session, &generation)?)).await?)
    }
}
