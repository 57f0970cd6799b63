//! Views made again from the log: ours, postgres-es's replay into its own view table, and the log read in order.

use std::{cell::Cell, sync::Arc, time::Instant};

use cqrs_es::{EventEnvelope, View, persist::GenericQuery, persist::QueryReplay};
use futures_util::{StreamExt, TryStreamExt};
use postgres_es::{PostgresEventRepository, PostgresViewRepository};
use serde::{Deserialize, Serialize};
use sqlx::{Connection, Executor, PgConnection, PgPool};
use twig_bench::{
    figures::Unit,
    rounds::{Contender, Measured, Row},
};
use twig_commands::{
    clock::Clock,
    database::MAX_CONNECTIONS,
    ids::new_id,
    log::{Append, EventLog, NewEvent},
    vault::{MasterKey, Vault},
};
use twig_domain::{
    Decide,
    agent::{Agent, AgentCommand, AgentEvent, AgentPatch, AgentSettings},
    id::AgentId,
};
use twig_projections::Views;

use crate::{Bench, ledger::meta, postgres::pool};

/// Of a log; `TWIG_BENCH_REBUILD_EVENTS` sets another number.
const EVENTS: u64 = 1_000_000;
const EVENTS_AN_AGENT: u64 = 5;
const APPENDS_IN_FLIGHT: usize = 512;

pub fn row(bench: &Bench) -> Option<Row> {
    let url = twig_test_servers::postgres_url()?;
    let runtime = bench.runtime.handle();
    let events = std::env::var("TWIG_BENCH_REBUILD_EVENTS").map_or(EVENTS, |events| events.parse().unwrap());
    let log = EventLog::postgres(&url, Clock::system(0)).unwrap();
    println!("  writing {events} events");
    let agents = runtime.block_on(populate(&log, events / EVENTS_AN_AGENT));
    let pool = runtime.block_on(pool(&url, MAX_CONNECTIONS));
    runtime.block_on(pool.execute("VACUUM (ANALYZE) events")).unwrap();
    let workload = format!(
        "A log of {events} agent events in PostgreSQL ({EVENTS_AN_AGENT} an agent) into view tables in the same database. Ours writes a row for each agent and one for each of its versions; the peer, which \
         is given as many agents as it can do in a pass, one for each agent."
    );
    let row = Row::new("rebuild", "Rebuild", Unit::PerSecond, workload)
        .with(twig(bench, &url, log, events))
        .with(generic_query(bench, pool.clone(), agents))
        .with(copy(bench, &url, events))
        .at_least(25.0, "twig", "postgres-es")
        .at_least(0.35, "twig", "COPY");
    Some(row)
}

async fn populate(log: &EventLog, agents: u64) -> Vec<String> {
    let ids: Vec<AgentId> = (0..agents).map(|_| new_id(Clock::system(0).now())).collect();
    let appends = ids.iter().map(|id| {
        let (log, append) = (log.clone(), history(*id));
        async move { log.append(append).await.unwrap() }
    });
    futures_util::stream::iter(appends).buffer_unordered(APPENDS_IN_FLIGHT).for_each(|_| async {}).await;
    ids.iter().map(ToString::to_string).collect()
}

/// An agent and its updates, as one append.
fn history(id: AgentId) -> Append {
    let (mut agent, mut events) = (Agent::default(), Vec::new());
    for number in 0..EVENTS_AN_AGENT {
        let name = format!("{id} {number}");
        let command = match number {
            0 => AgentCommand::CreateAgent { organization: meta().organization, id, settings: Box::new(AgentSettings::named(name)) },
            _ => AgentCommand::UpdateAgent { patch: Box::new(AgentPatch { name: Some(name), ..AgentPatch::default() }) },
        };
        for event in agent.decide(command).unwrap() {
            events.push(NewEvent { event_type: event.name().into(), event_version: event.shape_version(), payload: serde_json::to_string(&event).unwrap() });
            cqrs_es::Aggregate::apply(&mut agent, event);
        }
    }
    Append { aggregate_type: "Agent", aggregate_id: id.to_string(), expected_version: 0, events, meta: meta(), idempotency: None, subject_keys: Vec::new() }
}

fn twig(bench: &Bench, url: &str, log: EventLog, events: u64) -> Contender {
    let vault = Vault::open(log.database(), MasterKey::load_or_create(&bench.folder.join("master.key")).unwrap()).unwrap();
    let (views, runtime) = (Views::postgres(url, log).unwrap(), bench.runtime.handle().clone());
    let mut connection = runtime.block_on(PgConnection::connect(url)).unwrap();
    Contender::new("twig", "`twig projections rebuild agents` into tables of a new version", move || {
        runtime.block_on(async {
            let started = Instant::now();
            let version = views.rebuild("agents", vault.clone(), |_, _| {}).await.unwrap();
            let seconds = started.elapsed().as_secs_f64();
            let counted = format!("SELECT (SELECT count(*) FROM agents_v{version}) * {EVENTS_AN_AGENT} + (SELECT count(*) FROM agent_versions_v{version})");
            let rows: i64 = sqlx::query_scalar(&counted).fetch_one(&mut connection).await.unwrap();
            assert_eq!(rows as u64, 2 * events, "a row for each agent and each version");
            views.drop_rebuilt("agents").await.unwrap();
            Measured::Rate { operations: events, seconds }
        })
    })
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct AgentView {
    settings: Option<AgentSettings>,
    version: usize,
    deleted: bool,
}

impl View<Agent> for AgentView {
    fn update(&mut self, event: &EventEnvelope<Agent>) {
        self.version = event.sequence;
        match &event.payload {
            AgentEvent::AgentCreated { settings, .. } | AgentEvent::AgentUpdated { settings, .. } => self.settings = Some((**settings).clone()),
            AgentEvent::AgentDeleted {} => self.deleted = true,
        }
    }
}

/// Agent after agent until the pass is over.
fn generic_query(bench: &Bench, pool: PgPool, agents: Vec<String>) -> Contender {
    let (runtime, pass, next) = (bench.runtime.handle().clone(), bench.pass, Cell::new(0));
    let view = "CREATE TABLE agent_view (view_id text PRIMARY KEY, version bigint NOT NULL CHECK (version >= 0), payload json NOT NULL)";
    runtime.block_on(pool.execute(view)).unwrap();
    let repository = Arc::new(PostgresViewRepository::<AgentView, Agent>::new("agent_view", pool.clone()));
    Contender::new("postgres-es", "`QueryReplay` of `GenericQuery` on `PostgresViewRepository`, agent after agent", move || {
        runtime.block_on(async {
            pool.execute("TRUNCATE agent_view").await.unwrap();
            let replay = QueryReplay::new(PostgresEventRepository::new(pool.clone()), GenericQuery::new(repository.clone()));
            let (started, mut replayed) = (Instant::now(), 0);
            while started.elapsed() < pass {
                replay.replay(&agents[next.get() % agents.len()]).await.unwrap();
                next.set(next.get() + 1);
                replayed += 1;
            }
            let seconds = started.elapsed().as_secs_f64();
            let (rows, behind): (i64, i64) =
                sqlx::query_as("SELECT count(*), count(*) FILTER (WHERE (payload ->> 'version')::int <> 5) FROM agent_view").fetch_one(&pool).await.unwrap();
            assert_eq!((rows, behind), (replayed, 0), "a row for each agent, at its last version");
            Measured::Rate { operations: replayed as u64 * EVENTS_AN_AGENT, seconds }
        })
    })
}

fn copy(bench: &Bench, url: &str, events: u64) -> Contender {
    let runtime = bench.runtime.handle().clone();
    let mut connection = runtime.block_on(PgConnection::connect(url)).unwrap();
    Contender::new("COPY", "`COPY (SELECT … ORDER BY position) TO STDOUT`, counted and thrown away", move || {
        runtime.block_on(async {
            let started = Instant::now();
            let mut out = connection
                .copy_out_raw("COPY (SELECT position, event_id, recorded_at, aggregate_type, aggregate_id, sequence, event_type, event_version, metadata, payload FROM events ORDER BY position) TO STDOUT")
                .await
                .unwrap();
            let mut rows = 0;
            while let Some(bytes) = out.try_next().await.unwrap() {
                rows += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
            }
            drop(out);
            assert_eq!(rows, events, "every event");
            Measured::Rate { operations: rows, seconds: started.elapsed().as_secs_f64() }
        })
    })
}
