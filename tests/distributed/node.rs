//! The parts of a distributed node inside the test's own process: a log, views, relays and projectors, over stores of the test's own.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer},
};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use twig_commands::{
    clock::Clock,
    ids::new_id,
    log::{Append, Appended, EventLog, NewEvent},
    vault::{MasterKey, Vault},
};
use twig_domain::{
    Actor, EventMeta, Timestamp,
    id::{InteractionId, OrgId},
};
use twig_projections::{ClickHouse, DashboardQuery, Projector, Views, feed::KafkaSettings};
use twig_workers::Relay;

use crate::cluster::Stores;

pub const PARTITIONS: u32 = 12;
pub const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(60);
const DAY_MS: i64 = 86_400_000;
const PROJECTIONS: [&str; 7] = ["organizations", "agents", "data_specs", "interactions", "webhooks", "audit", "jobs"];

/// Something that runs until it is ended.
pub struct Running {
    cancel: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    pub async fn end(mut self) {
        self.cancel.cancel();
        (&mut self.task).await.unwrap();
    }
}

/// A test that fails does not wait for it.
impl Drop for Running {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

pub struct Node {
    pub log: EventLog,
    pub views: Views,
    pub vault: Vault,
    pub settings: KafkaSettings,
    streams: AtomicU64,
    clickhouse: Option<ClickHouse>,
    /// The master key's.
    _folder: tempfile::TempDir,
}

impl Node {
    pub fn new(postgres: &str, brokers: &str) -> Self {
        Self::on(tempfile::tempdir().unwrap(), postgres, brokers, &twig_test_servers::unique("twig.events"), None)
    }

    /// On the stores and the master key of other processes.
    pub fn beside(folder: tempfile::TempDir, stores: &Stores, topic: &str) -> Self {
        Self::on(folder, &stores.postgres, &stores.brokers, topic, Some(ClickHouse::at(&stores.clickhouse).unwrap()))
    }

    fn on(folder: tempfile::TempDir, postgres: &str, brokers: &str, topic: &str, clickhouse: Option<ClickHouse>) -> Self {
        let log = EventLog::postgres(postgres, Clock::system(0)).unwrap();
        let vault = Vault::open(log.database(), MasterKey::load_or_create(&folder.path().join("master.key")).unwrap()).unwrap();
        let views = Views::postgres(postgres, log.clone()).unwrap();
        let settings = KafkaSettings { brokers: brokers.to_owned(), topic: topic.to_owned(), partitions: PARTITIONS, retention_hours: 24 };
        Self { log, views, vault, settings, streams: AtomicU64::new(0), clickhouse, _folder: folder }
    }

    pub fn relay(&self) -> Running {
        let (cancel, relay) = (CancellationToken::new(), Relay::new(self.log.clone(), self.log.database(), self.settings.clone()));
        Running { task: tokio::spawn(relay.run(cancel.clone())), cancel }
    }

    pub fn projector(&self) -> Running {
        let projector = Projector { log: self.log.clone(), vault: self.vault.clone(), views: self.views.clone() };
        let cancel = CancellationToken::new();
        Running { task: tokio::spawn(projector.run_from_kafka(self.settings.clone(), cancel.clone())), cancel }
    }

    /// One interaction of five events, each appended for itself; the last position. Events that are folded twice, left out or turned around show in its row.
    pub async fn interact(&self) -> u64 {
        let time = Timestamp::from_millis(1_700_000_000_000 + self.streams.fetch_add(1, Ordering::SeqCst) as i64);
        let id: InteractionId = new_id(time);
        let mut position = 0;
        for (version, event) in
            ["InteractionStarted", "InteractionCompleted", "FeedbackSubmitted", "FeedbackSubmitted", "FeedbackSubmitted"].into_iter().enumerate()
        {
            position = self.append("Interaction", &id.to_string(), version as u64, sample(event, &json!({}))).await;
        }
        position
    }

    pub async fn append(&self, aggregate_type: &'static str, aggregate_id: &str, expected_version: u64, payload: Value) -> u64 {
        let event = NewEvent { event_type: payload["type"].as_str().unwrap().to_owned(), event_version: 1, payload: payload.to_string() };
        let append = Append {
            aggregate_type,
            aggregate_id: aggregate_id.to_owned(),
            expected_version,
            events: vec![event],
            meta: meta(),
            idempotency: None,
            subject_keys: Vec::new(),
        };
        match self.log.append(append).await.unwrap() {
            Appended::At(position) => position,
            refused => panic!("{refused:?}"),
        }
    }

    /// So many interactions by eight writers at once.
    pub async fn load(&self, interactions: usize) {
        let share = |writer: usize| async move {
            for _ in (writer..interactions).step_by(8) {
                self.interact().await;
            }
        };
        futures_util::future::join_all((0..8).map(share)).await;
    }

    /// Waits until the views have all that the log has; then nothing may be missing, doubled, parked, or other than a fresh rebuild makes it.
    pub async fn views_are_what_a_rebuild_makes(&self) {
        let head = self.log.head().await.unwrap();
        assert!(self.views.wait_for(head, CAUGHT_UP_WITHIN).await, "the views are at {} of {head}", self.views.checkpoint().await.unwrap());
        for name in PROJECTIONS {
            self.views.rebuild(name, self.vault.clone(), |_, _| {}).await.unwrap();
            assert_eq!(self.views.differing_rows(name, self.vault.clone()).await.unwrap(), 0, "{name}");
            self.views.drop_rebuilt(name).await.unwrap();
        }
        for status in self.views.status().await.unwrap() {
            assert_eq!((status.dead_events, status.position), (0, head), "{}", status.name);
        }
    }

    /// Waits until ClickHouse has all that the log has; then its figures are the views'.
    pub async fn clickhouse_has_the_figures_of_the_views(&self, organization: OrgId) {
        let head = self.log.head().await.unwrap();
        let reached = || self.number("SELECT coalesce(max(reached), 0) FROM clickhouse_ranges") as u64;
        let begun = Instant::now();
        while reached() < head {
            assert!(begun.elapsed() < CAUGHT_UP_WITHIN, "ClickHouse is at {} of {head}", reached());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let day = |day: i64| Timestamp::from_millis((Clock::system(0).now().millis() / DAY_MS + day) * DAY_MS);
        let query =
            || DashboardQuery { from: day(-2), to: day(2), previous_from: day(-6), agent: None, buckets: (-2..2).map(|n| (day(n), n.to_string())).collect() };
        let ours = self.views.counted(organization, &query()).await.unwrap();
        let views = self.views.clone().with_clickhouse(self.clickhouse.clone());
        let theirs = views.counted(organization, &query()).await.unwrap();
        assert_eq!(theirs.position, head, "the figures are ClickHouse's");
        assert_eq!((theirs.summary, theirs.charts), (ours.summary, ours.charts));
    }

    /// A statement on the stores, as an operator would do it.
    pub fn sql(&self, sql: &str) {
        self.log.database().write_now(|session| session.batch(sql)).unwrap();
    }

    pub fn number(&self, sql: &str) -> i64 {
        self.log.database().read_now(|session| session.query_one(sql, &[])?.get::<i64>(0)).unwrap()
    }

    pub async fn delete_topic(&self) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        admin.delete_topics(&[&self.settings.topic], &AdminOptions::new()).await.unwrap();
    }

    /// The ids of all events in the topic, by partition and offset, with whatever was written more than once.
    pub fn topic(&self) -> Vec<Value> {
        let consumer: BaseConsumer = self.client().set("group.id", "look").set("enable.partition.eof", "false").create().unwrap();
        let mut all = TopicPartitionList::new();
        let mut wanted = 0;
        for partition in 0..PARTITIONS as i32 {
            let (low, high) = consumer.fetch_watermarks(&self.settings.topic, partition, Duration::from_secs(10)).unwrap();
            wanted += high - low;
            all.add_partition_offset(&self.settings.topic, partition, Offset::Beginning).unwrap();
        }
        consumer.assign(&all).unwrap();
        let read = |_| {
            let message = consumer.poll(Duration::from_secs(20)).expect("the topic has as much as its watermarks say").unwrap();
            let mut value: Value = serde_json::from_slice(message.payload().unwrap()).unwrap();
            value["_key"] = message.key().map(|key| String::from_utf8_lossy(key).into_owned()).into();
            value["_partition"] = message.partition().into();
            value
        };
        (0..wanted).map(read).collect()
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.settings.brokers);
        config
    }
}

/// The ids of the events among messages.
pub fn event_ids(messages: &[Value]) -> Vec<&str> {
    messages.iter().filter(|message| message["type"] != "twig.mark").map(|message| message["id"].as_str().unwrap()).collect()
}

pub fn distinct<T: Ord>(items: &[T]) -> usize {
    items.iter().collect::<BTreeSet<_>>().len()
}

/// The stored sample of an event, with members replaced.
pub fn sample(event: &str, members: &Value) -> Value {
    let file = format!("{}/../commands/tests/samples/{event}.v1.json", env!("CARGO_MANIFEST_DIR"));
    let mut payload: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    for (name, value) in members.as_object().unwrap() {
        payload[name] = value.clone();
    }
    payload
}

fn meta() -> EventMeta {
    EventMeta {
        organization: "org_01arz3ndektsv4rrffq69g5fav".parse().unwrap(),
        actor: Actor::system("test"),
        correlation_id: "test".into(),
        causation_id: None,
        ip: None,
        user_agent: None,
        traceparent: None,
    }
}
