//! Natural batching, by the work counters: a commit (and so a sync) a batch, not an event.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use serde_json::json;
use twig_commands::{
    clock::Clock,
    log::{Append, Appended, EventLog, NewEvent},
};
use twig_domain::{Actor, EventMeta};

const IN_FLIGHT: u64 = 64;
const APPENDS_EACH: u64 = 20;

/// Counts commits and nothing else.
struct Commits(Arc<AtomicU64>);

impl Recorder for Commits {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        if key.name() == "twig_log_commits_total" { Counter::from_arc(self.0.clone()) } else { Counter::noop() }
    }
    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }
    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

async fn write(log: EventLog, stream: String, appends: u64) {
    for version in 0..appends {
        let organization = "org_01arz3ndektsv4rrffq69g5fav".parse().unwrap();
        let meta = EventMeta {
            organization,
            actor: Actor::system("test"),
            correlation_id: "c".into(),
            causation_id: None,
            ip: None,
            user_agent: None,
            traceparent: None,
        };
        let events = vec![NewEvent { event_type: "AgentDeleted".into(), event_version: 1, payload: json!({}).to_string() }];
        let append = Append {
            aggregate_type: "Agent",
            aggregate_id: stream.clone(),
            expected_version: version,
            events,
            meta,
            idempotency: None,
            subject_keys: Vec::new(),
        };
        assert!(matches!(log.append(append).await.unwrap(), Appended::At(_)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_together_is_committed_together() {
    let commits = Arc::new(AtomicU64::new(0));
    metrics::set_global_recorder(Commits(commits.clone())).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let log = EventLog::open(&folder.path().join("events.db"), Clock::system(0)).unwrap();

    write(log.clone(), "alone".into(), APPENDS_EACH).await;
    assert_eq!(commits.swap(0, Ordering::SeqCst), APPENDS_EACH, "one client: a commit a command, nothing lingers");

    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..IN_FLIGHT {
        writers.spawn(write(log.clone(), format!("s{writer}"), APPENDS_EACH));
    }
    writers.join_all().await;
    let commits = commits.load(Ordering::SeqCst);
    assert!(commits * 4 <= IN_FLIGHT * APPENDS_EACH, "{commits} commits for {} events", IN_FLIGHT * APPENDS_EACH);
}
