//! The delivery store on SQLite and on PostgreSQL: what is dispatched once, claimed by one, taken over, ended and dropped, whichever it is and however many
//! processes share it.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;
use tokio_util::sync::CancellationToken;
use twig_commands::{
    bus::{CommandBus, CommandContext},
    clock::Clock,
    database::PostgresPool,
    ids::new_id,
    log::EventLog,
    vault::{MasterKey, Vault},
};
use twig_domain::{
    Actor, EventMeta, Timestamp,
    agent::{Agent, AgentCommand, AgentSettings},
    id::{AgentId, OrgId, WebhookId},
    webhook::{ReplayFrom, Webhook, WebhookCommand, WebhookFilter, WebhookSettings, WebhookStatus},
};
use twig_projections::{AttemptResult, Deliveries, DeliveryFilter, DueDelivery, Lane, ListAt, ListQuery, Next, Want};

const DAY_S: i64 = 86_400;
const LEASE_S: i64 = 60;
const LIMIT: std::time::Duration = std::time::Duration::from_secs(30);

/// One log and one delivery store.
struct World {
    folder: tempfile::TempDir,
    postgres: Option<String>,
    log: EventLog,
    bus: CommandBus,
    clock: Clock,
    organization: OrgId,
}

impl World {
    /// The store in a file, and in PostgreSQL where that can be had.
    async fn all() -> Vec<Self> {
        let stores = [Some(None), twig_test_servers::postgres_url().map(Some)];
        let all: Vec<Self> = stores.into_iter().flatten().map(Self::new).collect();
        for world in &all {
            // What happens before a store is made is never sent.
            drop(world.open().await);
        }
        all
    }

    fn new(postgres: Option<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(Timestamp::from_millis(1_790_000_000_000));
        let log = EventLog::open(&folder.path().join("events.db"), clock.clone()).unwrap();
        let bus = CommandBus::new(log.clone(), tokio::runtime::Handle::current());
        let organization = new_id(clock.now());
        Self { folder, postgres, log, bus, clock, organization }
    }

    /// Another process's handle, where the store is PostgreSQL.
    async fn open(&self) -> Deliveries {
        let vault = Vault::open(self.log.database(), MasterKey::load_or_create(&self.folder.path().join("master.key")).unwrap()).unwrap();
        let (log, clock) = (self.log.clone(), self.clock.clone());
        match &self.postgres {
            None => Deliveries::open(&self.folder.path().join("webhooks.db"), log, vault, clock).await.unwrap(),
            Some(url) => {
                let url = url.clone();
                let pool = tokio::task::spawn_blocking(move || PostgresPool::connect(&url, None).unwrap()).await.unwrap();
                Deliveries::postgres(pool, log, vault, clock).await.unwrap()
            }
        }
    }

    fn context(&self) -> CommandContext {
        CommandContext::of(EventMeta {
            organization: self.organization,
            actor: Actor::system("tests"),
            correlation_id: "tests".into(),
            causation_id: None,
            ip: None,
            user_agent: None,
            traceparent: None,
        })
    }

    async fn webhook(&self) -> String {
        let (organization, id): (_, WebhookId) = (self.organization, new_id(self.clock.now()));
        let settings = Box::new(WebhookSettings {
            url: "https://example.com/".into(),
            events: vec!["agent.*".into()],
            description: None,
            filter: WebhookFilter::default(),
            headers: std::collections::BTreeMap::new(),
            status: WebhookStatus::Active,
            disabled_reason: None,
        });
        self.tell(id, WebhookCommand::RegisterWebhook { organization, id, settings, secret: "sealed".into() }).await;
        id.to_string()
    }

    async fn tell(&self, id: WebhookId, command: WebhookCommand) {
        self.bus.execute::<Webhook>(id, vec![command], self.context()).await.unwrap();
    }

    async fn agents(&self, count: usize) {
        for number in 0..count {
            let (organization, id): (_, AgentId) = (self.organization, new_id(self.clock.now()));
            let settings = Box::new(AgentSettings::named(format!("agent {number}")));
            self.bus.execute::<Agent>(id, vec![AgentCommand::CreateAgent { organization, id, settings }], self.context()).await.unwrap();
        }
    }

    async fn listed(&self, deliveries: &Deliveries, webhook: &str) -> Vec<Value> {
        let query = ListQuery { limit: 200, at: ListAt::Offset(0) };
        deliveries.list(self.organization, webhook.to_owned(), DeliveryFilter::default(), query).await.unwrap().rows
    }

    async fn claim(&self, deliveries: &Deliveries, webhook: &str, lane: Lane, limit: u32) -> Vec<DueDelivery> {
        let (now, wants) = (self.clock.now(), vec![Want { webhook: webhook.to_owned(), lane, limit }]);
        deliveries.claim(wants, "owner".into(), now, now.plus_seconds(LEASE_S)).await.unwrap()
    }

    fn result(&self, status: u16) -> AttemptResult {
        AttemptResult { at: self.clock.now(), status: Some(status), latency_ms: 3, response: Some("ok".into()), error: None, retry_after_s: None, jitter: 0.0 }
    }
}

/// Dispatches with several processes at once until the store has so many rows of an endpoint.
async fn dispatched(world: &World, webhook: &str, rows: usize, processes: usize) -> Deliveries {
    let mut all = Vec::new();
    for _ in 0..processes {
        all.push(world.open().await);
    }
    let cancel = CancellationToken::new();
    let running: Vec<_> = all.iter().enumerate().map(|(number, one)| tokio::spawn(one.clone().run(format!("process {number}"), cancel.clone()))).collect();
    let reached = async {
        while world.listed(&all[0], webhook).await.len() < rows {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, reached).await.unwrap();
    cancel.cancel();
    for one in running {
        one.await.unwrap();
    }
    all.swap_remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_queued_once_whoever_dispatches() {
    for world in World::all().await {
        let webhook = world.webhook().await;
        world.agents(60).await;
        let processes = if world.postgres.is_some() { 3 } else { 1 };
        let deliveries = dispatched(&world, &webhook, 60, processes).await;
        let rows = world.listed(&deliveries, &webhook).await;
        let sequences: Vec<u64> = rows.iter().rev().map(|row| row["sequence"].as_u64().unwrap()).collect();
        assert_eq!(sequences, (1..=60).collect::<Vec<_>>());
        assert!(rows.iter().all(|row| row["status"] == "pending" && row["type"] == "agent.created"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_is_claimed_by_one_deliverer_at_a_time() {
    for world in World::all().await {
        let webhook = world.webhook().await;
        world.agents(120).await;
        let deliveries = dispatched(&world, &webhook, 120, 1).await;
        let other = if world.postgres.is_some() { world.open().await } else { deliveries.clone() };
        let (mut one, mut two) = (Vec::new(), Vec::new());
        loop {
            let both = tokio::join!(world.claim(&deliveries, &webhook, Lane::Live, 7), world.claim(&other, &webhook, Lane::Live, 7));
            if both.0.is_empty() && both.1.is_empty() {
                break;
            }
            one.extend(both.0);
            two.extend(both.1);
        }
        let ids: BTreeSet<&str> = one.iter().chain(&two).map(|delivery| delivery.id.as_str()).collect();
        assert_eq!((one.len() + two.len(), ids.len()), (120, 120), "each was claimed once");
        assert!(!one.is_empty() && !two.is_empty());
        // Not before its lease ends, and then again.
        assert!(deliveries.due(world.clock.now()).await.unwrap().0.is_empty());
        world.clock.advance(LEASE_S);
        assert_eq!(deliveries.due(world.clock.now()).await.unwrap().0.len(), 1);
        assert_eq!(world.claim(&other, &webhook, Lane::Live, 200).await.len(), 120);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_are_logged_and_decide_what_becomes_of_a_delivery() {
    for world in World::all().await {
        let webhook = world.webhook().await;
        world.agents(3).await;
        let deliveries = dispatched(&world, &webhook, 3, 1).await;
        let due = world.claim(&deliveries, &webhook, Lane::Live, 3).await;
        let [good, bad, gone]: [DueDelivery; 3] = due.try_into().unwrap();
        let attempts = vec![(good.clone(), world.result(204)), (bad.clone(), world.result(500)), (gone.clone(), world.result(410))];
        let follows = deliveries.record(attempts).await.unwrap();
        assert!(matches!(follows.as_slice(), [Next::Delivered, Next::RetryAt(_), Next::Disable(_)]), "{follows:?}");
        let rows: HashMap<String, Value> =
            world.listed(&deliveries, &webhook).await.into_iter().map(|row| (row["id"].as_str().unwrap().to_owned(), row)).collect();
        for (delivery, state, status) in [(&good, "succeeded", 204), (&bad, "pending", 500), (&gone, "failed", 410)] {
            let row = &rows[&delivery.id];
            assert_eq!((row["status"].as_str().unwrap(), row["attempts"][0]["status"].as_i64().unwrap()), (state, status), "{row}");
        }
        // The one that waits is due after 5 s; a retry of what has ended begins its schedule anew and keeps its log.
        assert!(world.claim(&deliveries, &webhook, Lane::Live, 3).await.is_empty());
        assert!(deliveries.retry(world.organization, good.id.clone(), world.clock.now()).await.unwrap());
        let again = world.claim(&deliveries, &webhook, Lane::Live, 3).await;
        assert_eq!((again.len(), &again[0].id, again[0].attempts, again[0].tries), (1, &good.id, 1, 0));
        deliveries.record(vec![(again[0].clone(), world.result(200))]).await.unwrap();
        let one = deliveries.one(world.organization, good.id.clone()).await.unwrap().unwrap();
        assert_eq!((one["attempts"].as_array().unwrap().len(), &one["status"]), (2, &Value::from("succeeded")));
        assert_eq!(
            deliveries.retry_failed(world.organization, webhook.clone(), Timestamp::from_millis(0), world.clock.now(), world.clock.now()).await.unwrap(),
            1
        );
        assert_eq!(world.claim(&deliveries, &webhook, Lane::Live, 3).await[0].id, gone.id);
        world.clock.advance(5);
        assert_eq!(world.claim(&deliveries, &webhook, Lane::Live, 3).await[0].id, bad.id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_queued_in_order_in_a_lane_of_its_own() {
    for world in World::all().await {
        world.agents(25).await;
        let webhook = world.webhook().await;
        world.tell(webhook.parse().unwrap(), WebhookCommand::ReplayWebhook { from: ReplayFrom::Position(1), types: vec!["agent.created".into()] }).await;
        world.agents(2).await;
        let deliveries = dispatched(&world, &webhook, 27, 1).await;
        let history = world.claim(&deliveries, &webhook, Lane::History, 200).await;
        let positions: Vec<u64> = history.iter().map(|delivery| delivery.position.unwrap()).collect();
        assert_eq!(positions, (1..=25).collect::<Vec<_>>());
        assert_eq!(world.claim(&deliveries, &webhook, Lane::Live, 200).await.len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_ended_ages_out_and_what_is_due_never_does() {
    for world in World::all().await {
        let webhook = world.webhook().await;
        world.agents(4).await;
        let deliveries = dispatched(&world, &webhook, 4, 1).await;
        let due = world.claim(&deliveries, &webhook, Lane::Live, 2).await;
        deliveries.record(due.into_iter().map(|delivery| (delivery, world.result(200))).collect()).await.unwrap();
        world.clock.advance(60 * DAY_S);
        deliveries.age_out(world.clock.now()).await.unwrap();
        assert_eq!(world.listed(&deliveries, &webhook).await.len(), 4, "not before its time");
        world.clock.advance(70 * DAY_S);
        deliveries.age_out(world.clock.now()).await.unwrap();
        let left = world.listed(&deliveries, &webhook).await;
        assert_eq!(left.iter().map(|row| row["status"].as_str().unwrap()).collect::<Vec<_>>(), ["pending"; 2]);
        assert_eq!(world.claim(&deliveries, &webhook, Lane::Live, 9).await.len(), 2);
    }
}
