//! What every event log must hold, whatever store it stands on: each function takes a way to open a handle on one and the same fresh log.

use std::collections::{BTreeMap, HashSet};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use twig_commands::{
    clock::Clock,
    database::Engine,
    idempotency::{Begin, Idempotency, IdempotencyKey},
    log::{Append, Appended, EventLog, NewEvent, RecordedEvent},
    vault::{MasterKey, Vault},
};
use twig_domain::{Actor, EventMeta, id::OrgId};

const WRITERS: usize = 12;
const APPENDS_A_WRITER: usize = 25;
const STREAMS: usize = 4;

pub fn organization() -> OrgId {
    "org_01arz3ndektsv4rrffq69g5fav".parse().unwrap()
}

pub fn append(stream: &str, expected_version: u64, payloads: impl IntoIterator<Item = Value>) -> Append {
    let event = |payload: Value| NewEvent { event_type: "AgentDeleted".into(), event_version: 1, payload: payload.to_string() };
    let meta = EventMeta {
        organization: organization(),
        actor: Actor::system("test"),
        correlation_id: "c".into(),
        causation_id: None,
        ip: None,
        user_agent: None,
        traceparent: None,
    };
    Append {
        aggregate_type: "Agent",
        aggregate_id: stream.to_owned(),
        expected_version,
        events: payloads.into_iter().map(event).collect(),
        meta,
        idempotency: None,
        subject_keys: Vec::new(),
    }
}

pub async fn all(log: &EventLog) -> Vec<RecordedEvent> {
    log.read(0, 1_000_000).await.unwrap()
}

/// Positions are counted without gaps, but for a server that gives them by what its own log holds.
fn has_gaps(log: &EventLog) -> bool {
    matches!(log, EventLog::EventStore(_))
}

/// The outcome of an append, with its place among all events instead of its position.
pub async fn placed(log: &EventLog, outcome: Appended) -> Appended {
    match outcome {
        Appended::At(position) => Appended::At(all(log).await.iter().filter(|event| event.position <= position).count() as u64),
        other => other,
    }
}

async fn version(log: &EventLog, stream: &str) -> u64 {
    log.read_stream("Agent", stream, 0).await.unwrap().last().map_or(0, |event| event.version)
}

/// A tail sees each position once and in order, while two handles write; and what was acknowledged is there once, whole, where it was said to be.
pub async fn concurrent_writers_lose_double_and_disorder_nothing(open: impl Fn() -> EventLog) {
    let logs = [open(), open()];
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        writers.spawn(write_fresh_and_stale(logs[writer % 2].clone(), writer));
    }
    let (done, ended) = tokio::sync::oneshot::channel();
    let tail = tokio::spawn(tail_until(open(), ended));
    let (mut acknowledged, mut refused) = (BTreeMap::new(), HashSet::new());
    while let Some(wrote) = writers.join_next().await {
        let (mine, stale) = wrote.unwrap();
        acknowledged.extend(mine);
        refused.extend(stale);
    }
    done.send(logs[0].head().await.unwrap()).unwrap();

    let events = all(&logs[0]).await;
    assert_eq!(tail.await.unwrap(), events, "the tail saw what the log has");
    let counted = |(place, event): (usize, &RecordedEvent)| event.position == place as u64 + 1;
    assert!(has_gaps(&logs[0]) || events.iter().enumerate().all(counted), "positions have no gaps");
    assert!(events.windows(2).all(|pair| pair[0].position < pair[1].position), "positions grow");
    assert!(events.windows(2).all(|pair| pair[0].recorded_at <= pair[1].recorded_at), "times never go back");
    let ids: HashSet<_> = events.iter().map(|event| event.event_id).collect();
    assert_eq!((ids.len(), events.len()), (events.len(), acknowledged.values().map(Vec::len).sum()), "no event is lost, doubled or half");
    for (last, payloads) in &acknowledged {
        let end = events.iter().position(|event| event.position == *last).unwrap() + 1;
        let found: Vec<_> = events[end - payloads.len()..end].iter().map(|event| event.payload.clone()).collect();
        assert_eq!(&found, payloads, "an append stands together and ends at its position");
    }
    assert!(!refused.is_empty() && events.iter().all(|event| !refused.contains(&event.payload["id"].to_string())), "a stale append leaves nothing");
    for stream in 0..STREAMS {
        let versions: Vec<u64> = logs[1].read_stream("Agent", &format!("s{stream}"), 0).await.unwrap().iter().map(|event| event.version).collect();
        assert_eq!(versions, (1..=versions.len() as u64).collect::<Vec<_>>(), "a stream's versions have no gaps");
    }
}

type Wrote = (BTreeMap<u64, Vec<Value>>, HashSet<String>);

async fn write_fresh_and_stale(log: EventLog, writer: usize) -> Wrote {
    let (mut acknowledged, mut refused) = (BTreeMap::new(), HashSet::new());
    for turn in 0..APPENDS_A_WRITER {
        let stream = format!("s{}", (writer + turn) % STREAMS);
        let known = version(&log, &stream).await;
        let expected = if turn % 5 == 4 { known + 1000 } else { known };
        let id = json!(format!("{writer}-{turn}"));
        let payloads: Vec<Value> = (0..=turn % 3).map(|part| json!({"type": "AgentDeleted", "id": id, "part": part})).collect();
        match log.append(append(&stream, expected, payloads.clone())).await.unwrap() {
            Appended::At(position) => drop(acknowledged.insert(position, payloads)),
            Appended::Stale => drop(refused.insert(id.to_string())),
            other => panic!("{other:?}"),
        }
    }
    (acknowledged, refused)
}

/// Reads on from the last event seen, as the feed does, up to the head that the writers left.
async fn tail_until(log: EventLog, mut ended: tokio::sync::oneshot::Receiver<u64>) -> Vec<RecordedEvent> {
    let mut seen: Vec<RecordedEvent> = Vec::new();
    let mut end = u64::MAX;
    while seen.last().map_or(0, |event| event.position) < end {
        let after = seen.last().map_or(0, |event| event.position);
        seen.extend(log.read(after, 7).await.unwrap());
        if let Ok(head) = ended.try_recv() {
            end = head;
        }
    }
    seen
}

/// Commands that wait together are one batch; the stale among them fails, the others go in.
pub async fn a_stale_command_fails_alone_and_whole(open: impl Fn() -> EventLog) {
    let log = open();
    let [a, b, c] = [append("a", 0, [json!(1), json!(2)]), append("b", 7, [json!(3), json!(4)]), append("c", 0, [json!(5)])];
    let outcomes = tokio::join!(log.append(a), log.append(b), log.append(c));
    assert_eq!(outcomes.1.unwrap(), Appended::Stale);
    let (a, c) = (placed(&log, outcomes.0.unwrap()).await, placed(&log, outcomes.2.unwrap()).await);
    let mut payloads: Vec<Value> = all(&log).await.into_iter().map(|event| event.payload).collect();
    // Side by side: a server of streams puts either of the two first.
    if has_gaps(&log) && c == Appended::At(1) {
        payloads.rotate_left(1);
        assert_eq!(a, Appended::At(3));
    } else {
        assert_eq!((a, c), (Appended::At(2), Appended::At(3)));
    }
    assert_eq!(payloads, [json!(1), json!(2), json!(5)]);
}

/// A key and its events are one: a refused append takes no key, a taken key takes no events.
pub async fn an_idempotency_key_is_written_with_its_events(open: impl Fn() -> EventLog) {
    let log = open();
    let key = IdempotencyKey { organization: organization(), key: "k".into(), route: "POST /x".into(), fingerprint: "f".into() };
    let with_key = |stream: &str, expected| Append { idempotency: Some(key.clone()), ..append(stream, expected, [json!({})]) };
    assert_eq!(log.append(with_key("a", 3)).await.unwrap(), Appended::Stale);
    let outcome = log.append(with_key("a", 0)).await.unwrap();
    assert_eq!(placed(&log, outcome).await, Appended::At(1));
    assert_eq!(log.append(with_key("b", 0)).await.unwrap(), Appended::IdempotencyTaken);
    let together = tokio::join!(log.append(with_key("c", 0)), log.append(append("d", 0, [json!({})])));
    let second = placed(&log, together.1.unwrap()).await;
    assert_eq!((together.0.unwrap(), second, all(&log).await.len()), (Appended::IdempotencyTaken, Appended::At(2), 2));
}

/// What was kept for a key is forgotten after its day, in parts, and the key is free again.
pub async fn outcomes_are_forgotten_after_their_day(open: impl Fn() -> EventLog) {
    let (log, now) = (open(), Clock::system(0).now());
    let key = |n: u32| IdempotencyKey { organization: organization(), key: format!("k{n}"), route: "POST /x".into(), fingerprint: "f".into() };
    for n in 0..3 {
        let with_key = Append { idempotency: Some(key(n)), ..append(&format!("s{n}"), 0, [json!({})]) };
        assert!(matches!(log.append(with_key).await.unwrap(), Appended::At(_)));
    }
    let vault = Vault::open(log.database(), MasterKey::from_base64(&STANDARD.encode([7; 32])).unwrap()).unwrap();
    let outcomes = Idempotency::new(log.database(), vault);
    assert!(matches!(outcomes.begin(&key(0), now).await.unwrap(), Begin::Done(_)));
    assert_eq!(outcomes.forget_expired(now.plus_seconds(23 * 3600)).await.unwrap(), 0);
    assert_eq!(outcomes.forget_expired(now.plus_seconds(25 * 3600)).await.unwrap(), 3);
    assert!(matches!(outcomes.begin(&key(0), now).await.unwrap(), Begin::New(_)));
    assert_eq!(all(&log).await.len(), 3, "events stay");
}

/// A claim of a process that PostgreSQL knows no more is no claim.
pub async fn a_dead_process_s_claim_is_taken_over(open: impl Fn() -> EventLog) {
    let (log, now) = (open(), Clock::system(0).now());
    let vault = Vault::open(log.database(), MasterKey::from_base64(&STANDARD.encode([7; 32])).unwrap()).unwrap();
    let (one, other) = (Idempotency::new(log.database(), vault.clone()), Idempotency::new(log.database(), vault));
    let key = IdempotencyKey { organization: organization(), key: "k".into(), route: "POST /x".into(), fingerprint: "f".into() };
    let held = one.begin(&key, now).await.unwrap();
    assert!(matches!((&held, one.begin(&key, now).await.unwrap()), (Begin::New(_), Begin::Running)));
    if log.database().engine() == Engine::Postgres {
        assert!(matches!(other.begin(&key, now).await.unwrap(), Begin::Running), "its process lives");
        let dies = "UPDATE idempotency_running SET owner = 'twig of yesterday/1'";
        log.database().write_now(|session| session.execute(dies, &[])).unwrap();
        assert!(matches!(other.begin(&key, now).await.unwrap(), Begin::New(_)));
    }
}

/// What one handle appends, another reads and is woken by.
pub async fn every_handle_sees_what_any_appends(open: impl Fn() -> EventLog) {
    let (one, other) = (open(), open());
    let mut head = other.subscribe();
    let first = one.append(append("a", 0, [json!(1)])).await.unwrap();
    let (Appended::At(position), place) = (first, placed(&other, first).await) else { panic!("{first:?}") };
    assert_eq!((place, *head.wait_for(|head| *head >= position).await.unwrap(), other.head().await.unwrap()), (Appended::At(1), position, position));
    assert_eq!(other.append(append("a", 0, [json!(2)])).await.unwrap(), Appended::Stale);
    let second = other.append(append("a", 1, [json!(2)])).await.unwrap();
    assert_eq!(placed(&one, second).await, Appended::At(2));
    assert_eq!(one.read(position, 10).await.unwrap().len(), 1, "what is behind a position");
    let event = one.at(position).await.unwrap().unwrap();
    assert_eq!((event.position, one.read(position - 1, 1).await.unwrap()), (position, vec![event]), "what is at a position");
    assert_eq!((one.at(position - 1).await.unwrap(), one.at(1 << 40).await.unwrap()), (None, None));
}

/// A log that is opened again has what it had, and goes on from there.
pub async fn a_log_goes_on_where_it_was_left(open: impl Fn() -> EventLog) {
    let before = {
        let log = open();
        let _ = log.append(append("a", 0, [json!(1), json!(2)])).await.unwrap();
        // An append whose caller goes away before it is answered stands whole or not at all.
        let abandoned = log.append(append("b", 0, [json!(3), json!(4)]));
        drop(tokio::time::timeout(std::time::Duration::ZERO, abandoned).await);
        all(&log).await
    };
    let log = open();
    let after = all(&log).await;
    assert!(after.starts_with(&before) && matches!(after.len(), 2 | 4), "{after:?}");
    let next = log.append(append("a", 2, [json!(5)])).await.unwrap();
    assert!(matches!(placed(&log, next).await, Appended::At(3 | 5)));
}
