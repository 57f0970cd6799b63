//! From an append to a consumer of the topic: by the relay, by an outbox that is polled, and what Kafka itself takes for the same bytes.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use rand::{Rng, SeedableRng, rngs::SmallRng};
use sqlx::{Executor, PgPool, Row as _};
use tokio::{runtime::Handle, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use twig_bench::{
    figures::Unit,
    rounds::{Contender, Measured, Row},
    statistics::median,
};
use twig_commands::{
    clock::Clock,
    ids::new_id,
    log::{Append, Appended, EventLog, NewEvent},
};
use twig_domain::id::AgentId;
use twig_projections::feed::{Envelope, KafkaSettings, MAX_BATCH_EVENTS, Told};
use twig_workers::Relay;

use crate::{
    Bench,
    ledger::{EVENT_BYTES, Entered, TYPE, meta},
    postgres::{AMOUNT, pool},
    topic::{Arrived, PARTITIONS, Reader, Record, enqueue, producer, send, topic},
};

/// Of a pass; `TWIG_BENCH_RELAY_EVENTS` sets another number.
const EVENTS: usize = 20_000;
const EVENTS_A_STREAM: usize = 5;
const APPENDS_IN_FLIGHT: usize = 256;
const POLL_EVERY: Duration = Duration::from_millis(500);
/// Rows that the outbox publishes at once, as many as the relay.
const OUTBOX_BATCH: i64 = MAX_BATCH_EVENTS as i64;
const OUTBOX: &str = "CREATE TABLE outbox (id bigserial PRIMARY KEY, part int NOT NULL, key text NOT NULL, value bytea NOT NULL); \
     CREATE TABLE published (id bigint NOT NULL); INSERT INTO published VALUES (0)";
/// For throughput: librdkafka's own default. For latency nothing lingers, as with the relay.
const LINGER_MS: u32 = 5;
const SAMPLES: usize = 20;
const OUTBOX_SAMPLES: usize = 8;
/// What p50 may take beside one and a half times what Kafka takes.
const MORE_SECONDS: f64 = 0.001;

pub fn throughput(bench: &Bench) -> Option<Row> {
    let brokers = twig_test_servers::kafka_brokers()?;
    let (ours, theirs) = (twig_test_servers::postgres_url()?, twig_test_servers::postgres_url()?);
    let events = std::env::var("TWIG_BENCH_RELAY_EVENTS").map_or(EVENTS, |events| events.parse().unwrap());
    let runtime = bench.runtime.handle();
    let published = Arc::new(runtime.block_on(records(&ours, events)));
    let bytes = published.iter().map(|(_, _, value)| value.len()).sum::<usize>() / events;
    let workload = format!(
        "{events} events of {EVENT_BYTES} bytes ({bytes} as they are published) wait in PostgreSQL; measured at a consumer of the topic's {PARTITIONS} partitions, from the first event to the last."
    );
    let row = Row::new("relay", "Relay", Unit::PerSecond, workload)
        .with(relayed(runtime, &ours, &brokers, events))
        .with(polled(runtime, &theirs, &brokers, published.clone()))
        .with(raw(runtime, &brokers, published))
        .at_least(0.7, "twig", "raw Kafka");
    Some(row)
}

pub fn latency(bench: &Bench) -> Option<Row> {
    let brokers = twig_test_servers::kafka_brokers()?;
    let (ours, theirs) = (twig_test_servers::postgres_url()?, twig_test_servers::postgres_url()?);
    let workload = format!(
        "One event of {EVENT_BYTES} bytes at a time, at times that fit to nobody's rhythm: from the acknowledgement of its append (of raw Kafka: from its sending) until a consumer of the topic has it."
    );
    let runtime = bench.runtime.handle();
    let published = runtime.block_on(records(&ours, MAX_BATCH_EVENTS));
    let row = Row::new("relay-latency", "Relay, latency", Unit::Seconds, workload)
        .with(relayed_one(runtime, &ours, &brokers))
        .with(polled_one(runtime, &theirs, &brokers, published.clone()))
        .with(raw_one(runtime, &brokers, published))
        .at_most_beside(MORE_SECONDS, 1.5, "twig", "raw Kafka");
    Some(row)
}

/// Streams of a few events each, appended side by side.
async fn append(log: &EventLog, events: usize) {
    let stream = |_| {
        let entry = |number| NewEvent { event_type: "Entered".into(), event_version: 1, payload: Entered::of(number, AMOUNT).json() };
        let id: AgentId = new_id(Clock::system(0).now());
        let events = (1..=EVENTS_A_STREAM as u64).map(entry).collect();
        let append = Append {
            aggregate_type: TYPE,
            aggregate_id: id.to_string(),
            expected_version: 0,
            events,
            meta: meta(),
            idempotency: None,
            subject_keys: Vec::new(),
        };
        let log = log.clone();
        async move { assert!(matches!(log.append(append).await.unwrap(), Appended::At(_))) }
    };
    futures_util::stream::iter((0..events / EVENTS_A_STREAM).map(stream)).buffer_unordered(APPENDS_IN_FLIGHT).for_each(|()| async {}).await;
}

/// What the relay publishes for so many events.
async fn records(url: &str, events: usize) -> Vec<Record> {
    let log = EventLog::postgres(url, Clock::system(0)).unwrap();
    append(&log, events).await;
    let (mut told, mut records, mut place) = (Told::at(0, PARTITIONS), Vec::new(), 0);
    while records.len() < events {
        let read = log.read(place, MAX_BATCH_EVENTS).await.unwrap();
        place = read.last().expect("they were appended").position;
        for (partition, step) in told.events(read) {
            let key = step.event.as_ref().expect("it is of an event").aggregate_id.clone();
            records.push((partition, key, Envelope::of(&step, partition).to_json()));
        }
    }
    records
}

/// Every position after one, each once, and in order within its partition; what was measured is from the first to the last of them.
fn measured(arrived: &[Arrived], after: u64) -> Measured {
    let mut last: HashMap<i32, u64> = HashMap::new();
    let mut positions: Vec<u64> = Vec::with_capacity(arrived.len());
    for message in arrived {
        let position = Envelope::read(&message.value).unwrap().position;
        assert!(last.insert(message.partition, position).is_none_or(|before| before < position), "in order");
        positions.push(position);
    }
    positions.sort_unstable();
    assert!(positions.iter().copied().eq(after + 1..=after + arrived.len() as u64), "each once");
    let (first, last) = (arrived[0].at, arrived[arrived.len() - 1].at);
    Measured::Rate { operations: arrived.len() as u64 - 1, seconds: (last - first).as_secs_f64() }
}

/// A relay that runs until this is dropped.
struct Relaying {
    runtime: Handle,
    cancel: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl Relaying {
    fn begin(runtime: &Handle, log: &EventLog, settings: &KafkaSettings) -> Self {
        let cancel = CancellationToken::new();
        let relay = Relay::new(log.clone(), log.database(), settings.clone());
        Self { runtime: runtime.clone(), cancel: cancel.clone(), task: Some(runtime.spawn(relay.run(cancel))) }
    }
}

impl Drop for Relaying {
    fn drop(&mut self) {
        self.cancel.cancel();
        self.task.take().into_iter().for_each(|task| self.runtime.block_on(task).unwrap());
    }
}

fn relayed(runtime: &Handle, url: &str, brokers: &str, events: usize) -> Contender {
    let (log, settings, runtime) = (EventLog::postgres(url, Clock::system(0)).unwrap(), runtime.block_on(topic(brokers)), runtime.clone());
    let mut published = 0;
    Contender::new("twig", "the relay: read by 1,000, sent idempotently with `acks=all` and lz4, the place kept after each 1,000", move || {
        let head = runtime.block_on(log.head()).unwrap();
        runtime.block_on(append(&log, if published < head { events - (head - published) as usize } else { events }));
        let reader = Reader::at_the_end(&settings);
        let relaying = Relaying::begin(&runtime, &log, &settings);
        let arrived = reader.take(events);
        drop(relaying);
        let measured = measured(&arrived, published);
        published += events as u64;
        measured
    })
}

/// Publishes what is in the outbox after its place, `true` where there may be more.
async fn publish(pool: &PgPool, client: &rdkafka::producer::FutureProducer, settings: &KafkaSettings) -> bool {
    let mut transaction = pool.begin().await.unwrap();
    let place: i64 = sqlx::query_scalar("SELECT id FROM published FOR UPDATE").fetch_one(&mut *transaction).await.unwrap();
    let rows = sqlx::query("SELECT id, part, key, value FROM outbox WHERE id > $1 ORDER BY id LIMIT $2")
        .bind(place)
        .bind(OUTBOX_BATCH)
        .fetch_all(&mut *transaction)
        .await
        .unwrap();
    let Some(last) = rows.last() else { return false };
    let records: Vec<Record> = rows.iter().map(|row| (row.get::<i32, _>(1) as u32, row.get(2), row.get(3))).collect();
    send(client, settings, &records).await;
    sqlx::query("UPDATE published SET id = $1").bind(last.get::<i64, _>(0)).execute(&mut *transaction).await.unwrap();
    transaction.commit().await.unwrap();
    rows.len() as i64 == OUTBOX_BATCH
}

async fn poll(pool: PgPool, settings: KafkaSettings, linger_ms: u32, cancel: CancellationToken) {
    let client = producer(&settings, linger_ms);
    while !cancel.is_cancelled() {
        while publish(&pool, &client, &settings).await {}
        tokio::select! {
            () = tokio::time::sleep(POLL_EVERY) => {}
            () = cancel.cancelled() => {}
        }
    }
}

async fn put(pool: &PgPool, records: &[Record]) {
    let parts: Vec<i32> = records.iter().map(|(partition, _, _)| *partition as i32).collect();
    let keys: Vec<&str> = records.iter().map(|(_, key, _)| key.as_str()).collect();
    let values: Vec<&[u8]> = records.iter().map(|(_, _, value)| value.as_slice()).collect();
    let insert = sqlx::query("INSERT INTO outbox (part, key, value) SELECT * FROM unnest($1::int[], $2::text[], $3::bytea[])");
    insert.bind(parts).bind(keys).bind(values).execute(pool).await.unwrap();
}

const POLLED: &str = "an outbox table, polled every 500 ms and again at once after a full 1,000; sent as ours is, its place committed after each batch";

fn outbox(runtime: &Handle, url: &str, brokers: &str) -> (PgPool, KafkaSettings) {
    runtime.block_on(async {
        let pool = pool(url, 2).await;
        pool.execute(OUTBOX).await.unwrap();
        (pool, topic(brokers).await)
    })
}

fn polled(runtime: &Handle, url: &str, brokers: &str, records: Arc<Vec<Record>>) -> Contender {
    let ((pool, settings), runtime) = (outbox(runtime, url, brokers), runtime.clone());
    Contender::new("polled outbox", POLLED, move || {
        runtime.block_on(put(&pool, &records));
        let (reader, cancel) = (Reader::at_the_end(&settings), CancellationToken::new());
        let polling = runtime.spawn(poll(pool.clone(), settings.clone(), LINGER_MS, cancel.clone()));
        let arrived = reader.take(records.len());
        cancel.cancel();
        runtime.block_on(polling).unwrap();
        measured(&arrived, 0)
    })
}

fn raw(runtime: &Handle, brokers: &str, records: Arc<Vec<Record>>) -> Contender {
    let (settings, runtime) = (runtime.block_on(topic(brokers)), runtime.clone());
    let client = producer(&settings, LINGER_MS);
    Contender::new("raw Kafka", format!("rdkafka: the same bytes from memory, idempotent, `acks=all`, lz4, `linger.ms={LINGER_MS}`"), move || {
        let reader = Reader::at_the_end(&settings);
        let (client, topic, records) = (client.clone(), settings.clone(), records.clone());
        let count = records.len();
        let sending = runtime.spawn(async move { send(&client, &topic, &records).await });
        let arrived = reader.take(count);
        runtime.block_on(sending).unwrap();
        measured(&arrived, 0)
    })
}

/// The median of so many, with pauses of at most so long between them. `one` gives the moment that counts and the position, and a record has come before
/// the next is sent.
fn each(samples: usize, pause: Duration, reader: &Reader, random: &mut SmallRng, mut one: impl FnMut() -> (Instant, Option<u64>)) -> Measured {
    let mut times = Vec::new();
    for _ in 0..samples {
        std::thread::sleep(pause.mul_f64(random.random()));
        let (from, position) = one();
        let arrived = reader.next();
        times.push(arrived.at.saturating_duration_since(from).as_secs_f64());
        assert!(position.is_none_or(|position| Envelope::read(&arrived.value).unwrap().position == position), "what was sent came");
    }
    Measured::Seconds(median(&times))
}

const PAUSE: Duration = Duration::from_millis(60);

fn relayed_one(runtime: &Handle, url: &str, brokers: &str) -> Contender {
    // As in another process: what is appended by one log is relayed from another.
    let (log, relayed) = (EventLog::postgres(url, Clock::system(0)).unwrap(), EventLog::postgres(url, Clock::system(0)).unwrap());
    let (settings, runtime) = (runtime.block_on(topic(brokers)), runtime.clone());
    let reader = Reader::at_the_beginning(&settings);
    let relaying = Relaying::begin(&runtime, &relayed, &settings);
    reader.take(runtime.block_on(log.head()).unwrap() as usize);
    let mut random = SmallRng::seed_from_u64(1);
    Contender::new("twig", "the relay, told of an append by `NOTIFY` as in a process of its own", move || {
        let _alive = &relaying;
        each(SAMPLES, PAUSE, &reader, &mut random, || {
            let id: AgentId = new_id(Clock::system(0).now());
            let events = vec![NewEvent { event_type: "Entered".into(), event_version: 1, payload: Entered::of(1, AMOUNT).json() }];
            let append = Append {
                aggregate_type: TYPE,
                aggregate_id: id.to_string(),
                expected_version: 0,
                events,
                meta: meta(),
                idempotency: None,
                subject_keys: Vec::new(),
            };
            let Appended::At(position) = runtime.block_on(log.append(append)).unwrap() else { panic!("nobody else writes this stream") };
            (Instant::now(), Some(position))
        })
    })
}

fn polled_one(runtime: &Handle, url: &str, brokers: &str, records: Vec<Record>) -> Contender {
    let ((pool, settings), runtime) = (outbox(runtime, url, brokers), runtime.clone());
    let reader = Reader::at_the_end(&settings);
    runtime.spawn(poll(pool.clone(), settings, 0, CancellationToken::new()));
    let (mut random, mut next) = (SmallRng::seed_from_u64(1), 0);
    Contender::new("polled outbox", POLLED, move || {
        each(OUTBOX_SAMPLES, POLL_EVERY, &reader, &mut random, || {
            next = (next + 1) % records.len();
            runtime.block_on(put(&pool, &records[next..=next]));
            (Instant::now(), None)
        })
    })
}

fn raw_one(runtime: &Handle, brokers: &str, records: Vec<Record>) -> Contender {
    let (settings, runtime) = (runtime.block_on(topic(brokers)), runtime.clone());
    let (client, reader) = (producer(&settings, 0), Reader::at_the_end(&settings));
    let (mut random, mut next) = (SmallRng::seed_from_u64(1), 0);
    Contender::new("raw Kafka", "rdkafka: the same bytes from memory, idempotent, `acks=all`, lz4, `linger.ms=0`", move || {
        each(SAMPLES, PAUSE, &reader, &mut random, || {
            next = (next + 1) % records.len();
            let from = Instant::now();
            drop(runtime.block_on(enqueue(&client, &settings, &records[next])));
            (from, None)
        })
    })
}
