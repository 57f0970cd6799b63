//! What only a server of streams can do to a log: answers that are lost, and a crash between the events and what stands beside them. Where it takes a cut, it
//! is the double's.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;
use twig_commands::{
    clock::Clock,
    idempotency::{Begin, Idempotency, IdempotencyKey},
    log::{Append, Appended, EventLog},
    vault::{MasterKey, NewSubjectKey, Vault},
};
use twig_test_eventstore_double::Double;

use crate::{
    contract::{self, all, append, organization},
    store::{EventStore, LogStore},
};

const WRITERS: usize = 12;
const APPENDS_A_WRITER: u64 = 12;
const CUT_EVERY: Duration = Duration::from_millis(130);

/// A log on the double; `None` where the tests run on a real server, which nothing here can cut off.
fn on_the_double() -> Option<EventStore> {
    let LogStore::EventStore(store) = LogStore::eventstore() else { unreachable!("it was asked for") };
    store.double.is_some().then_some(store)
}

fn key() -> IdempotencyKey {
    IdempotencyKey { organization: organization(), key: "k".into(), route: "POST /x".into(), fingerprint: "f".into() }
}

fn with_key(stream: &str) -> Append {
    Append { idempotency: Some(key()), ..append(stream, 0, [json!({}), json!({})]) }
}

async fn until(double: &Double, events: usize) {
    while double.events() < events {
        tokio::task::yield_now().await;
    }
}

/// Whatever connection is cut, at whatever moment: each command went in once or not at all, and the log says truly which.
#[tokio::test(flavor = "multi_thread")]
async fn cut_connections_lose_and_double_nothing() {
    let Some(store) = on_the_double() else { return };
    let logs: Vec<_> = (0..WRITERS).map(|_| store.open()).collect();
    let mut writers = tokio::task::JoinSet::new();
    for (writer, log) in logs.into_iter().enumerate() {
        let stream = format!("s{writer}");
        writers.spawn(async move {
            let mut acknowledged = Vec::new();
            for version in 0..APPENDS_A_WRITER {
                let id = json!(format!("{stream}-{version}"));
                match log.append(append(&stream, version, [id.clone()])).await.unwrap() {
                    Appended::At(position) => acknowledged.push((position, id)),
                    other => panic!("{other:?}: nobody else writes to this stream"),
                }
            }
            acknowledged
        });
    }
    let (mut acknowledged, mut turns) = (Vec::new(), tokio::time::interval(CUT_EVERY));
    loop {
        tokio::select! {
            _ = turns.tick() => store.double.as_ref().unwrap().cut(),
            wrote = writers.join_next() => match wrote {
                Some(wrote) => acknowledged.extend(wrote.unwrap()),
                None => break,
            },
        }
    }
    let events = all(&store.open()).await;
    assert_eq!((events.len() as u64, acknowledged.len()), (WRITERS as u64 * APPENDS_A_WRITER, events.len()), "each command once");
    for (position, payload) in acknowledged {
        assert_eq!(events.iter().find(|event| event.position == position).map(|event| &event.payload), Some(&payload));
    }
}

/// The events stand, the answer never comes: the writer finds them by their ids.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_found_in_the_stream() {
    let Some(store) = on_the_double() else { return };
    let (double, log) = (store.double.as_ref().unwrap(), store.open());
    double.hold_answers(true);
    let (appending, waiting) = (log.clone(), with_key("a"));
    let waiting = tokio::spawn(async move { appending.append(waiting).await });
    until(double, 2).await;
    double.cut();
    let outcome = waiting.await.unwrap().unwrap();
    let events = all(&log).await;
    assert_eq!((events.len(), outcome), (2, Appended::At(events[1].position)));
    assert!(matches!(begin(&log).await, Begin::Done(outcome) if outcome.position == events[1].position));
}

/// Between the events and the outcome of their key the process dies: whoever opens the log next, or uses the key again, finds the outcome.
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_events_and_outcome_runs_no_command_twice() {
    let Some(store) = on_the_double() else { return };
    crash_between_events_and_outcome(&store).await;
}

async fn crash_between_events_and_outcome(store: &EventStore) {
    let (double, log, bystander) = (store.double.as_ref().unwrap(), store.open(), store.open());
    double.hold_answers(true);
    let (appending, waiting) = (log.clone(), with_key("a"));
    // Its answer is held back until the end of the test: as good as dead.
    let dead = tokio::spawn(async move { appending.append(waiting).await });
    until(double, 2).await;
    assert!(matches!(begin(&log).await, Begin::New(_)), "there is no outcome yet");
    assert_eq!(bystander.append(with_key("b")).await.unwrap(), Appended::IdempotencyTaken, "another process, with the same key");
    let position = all(&log).await[1].position;
    assert!(matches!(begin(&log).await, Begin::Done(outcome) if outcome.position == position && outcome.response.is_none()));
    assert_eq!(all(&store.open()).await.len(), 2);
    double.hold_answers(false);
    assert_eq!(dead.await.unwrap().unwrap(), Appended::At(position));
}

/// An intent whose events never arrived holds its key while they still may, and no longer.
#[tokio::test(flavor = "multi_thread")]
async fn an_intent_without_events_holds_its_key_for_a_while() {
    let Some(store) = on_the_double() else { return };
    let log = store.open();
    let intend = |until: i64| {
        let sql = "INSERT INTO idempotency_intents (organization, key, route, fingerprint, aggregate_type, aggregate_id, version, event_id, until) \
                   VALUES (?1, 'k', 'POST /x', 'f', 'Agent', 'gone', 1, 'evt_01arz3ndektsv4rrffq69g5fav', ?2)";
        log.database().write_now(|session| session.execute(sql, &[organization().to_string().into(), until.into()])).unwrap();
    };
    let now = Clock::system(0).now();
    intend(now.plus_seconds(60).millis());
    assert_eq!(log.append(with_key("a")).await.unwrap(), Appended::IdempotencyTaken);
    assert_eq!(store.open().append(with_key("a")).await.unwrap(), Appended::IdempotencyTaken, "opening the log does not void it");
    log.database().write_now(|session| session.execute("DELETE FROM idempotency_intents", &[])).unwrap();
    intend(now.plus_seconds(-1).millis());
    assert!(matches!(log.append(with_key("a")).await.unwrap(), Appended::At(_)));
}

/// A subject's key is in the store before any event that it opens; two keys for one subject never both stand.
#[tokio::test(flavor = "multi_thread")]
async fn a_subject_s_key_is_stored_before_its_events() {
    let Some(store) = on_the_double() else { return };
    let (double, log) = (store.double.as_ref().unwrap(), store.open());
    let with = |stream: &str, wrapped: &[u8]| Append {
        subject_keys: vec![NewSubjectKey { subject: "s".into(), wrapped: wrapped.to_vec() }],
        ..append(stream, 0, [json!({})])
    };
    double.hold_answers(true);
    let (appending, waiting) = (log.clone(), with("a", b"one"));
    let waiting = tokio::spawn(async move { appending.append(waiting).await });
    until(double, 1).await;
    let stored = log.database().read_now(|session| session.query_one("SELECT wrapped FROM subject_keys", &[])?.get::<Vec<u8>>(0)).unwrap();
    assert_eq!(stored, b"one");
    double.hold_answers(false);
    assert!(matches!(waiting.await.unwrap().unwrap(), Appended::At(_)));
    assert_eq!(log.append(with("b", b"other")).await.unwrap(), Appended::SubjectKeyConflict);
    assert!(matches!(log.append(with("b", b"one")).await.unwrap(), Appended::At(_)));
}

/// What stands beside the log may be shared by processes.
#[tokio::test(flavor = "multi_thread")]
async fn keys_and_outcomes_may_be_in_postgres() {
    let Some(store) = LogStore::eventstore_beside_postgres() else { return };
    contract::an_idempotency_key_is_written_with_its_events(|| store.open()).await;
    let Some(store) = LogStore::eventstore_beside_postgres() else { return };
    contract::outcomes_are_forgotten_after_their_day(|| store.open()).await;
    let Some(store) = LogStore::eventstore_beside_postgres() else { return };
    contract::a_dead_process_s_claim_is_taken_over(|| store.open()).await;
    let Some(LogStore::EventStore(store)) = LogStore::eventstore_beside_postgres() else { return };
    if store.double.is_some() {
        crash_between_events_and_outcome(&store).await;
    }
}

/// A replay may be asked for from any number: the log goes on from the next event there is.
#[tokio::test(flavor = "multi_thread")]
async fn a_position_where_no_event_is_reads_on_from_the_next() {
    let LogStore::EventStore(store) = LogStore::eventstore() else { unreachable!("it was asked for") };
    let log = store.open();
    for version in 0..4 {
        log.append(append("a", version, [json!(version)])).await.unwrap();
    }
    let events = all(&log).await;
    for after in [events[1].position + 7, events[2].position - 2] {
        assert_eq!(log.read(after, 10).await.unwrap(), events[2..]);
    }
    assert_eq!(log.read(events[3].position + 100_000, 10).await.unwrap(), []);
}

async fn begin(log: &EventLog) -> Begin {
    let vault = Vault::open(log.database(), MasterKey::from_base64(&STANDARD.encode([7; 32])).unwrap()).unwrap();
    Idempotency::new(log.database(), vault).begin(&key(), Clock::system(0).now()).await.unwrap()
}
