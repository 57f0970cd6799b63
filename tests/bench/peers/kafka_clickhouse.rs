//! Interactions into ClickHouse: by the product's sink, by an insert a message, and as fast as a topic can be read and ClickHouse takes rows.

use std::{collections::HashMap, sync::Arc, time::Instant};

use clickhouse::{Client, Row as Columns};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{Executor, PgPool};
use tokio_util::sync::CancellationToken;
use twig_bench::{
    figures::Unit,
    rounds::{Contender, Measured, Row},
};
use twig_commands::{
    bus::CommandBus,
    clock::Clock,
    log::EventLog,
    vault::{MasterKey, Vault},
};
use twig_projections::{ClickHouse, ClickHouseSink, Views, feed::KafkaSettings};
use twig_workers::Relay;

use crate::{
    Bench,
    interactions::{self, DAYS},
    ledger::meta,
    postgres::pool,
    topic::{Reader, topic},
};

/// `TWIG_BENCH_CLICKHOUSE_INTERACTIONS` sets another number.
const INTERACTIONS: u64 = 100_000;
const EVENTS_AN_INTERACTION: usize = 2;
/// As many as ours puts in at once: the interactions of 5,000 events.
const RANGE_ROWS: usize = 2500;
const TABLES: [&str; 5] = ["interactions", "feedback", "rollups", "visitors", "citations"];
const PLACE: &str = "CREATE TABLE place (reached bigint NOT NULL, pending bigint); INSERT INTO place VALUES (0, NULL)";

/// A row of the product's table.
#[derive(Clone, Columns, Serialize, Deserialize)]
struct Interaction {
    organization: String,
    id: String,
    at: i64,
    agent: String,
    model: String,
    session: u64,
    user: u64,
    status: i8,
    answered: i8,
    latency_ms: Option<u64>,
    latency_bucket: u16,
    tokens: i64,
    positive: i8,
    negative: i8,
    review: String,
    documents: Vec<String>,
    sign: i8,
    position: u64,
}

pub fn row(bench: &Bench) -> Option<Row> {
    let count = std::env::var("TWIG_BENCH_CLICKHOUSE_INTERACTIONS").map_or(INTERACTIONS, |count| count.parse().unwrap());
    let (brokers, postgres) = (twig_test_servers::kafka_brokers()?, twig_test_servers::postgres_url()?);
    let ours = twig_test_servers::clickhouse_url()?;
    let runtime = bench.runtime.handle().clone();
    println!("  writing {count} interactions");
    let log = EventLog::postgres(&postgres, Clock::system(0)).unwrap();
    let vault = Vault::open(log.database(), MasterKey::load_or_create(&bench.folder.join("master.key")).unwrap()).unwrap();
    let bus = CommandBus::new(log.clone(), runtime.clone());
    runtime.block_on(interactions::fill(&bus, &vault, &meta(), 0..count));
    let sink = ClickHouseSink { store: ClickHouse::at(&ours).unwrap(), views: Views::postgres(&postgres, log.clone()).unwrap() };
    runtime.block_on(sink.catch_up()).unwrap();
    let rows = Arc::new(runtime.block_on(client(&ours).query("SELECT ?fields FROM interactions ORDER BY position").fetch_all::<Interaction>()).unwrap());
    assert_eq!(rows.len() as u64, count, "a row for each interaction");
    let topic = published(bench, &brokers, &log, count as usize * EVENTS_AN_INTERACTION);
    let workload =
        format!("{count} interactions of two events each, over {DAYS} days, into the wide table and the cells that its views make, `fsync_after_insert=1`.");
    let row = Row::new("kafka-clickhouse", "Kafka → ClickHouse", Unit::PerSecond, workload)
        .with(twig(bench, sink, count))
        .with(insert_a_message(bench, &topic, &rows)?)
        .with(raw_consumer(&topic, count))
        .with(inserts(bench, "raw insert", "the same rows from memory, in one insert, without a token", &rows, whole)?)
        .with(inserts(
            bench,
            "ranges, at least once",
            "inserts of 2,500 rows as ours, without a token; the place committed in PostgreSQL after each",
            &rows,
            plain,
        )?)
        .with(inserts(bench, "ranges, exactly once", "the same with a token, and the range committed before it goes in and after", &rows, told)?)
        .at_least(0.6, "twig", "raw insert")
        .at_least(0.95, "ranges, exactly once", "ranges, at least once");
    Some(row)
}

fn client(url: &str) -> Client {
    let (server, database) = url.rsplit_once('/').unwrap();
    Client::default().with_url(server).with_database(database)
}

/// The log in a topic, by the relay.
fn published(bench: &Bench, brokers: &str, log: &EventLog, events: usize) -> KafkaSettings {
    let settings = bench.runtime.block_on(topic(brokers));
    let cancel = CancellationToken::new();
    let relay = bench.runtime.spawn(Relay::new(log.clone(), log.database(), settings.clone()).run(cancel.clone()));
    Reader::at_the_beginning(&settings).take(events);
    cancel.cancel();
    bench.runtime.block_on(relay).unwrap();
    settings
}

fn twig(bench: &Bench, sink: ClickHouseSink, count: u64) -> Contender {
    let runtime = bench.runtime.handle().clone();
    Contender::new("twig", "`twig projections rebuild clickhouse`: the sink, from the log in ranges of 5,000 events, exactly once", move || {
        runtime.block_on(async {
            let started = Instant::now();
            sink.rebuild(|_, _| {}).await.unwrap();
            let seconds = started.elapsed().as_secs_f64();
            assert_eq!(sink.store.check().await.unwrap() as u64, count, "every interaction, once");
            Measured::Rate { operations: count, seconds }
        })
    })
}

/// The product's tables in a database of their own.
struct Tables(Client);

impl Tables {
    fn fresh(bench: &Bench) -> Option<Self> {
        let url = twig_test_servers::clickhouse_url()?;
        bench.runtime.block_on(ClickHouse::at(&url).unwrap().migrate()).unwrap();
        Some(Self(client(&url)))
    }

    async fn empty(&self) {
        for table in TABLES {
            self.0.query(&format!("TRUNCATE TABLE {table}")).execute().await.unwrap();
        }
    }

    async fn insert(&self, rows: &[Interaction], token: Option<String>) {
        let mut insert = self.0.insert::<Interaction>("interactions").await.unwrap().with_setting("max_partitions_per_insert_block", "0");
        insert = insert.with_setting("async_insert", "0");
        if let Some(token) = token {
            insert = insert.with_setting("insert_deduplication_token", token).with_setting("deduplicate_blocks_in_dependent_materialized_views", "1");
        }
        for row in rows {
            insert.write(row).await.unwrap();
        }
        insert.end().await.unwrap();
    }

    /// Every interaction once, in the table and in the cells of days.
    async fn check(&self, count: usize) {
        let rows: u64 = self.0.query("SELECT count() FROM interactions").fetch_one().await.unwrap();
        let counted: i64 = self.0.query("SELECT sum(interactions) FROM rollups WHERE scope = '' AND part = 0 AND level = 1440").fetch_one().await.unwrap();
        assert_eq!((rows as usize, counted as usize), (count, count), "every interaction, once");
    }
}

/// Message after message until the pass is over: an insert for each that completes an interaction.
fn insert_a_message(bench: &Bench, topic: &KafkaSettings, rows: &Arc<Vec<Interaction>>) -> Option<Contender> {
    let (tables, runtime, pass) = (Tables::fresh(bench)?, bench.runtime.handle().clone(), bench.pass);
    let by_id: HashMap<String, Interaction> = rows.iter().map(|row| (row.id.clone(), row.clone())).collect();
    let (topic, all) = (topic.clone(), rows.len() * EVENTS_AN_INTERACTION);
    let (mut reader, mut read) = (Reader::at_the_beginning(&topic), 0);
    Some(Contender::new("an insert a message", "an rdkafka consumer; an insert for each answer into the same tables, and none for its question", move || {
        runtime.block_on(tables.empty());
        let (started, mut inserted) = (Instant::now(), 0);
        while started.elapsed() < pass {
            if read == all {
                (reader, read) = (Reader::at_the_beginning(&topic), 0);
            }
            let message: Value = serde_json::from_slice(&reader.next().value).unwrap();
            read += 1;
            if message["type"] == "twig.InteractionCompleted" {
                let row = &by_id[message["partitionkey"].as_str().unwrap()];
                runtime.block_on(tables.insert(std::slice::from_ref(row), None));
                inserted += 1;
            }
        }
        let seconds = started.elapsed().as_secs_f64();
        runtime.block_on(tables.check(inserted));
        Measured::Rate { operations: inserted as u64, seconds }
    }))
}

fn raw_consumer(topic: &KafkaSettings, count: u64) -> Contender {
    let topic = topic.clone();
    Contender::new("raw consumer", "rdkafka: every message of the topic, nothing done with it", move || {
        let (reader, started) = (Reader::at_the_beginning(&topic), Instant::now());
        let events = count as usize * EVENTS_AN_INTERACTION;
        assert!((0..events).all(|_| !reader.next().value.is_empty()), "every message");
        Measured::Rate { operations: count, seconds: started.elapsed().as_secs_f64() }
    })
}

type Insert = fn(&tokio::runtime::Handle, &Tables, &PgPool, &[Interaction]);

fn inserts(bench: &Bench, name: &str, settings: &str, rows: &Arc<Vec<Interaction>>, insert: Insert) -> Option<Contender> {
    let (tables, runtime, rows) = (Tables::fresh(bench)?, bench.runtime.handle().clone(), rows.clone());
    let place = runtime.block_on(pool(&twig_test_servers::postgres_url()?, 1));
    runtime.block_on(place.execute(PLACE)).unwrap();
    Some(Contender::new(name, settings, move || {
        runtime.block_on(tables.empty());
        let started = Instant::now();
        insert(&runtime, &tables, &place, &rows);
        let seconds = started.elapsed().as_secs_f64();
        runtime.block_on(tables.check(rows.len()));
        Measured::Rate { operations: rows.len() as u64, seconds }
    }))
}

fn whole(runtime: &tokio::runtime::Handle, tables: &Tables, _: &PgPool, rows: &[Interaction]) {
    runtime.block_on(tables.insert(rows, None));
}

fn plain(runtime: &tokio::runtime::Handle, tables: &Tables, place: &PgPool, rows: &[Interaction]) {
    for range in rows.chunks(RANGE_ROWS) {
        runtime.block_on(async {
            tables.insert(range, None).await;
            keep(place, "UPDATE place SET reached = $1", range).await;
        });
    }
}

fn told(runtime: &tokio::runtime::Handle, tables: &Tables, place: &PgPool, rows: &[Interaction]) {
    let pass = twig_test_servers::unique("pass");
    for range in rows.chunks(RANGE_ROWS) {
        runtime.block_on(async {
            keep(place, "UPDATE place SET pending = $1", range).await;
            tables.insert(range, Some(format!("{pass}:{}", range[0].position))).await;
            keep(place, "UPDATE place SET reached = $1, pending = NULL", range).await;
        });
    }
}

async fn keep(place: &PgPool, sql: &str, range: &[Interaction]) {
    sqlx::query(sql).bind(range[range.len() - 1].position as i64).execute(place).await.unwrap();
}
