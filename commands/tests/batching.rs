//! Natural batching, by the work counters: a commit (and so a sync) a batch, not an event, and no look at a stream that is new.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use serde_json::json;
use tokio::runtime::Handle;
use twig_commands::{
    bus::{CommandBus, CommandContext},
    clock::Clock,
    ids::new_id,
    log::{Append, Appended, EventLog, NewEvent},
};
use twig_domain::{
    Actor, EventMeta,
    agent::{Agent, AgentCommand, AgentPatch, AgentSettings},
    id::AgentId,
};

const IN_FLIGHT: u64 = 64;
const APPENDS_EACH: u64 = 20;
const APPENDS_TOGETHER_EACH: u64 = 100;
/// Of those in flight, so many share a commit at least.
const SHARED_BY: u64 = 16;

/// Counts commits and looks at single streams, and nothing else.
#[derive(Clone, Default)]
struct Work {
    commits: Arc<AtomicU64>,
    stream_reads: Arc<AtomicU64>,
}

impl Recorder for Work {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        match key.name() {
            "twig_log_commits_total" => Counter::from_arc(self.commits.clone()),
            "twig_log_stream_reads_total" => Counter::from_arc(self.stream_reads.clone()),
            _ => Counter::noop(),
        }
    }
    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }
    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

fn meta() -> EventMeta {
    let organization = "org_01arz3ndektsv4rrffq69g5fav".parse().unwrap();
    EventMeta { organization, actor: Actor::system("test"), correlation_id: "c".into(), causation_id: None, ip: None, user_agent: None, traceparent: None }
}

async fn write(log: EventLog, stream: String, appends: u64) {
    for version in 0..appends {
        let events = vec![NewEvent { event_type: "AgentDeleted".into(), event_version: 1, payload: json!({}).to_string() }];
        let append = Append {
            aggregate_type: "Agent",
            aggregate_id: stream.clone(),
            expected_version: version,
            events,
            meta: meta(),
            idempotency: None,
            subject_keys: Vec::new(),
        };
        assert!(matches!(log.append(append).await.unwrap(), Appended::At(_)));
    }
}

async fn run(bus: &CommandBus, id: AgentId, command: AgentCommand) {
    bus.execute::<Agent>(id, vec![command], CommandContext::of(meta())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn work_is_shared_by_what_waits_together_and_left_out_where_nothing_is_to_be_found() {
    let work = Work::default();
    metrics::set_global_recorder(work.clone()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let log = EventLog::open(&folder.path().join("events.db"), Clock::system(0)).unwrap();

    write(log.clone(), "alone".into(), APPENDS_EACH).await;
    assert_eq!(work.commits.swap(0, Ordering::SeqCst), APPENDS_EACH, "one client: a commit a command, nothing lingers");

    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..IN_FLIGHT {
        writers.spawn(write(log.clone(), format!("s{writer}"), APPENDS_TOGETHER_EACH));
    }
    writers.join_all().await;
    let commits = work.commits.swap(0, Ordering::SeqCst);
    assert!(commits * SHARED_BY <= IN_FLIGHT * APPENDS_TOGETHER_EACH, "{commits} commits for {} events", IN_FLIGHT * APPENDS_TOGETHER_EACH);

    let (one, other) = (CommandBus::new(log.clone(), Handle::current()), CommandBus::new(log, Handle::current()));
    let id: AgentId = new_id(Clock::system(0).now());
    run(&one, id, AgentCommand::CreateAgent { organization: meta().organization, id, settings: Box::new(AgentSettings::named("Ada")) }).await;
    run(&one, id, AgentCommand::UpdateAgent { patch: Box::new(AgentPatch { name: Some("Bob".into()), ..AgentPatch::default() }) }).await;
    assert_eq!((work.stream_reads.swap(0, Ordering::SeqCst), work.commits.swap(0, Ordering::SeqCst)), (0, 2), "what is new or known is not looked up");
    run(&other, id, AgentCommand::DeleteAgent).await;
    assert_eq!((work.stream_reads.swap(0, Ordering::SeqCst), work.commits.swap(0, Ordering::SeqCst)), (1, 1), "another process looks once");
}
