//! How fast a dashboard is, among many interactions. Not part of a test run:
//!
//! `cargo test -p twig-projections --lib measure -- --ignored --nocapture`
//!
//! `TWIG_MEASURE_INTERACTIONS` (5,000,000) are made, a fifth of them one organization's, over 60 days; facts go through the same cells, store and tables as
//! the projection's. `TWIG_MEASURE_STORES` (`sqlite,clickhouse`; also `postgres`) says where to.

use std::{env, time::Instant};

use serde_json::json;
use twig_commands::database::Value;
use twig_domain::{
    Timestamp,
    id::{AgentId, OrgId},
};
use uuid::Uuid;

use super::{
    super::{
        clickhouse::{ClickHouse, ClickHouseSink},
        dashboard::DashboardQuery,
        distinct::hash,
        fact::{Cited, Fact, Status},
        histogram::bucket,
        store::{Change, apply},
    },
    *,
};

const INTERACTIONS: i64 = 5_000_000;
const OTHERS: i64 = 40;
const DAYS: i64 = 60;
const AGENTS: u64 = 10;
const DOCUMENTS: f64 = 1000.0;
const WORDINGS: f64 = 20_000.0;
const BATCH: usize = 5000;
const ROUNDS: usize = 100;

/// A number that looks random, of another number and a purpose (SplitMix64).
fn random(number: i64, purpose: u64) -> u64 {
    let mut x = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(purpose.wrapping_mul(0xbf58_476d_1ce4_e5b9));
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn unit(number: i64, purpose: u64) -> f64 {
    random(number, purpose) as f64 / u64::MAX as f64
}

/// A few are frequent and most are rare.
fn skewed(number: i64, purpose: u64, among: f64) -> u64 {
    among.powf(unit(number, purpose)) as u64 - 1
}

fn agent_of(number: i64) -> AgentId {
    AgentId::from(Uuid::from_u128(u128::from(1 + random(number, 1) % AGENTS)))
}

/// The nth of an organization's interactions, of so many.
fn fact(number: i64, of: i64, start: i64) -> Fact {
    let latency = (6.5 + 1.2 * (unit(number, 2) + unit(number, 3) + unit(number, 4) - 1.5)).exp() as u64;
    let answered = !random(number, 5).is_multiple_of(10);
    Fact {
        at: start + number * DAYS * DAY / of,
        agent: agent_of(number).to_string(),
        model: format!("openai:model-{}", random(number, 6) % 3),
        session: hash(&format!("session {}", number / 3)),
        user: Some(hash(&format!("user {}", skewed(number, 7, 50_000.0)))),
        status: Status::Completed,
        answered,
        latency: Some(bucket(latency)),
        tokens: (random(number, 8) % 3000) as i64,
        positive: random(number, 9).is_multiple_of(10).then(|| !random(number, 10).is_multiple_of(4)),
        review: None,
        documents: if answered { (0..4).map(|place| 1 + u128::from(skewed(number, 20 + place, DOCUMENTS))).collect() } else { Vec::new() },
        unanswered: (!answered).then(|| format!("question number {}", skewed(number, 11, WORDINGS))),
    }
}

fn organizations(all: i64) -> Vec<(OrgId, i64)> {
    let id = |number: i64| OrgId::from(Uuid::from_u128(number as u128));
    [(organization(), all / 5)].into_iter().chain((1..=OTHERS).map(|number| (id(number), all * 4 / 5 / OTHERS))).collect()
}

fn interaction_of(number: i64) -> String {
    twig_domain::id::InteractionId::from(Uuid::from_u128(number as u128)).to_string()
}

fn fill(stores: &Stores, all: i64, start: i64) {
    for (organization, count) in organizations(all) {
        for batch in (0..count).collect::<Vec<_>>().chunks(BATCH) {
            let facts: Vec<Fact> = batch.iter().map(|number| fact(*number, count, start)).collect();
            stores.write(|session| {
                // What the dashboard shows of an unanswered one is in its row.
                let row = |(number, fact): (&i64, &Fact)| {
                    let body = json!({"prompt": fact.unanswered.as_ref()?, "status": "completed"});
                    Some(vec![
                        organization.to_string().into(),
                        interaction_of(*number).into(),
                        "session".into(),
                        fact.at.into(),
                        (*number).into(),
                        Value::json(&body),
                    ])
                };
                let rows = batch.iter().zip(&facts).filter_map(row).collect();
                session.upsert("interactions_v1", &["organization", "id", "parent", "at", "sort", "body"], &["organization", "id"], rows)?;
                let change = |(number, fact): (&i64, &Fact)| Change {
                    organization,
                    id: interaction_of(*number),
                    sort: *number,
                    order: *number as u64,
                    position: *number,
                    before: None,
                    after: Some(fact.clone()),
                    cited: fact.documents.iter().filter(|_| *number < 20_000).map(|document| named(*document)).collect(),
                };
                Ok(apply(session, 1, batch.iter().zip(&facts).map(change).collect())?)
            });
        }
    }
}

fn named(document: u128) -> Cited {
    Cited { document: twig_domain::id::DocumentId::from(Uuid::from_u128(document)).to_string(), title: Some(format!("Document {document}")), url: None }
}

async fn fill_clickhouse(sink: &ClickHouseSink, all: i64, start: i64) {
    sink.prepare().await.unwrap();
    for (organization, count) in organizations(all) {
        for batch in (0..count).collect::<Vec<_>>().chunks(20 * BATCH) {
            let facts: Vec<(String, Fact)> = batch.iter().map(|number| (interaction_of(*number), fact(*number, count, start))).collect();
            sink.store.put(organization, &facts).await.unwrap();
        }
    }
}

fn thirty_days(start: i64, offset: i64, agent: Option<AgentId>) -> DashboardQuery {
    let at = Timestamp::from_millis;
    let from = start + 30 * DAY - offset;
    let buckets = (0..30).map(|day| (at(from + day * DAY), "x".to_owned())).collect();
    DashboardQuery { from: at(from), to: at(from + 30 * DAY), previous_from: at(from - 30 * DAY), agent, buckets }
}

async fn measure(what: &str, views: &Views, start: i64) {
    let of_agent = Some(AgentId::from(Uuid::from_u128(3)));
    for (zone, offset, agent) in [("UTC", 0, None), ("Berlin", HOUR, None), ("Kathmandu", 5 * HOUR + 3 * HOUR / 4, None), ("UTC, one agent", 0, of_agent)] {
        let mut times = Vec::with_capacity(ROUNDS);
        for round in 0..ROUNDS + 10 {
            let begun = Instant::now();
            let dashboard = views.counted(organization(), &thirty_days(start, offset, agent)).await.unwrap();
            assert!(dashboard.summary["interactions"]["value"].as_i64().unwrap() > 0);
            // The first few warm it up.
            if round >= 10 {
                times.push(begun.elapsed().as_secs_f64() * 1000.0);
            }
        }
        times.sort_by(f64::total_cmp);
        println!("{what}, 30 days in {zone}: p50 {:.1} ms, p95 {:.1} ms, fastest {:.1} ms", times[ROUNDS / 2], times[ROUNDS * 95 / 100], times[0]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "makes millions of interactions and measures"]
async fn measure_a_dashboard_over_30_days() {
    let all = env::var("TWIG_MEASURE_INTERACTIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(INTERACTIONS);
    let stores = env::var("TWIG_MEASURE_STORES").unwrap_or_else(|_| "sqlite,clickhouse".to_owned());
    let start = history::START;
    let sqlite = Stores::sqlite();
    if stores.contains("sqlite") {
        let begun = Instant::now();
        tokio::task::block_in_place(|| fill(&sqlite, all, start));
        println!("{all} interactions in SQLite's rollups: {:.0} s", begun.elapsed().as_secs_f64());
        measure("SQLite", &sqlite.views, start).await;
    }
    if stores.contains("clickhouse")
        && let Some(url) = twig_test_servers::clickhouse_url()
    {
        let store = ClickHouse::at(&url).unwrap();
        let views = sqlite.views.clone().with_clickhouse(Some(store.clone()));
        let begun = Instant::now();
        fill_clickhouse(&ClickHouseSink { store: store.clone(), views: views.clone() }, all, start).await;
        println!("{all} interactions in ClickHouse: {:.0} s", begun.elapsed().as_secs_f64());
        measure("ClickHouse", &views, start).await;
    }
    if stores.contains("postgres")
        && let Some(url) = twig_test_servers::postgres_url()
    {
        let (postgres, begun) = (Stores::postgres(&url), Instant::now());
        tokio::task::block_in_place(|| fill(&postgres, all, start));
        println!("{all} interactions in PostgreSQL's rollups: {:.0} s", begun.elapsed().as_secs_f64());
        measure("PostgreSQL", &postgres.views, start).await;
    }
}
