//! The contenders on PostgreSQL: each has a database of its own on the same server, and a pool of the same size.

use std::{collections::HashMap, sync::Arc};

use cqrs_es::AggregateError;
use postgres_es::postgres_cqrs;
use sqlx::{Connection, Executor, PgConnection, PgPool, Row as _, postgres::PgPoolOptions};
use tokio::runtime::Handle;
use twig_bench::rounds::Contender;
use twig_commands::{
    bus::{CommandBus, CommandContext},
    clock::Clock,
    database::MAX_CONNECTIONS,
    ids::new_id,
    log::EventLog,
};
use twig_domain::{Timestamp, id::EventId};

use crate::{
    ledger::{Enter, Entered, Ledger, TYPE, meta},
    load::{self, Done, Load},
};

pub const AMOUNT: u64 = 7;
/// The table that postgres-es documents.
const POSTGRES_ES: &str = "CREATE TABLE events (aggregate_type text NOT NULL, aggregate_id text NOT NULL, sequence bigint NOT NULL CHECK (sequence >= 0), \
     event_type text NOT NULL, event_version text NOT NULL, payload json NOT NULL, metadata json NOT NULL, PRIMARY KEY (aggregate_type, aggregate_id, sequence))";
const CHECK: &str = "SELECT count(*), count(*) FILTER (WHERE (payload ->> 'number')::bigint <> sequence), count(DISTINCT aggregate_id), \
     coalesce(sum(CASE WHEN last THEN sequence END), 0)::bigint \
     FROM (SELECT *, lead(sequence) OVER (PARTITION BY aggregate_id ORDER BY sequence) IS NULL AS last FROM events WHERE aggregate_type = 'Ledger' AND aggregate_id LIKE $1) AS t";
/// Rows that COPY is given at once.
const COPY_CHUNK_ROWS: u64 = 1024;

pub async fn pool(url: &str, connections: u32) -> PgPool {
    PgPoolOptions::new().max_connections(connections).connect(url).await.unwrap()
}

/// As many events as were acknowledged, each with the number that was decided, in streams without a gap.
async fn check(pool: &PgPool, sql: &str, done: &Done) {
    let row = sqlx::query(sql).bind(format!("{}%", done.prefix)).fetch_one(pool).await.unwrap();
    let (events, misnumbered, reached): (i64, i64, i64) = (row.get(0), row.get(1), row.get(3));
    assert_eq!((events as u64, misnumbered, reached as u64), (done.acknowledged, 0, done.acknowledged), "acknowledged, stored and numbered");
}

pub fn twig(runtime: Handle, load: Load, url: &str) -> Contender {
    let log = EventLog::postgres(url, Clock::system(0)).unwrap();
    let bus = CommandBus::new(log, runtime.clone());
    let pool = runtime.block_on(pool(url, 1));
    Contender::new("twig", format!("the command bus on `EventLog::postgres`, pool of {MAX_CONNECTIONS}"), move || {
        let bus = bus.clone();
        let enter = move |stream| {
            let bus = bus.clone();
            async move { drop(bus.execute::<Ledger>(stream, vec![Enter { amount: AMOUNT }], CommandContext::of(meta())).await.unwrap()) }
        };
        let done = runtime.block_on(load::run(load, enter));
        runtime.block_on(async {
            check(&pool, CHECK, &done).await;
            let gaps: i64 = sqlx::query_scalar("SELECT max(position) - count(*) FROM events").fetch_one(&pool).await.unwrap();
            assert_eq!(gaps, 0, "positions have no gap");
        });
        done.measured(load.figure)
    })
}

pub fn postgres_es(runtime: Handle, load: Load, url: &str) -> Contender {
    let pool = runtime.block_on(async {
        let pool = pool(url, MAX_CONNECTIONS).await;
        pool.execute(format!("DROP TABLE IF EXISTS events; {POSTGRES_ES}").as_str()).await.unwrap();
        pool
    });
    let framework = Arc::new(postgres_cqrs::<Ledger>(pool.clone(), Vec::new(), ()));
    let metadata: HashMap<String, String> = [("meta".to_owned(), serde_json::to_string(&meta()).unwrap())].into();
    Contender::new("postgres-es", format!("`CqrsFramework` without queries, pool of {MAX_CONNECTIONS}, a conflict is tried again at once"), move || {
        let (framework, metadata) = (framework.clone(), metadata.clone());
        let enter = move |stream: String| {
            let (framework, metadata) = (framework.clone(), metadata.clone());
            async move {
                loop {
                    match framework.execute_with_metadata(&stream, Enter { amount: AMOUNT }, metadata.clone()).await {
                        Ok(()) => break,
                        Err(AggregateError::AggregateConflict) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        };
        let done = runtime.block_on(load::run(load, enter));
        runtime.block_on(check(&pool, CHECK, &done));
        done.measured(load.figure)
    })
}

/// One COPY into the log's own table, for as long as a pass lasts.
pub fn copy(runtime: Handle, load: Load, url: &str) -> Contender {
    drop(EventLog::postgres(url, Clock::system(0)).unwrap());
    let mut connection = runtime.block_on(PgConnection::connect(url)).unwrap();
    let (metadata, mut position) = (serde_json::json!({ "meta": serde_json::to_string(&meta()).unwrap() }).to_string().replace('\\', "\\\\"), 0);
    let (organization, payload) = (meta().organization, Entered::of(1, AMOUNT).json());
    Contender::new("COPY", "one connection, text format, into the log's own table with its indexes, one commit a pass", move || {
        runtime.block_on(async {
            let started = std::time::Instant::now();
            let before = position;
            let mut copy = connection
                .copy_in_raw("COPY events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata, position, event_id, recorded_at, organization) FROM STDIN")
                .await
                .unwrap();
            while started.elapsed() < load.pass {
                let mut rows = String::new();
                for _ in 0..COPY_CHUNK_ROWS {
                    position += 1;
                    let id: EventId = new_id(Timestamp::from_millis(position as i64));
                    rows += &format!("{TYPE}\tcopy.{position}\t1\tEntered\t1\t{payload}\t{metadata}\t{position}\t{id}\t1\t{organization}\n");
                }
                copy.send(rows.into_bytes()).await.unwrap();
            }
            let copied = copy.finish().await.unwrap();
            let seconds = started.elapsed().as_secs_f64();
            assert_eq!(copied, position - before, "copied");
            twig_bench::rounds::Measured::Rate { operations: copied, seconds }
        })
    })
}
