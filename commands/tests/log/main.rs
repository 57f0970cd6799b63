//! The event log: its contract on SQLite, PostgreSQL and EventStoreDB (or its protocol double), random interleavings against a model, and a writer that is killed.
#![expect(clippy::unwrap_used, reason = "tests")]

mod contract;
mod eventstore_only;
mod killed;
mod model;
mod postgres_only;
mod store;

use contract::append;
use serde_json::json;
use store::LogStore;

/// Every behaviour on every store: a matrix, not copies.
macro_rules! on_every_store {
    ($($behaviour:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $behaviour() {
                let store = crate::store::LogStore::sqlite();
                crate::contract::$behaviour(|| store.open()).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $behaviour() {
                let Some(store) = crate::store::LogStore::postgres() else { return };
                crate::contract::$behaviour(|| store.open()).await;
            })+
        }
        mod eventstore {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $behaviour() {
                let store = crate::store::LogStore::eventstore();
                crate::contract::$behaviour(|| store.open()).await;
            })+
        }
    };
}

on_every_store!(
    concurrent_writers_lose_double_and_disorder_nothing,
    a_stale_command_fails_alone_and_whole,
    an_idempotency_key_is_written_with_its_events,
    outcomes_are_forgotten_after_their_day,
    a_dead_process_s_claim_is_taken_over,
    every_handle_sees_what_any_appends,
    a_log_goes_on_where_it_was_left,
);

#[tokio::test]
async fn an_event_can_neither_be_changed_nor_deleted() {
    let store = LogStore::sqlite();
    let log = store.open();
    log.append(append("a", 0, [json!(1)])).await.unwrap();
    let connection = rusqlite::Connection::open(store.file()).unwrap();
    let columns = "aggregate_type, aggregate_id, sequence, event_type, event_version";
    let replace = format!("INSERT OR REPLACE INTO events SELECT {columns}, '2', metadata, position, event_id, recorded_at, organization FROM events");
    let replace_by_position = "INSERT OR REPLACE INTO events SELECT aggregate_type, 'b', 1, event_type, event_version, '2', metadata, position, event_id, recorded_at, organization FROM events";
    for sql in ["UPDATE events SET payload = '2'", "UPDATE events SET position = 9", "DELETE FROM events", &replace, replace_by_position] {
        assert!(connection.execute(sql, []).unwrap_err().to_string().starts_with("events are never"), "{sql}");
    }
    assert_eq!(contract::all(&log).await[0].payload, json!(1));
}
