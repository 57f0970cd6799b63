//! What only PostgreSQL can do to a log: transactions that stall, connections that are killed, and the tools that read its table.

use std::{collections::BTreeMap, time::Duration};

use cqrs_es::persist::PersistedEventRepository;
use postgres_es::PostgresEventRepository;
use serde_json::json;
use sqlx::{Connection, Executor, PgConnection, PgPool};
use twig_commands::log::Appended;
use twig_domain::agent::Agent;

use crate::{
    contract::{all, append},
    store::LogStore,
};

const WRITERS: usize = 12;
const APPENDS_A_WRITER: u64 = 40;
const KILL_EVERY: Duration = Duration::from_millis(60);

fn url(store: &LogStore) -> &str {
    let LogStore::Postgres(url) = store else { unreachable!("asked of PostgreSQL alone") };
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_can_neither_be_changed_nor_deleted_nor_truncated() {
    let Some(store) = LogStore::postgres() else { return };
    let log = store.open();
    log.append(append("a", 0, [json!(1)])).await.unwrap();
    let mut connection = PgConnection::connect(url(&store)).await.unwrap();
    for sql in ["UPDATE events SET payload = '2'", "DELETE FROM events", "TRUNCATE events"] {
        assert!(connection.execute(sql).await.unwrap_err().to_string().contains("events are never"), "{sql}");
    }
    assert_eq!(all(&log).await[0].payload, json!(1));
}

/// A transaction that holds the lock and stalls keeps everybody waiting, and nobody sees a later position before an earlier one.
#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_transaction_lets_no_position_overtake() {
    let Some(store) = LogStore::postgres() else { return };
    let (log, reader) = (store.open(), store.open());
    log.append(append("first", 0, [json!(0)])).await.unwrap();
    let mut stalled = PgConnection::connect(url(&store)).await.unwrap();
    stalled.execute("BEGIN").await.unwrap();
    stalled.execute(stalled_append("stalled").as_str()).await.unwrap();
    let waiting = tokio::spawn(async move { log.append(append("later", 0, [json!(2)])).await });
    let blocked = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'advisory' AND query LIKE 'SELECT twig_append%'";
    let mut watcher = PgConnection::connect(url(&store)).await.unwrap();
    while watcher.fetch_optional(blocked).await.unwrap().is_none() {
        tokio::task::yield_now().await;
    }
    assert_eq!(all(&reader).await.len(), 1, "what is not committed is not seen, and nothing later is");
    stalled.execute("COMMIT").await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap(), Appended::At(3));
    let streams: Vec<String> = all(&reader).await.into_iter().map(|event| event.aggregate_id).collect();
    assert_eq!(streams, ["first", "stalled", "later"]);
}

/// The log's own append, as another node would send it.
fn stalled_append(stream: &str) -> String {
    let meta = serde_json::to_string(&append(stream, 0, []).meta).unwrap();
    format!(
        "SELECT twig_append(1, 2, ARRAY['Agent'], ARRAY['{stream}'], ARRAY[0]::bigint[], ARRAY[1], ARRAY['{meta}'], ARRAY['org_01arz3ndektsv4rrffq69g5fav'], \
         ARRAY[NULL]::text[], ARRAY[NULL]::text[], ARRAY[NULL]::text[], ARRAY[1], ARRAY[1], ARRAY['AgentDeleted'], ARRAY['1'], ARRAY['1'], \
         ARRAY['evt_01arz3ndektsv4rrffq69g5fav'], ARRAY[]::int[], ARRAY[]::text[], ARRAY[]::bytea[])"
    )
}

/// Whatever connection is killed, at whatever moment: each command went in once or not at all, and the log says truly which.
#[tokio::test(flavor = "multi_thread")]
async fn killed_connections_lose_and_double_nothing() {
    let Some(store) = LogStore::postgres() else { return };
    let logs: Vec<_> = (0..WRITERS).map(|_| store.open()).collect();
    let url = url(&store).to_owned();
    let killer = tokio::spawn(async move {
        let mut connection = PgConnection::connect(&url).await.unwrap();
        let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
        let mut turns = tokio::time::interval(KILL_EVERY);
        loop {
            turns.tick().await;
            connection.execute(kill).await.unwrap();
        }
    });
    let mut writers = tokio::task::JoinSet::new();
    for (writer, log) in logs.into_iter().enumerate() {
        let stream = format!("s{writer}");
        writers.spawn(async move {
            let mut acknowledged = BTreeMap::new();
            for version in 0..APPENDS_A_WRITER {
                let id = json!({"type": "AgentDeleted", "id": format!("{stream}-{version}")});
                // A log that was out of reach for too long says so, and the command is given again: stale where it had gone in after all.
                let position = loop {
                    match log.append(append(&stream, version, [id.clone()])).await {
                        Ok(Appended::At(position)) => break Some(position),
                        Ok(Appended::Stale) => break None,
                        Ok(other) => panic!("{other:?}"),
                        Err(error) => eprintln!("{error}"),
                    }
                };
                if let Some(position) = position {
                    acknowledged.insert(position, id);
                }
            }
            acknowledged
        });
    }
    let mut acknowledged = BTreeMap::new();
    while let Some(wrote) = writers.join_next().await {
        acknowledged.extend(wrote.unwrap());
    }
    killer.abort();
    let _ = killer.await;
    let events = all(&store.open()).await;
    assert_eq!(events.len() as u64, WRITERS as u64 * APPENDS_A_WRITER, "each command once");
    assert!(events.iter().enumerate().all(|(place, event)| event.position == place as u64 + 1), "no gaps");
    for (position, payload) in acknowledged {
        assert_eq!(events[position as usize - 1].payload, payload);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_es_reads_a_stream_of_the_same_table() {
    let Some(store) = LogStore::postgres() else { return };
    let log = store.open();
    log.append(append("a", 0, [json!({"type": "AgentDeleted"}), json!({"type": "AgentDeleted"})])).await.unwrap();
    let repository = PostgresEventRepository::new(PgPool::connect(url(&store)).await.unwrap());
    let events = repository.get_events::<Agent>("a").await.unwrap();
    assert_eq!(
        events.iter().map(|event| (event.sequence, event.payload.clone())).collect::<Vec<_>>(),
        [(1, json!({"type": "AgentDeleted"})), (2, json!({"type": "AgentDeleted"}))]
    );
    assert!(events[0].metadata["meta"].is_string(), "metadata is the map of strings that its tools expect");
}
