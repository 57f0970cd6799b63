//! The dashboard's thirty days, as a client asks for them; the same figures by SQL on an indexed table; and a static answer of that size.

use std::{process::Command, sync::Arc, time::Instant};

use serde_json::Value;
use sqlx::{Executor, Row as _};
use twig_bench::{
    figures::Unit,
    rounds::{Contender, Measured, Row},
    statistics::median,
};
use twig_commands::{
    bus::CommandBus,
    clock::Clock,
    log::EventLog,
    vault::{MasterKey, Vault},
};
use twig_projections::{Projector, Views};

use crate::{
    Bench,
    http::{Connection, get},
    interactions::{self, AGENTS, DAYS},
    ledger::meta,
    postgres::pool,
    twig::{Server, Twig},
};

/// `TWIG_BENCH_INTERACTIONS` sets another number.
const INTERACTIONS: u64 = 1_000_000;
const DAY_MS: i64 = 86_400_000;
const QUARTER_MS: i64 = 900_000;
const RANGES: i64 = 10_000;
/// Ranges end at one of so many quarters.
const ENDS: i64 = 250;
const PATH: &str = "/api/analytics/charts/dashboard";
/// What the figures are of, by one pass each over thirty days (and the thirty before, for the comparison), as one would write them.
const TABLE: &str = "CREATE TABLE interactions (organization int NOT NULL, at timestamptz NOT NULL, agent int NOT NULL, model text NOT NULL, session int NOT NULL, \
     app_user int NOT NULL, answered boolean NOT NULL, latency int NOT NULL, tokens int NOT NULL, positive boolean, documents int[] NOT NULL, question int)";
const QUERIES: [&str; 6] = [
    "SELECT count(*), count(*) FILTER (WHERE answered), sum(tokens), count(DISTINCT session), count(DISTINCT app_user), count(positive), count(*) FILTER (WHERE positive), \
     percentile_disc(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY latency) FROM interactions WHERE organization = 1 AND at >= now() - interval '30 days'",
    "SELECT count(*), count(*) FILTER (WHERE answered), sum(tokens), count(DISTINCT session), count(DISTINCT app_user), count(positive), count(*) FILTER (WHERE positive), \
     percentile_disc(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY latency) FROM interactions WHERE organization = 1 AND at >= now() - interval '60 days' AND at < now() - interval '30 days'",
    "SELECT date_trunc('day', at), count(*), count(*) FILTER (WHERE answered), sum(tokens), count(DISTINCT session), count(DISTINCT app_user), \
     percentile_disc(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY latency) FROM interactions WHERE organization = 1 AND at >= now() - interval '30 days' GROUP BY 1 ORDER BY 1",
    "SELECT agent, count(*), count(*) FILTER (WHERE answered), count(positive) FROM interactions WHERE organization = 1 AND at >= now() - interval '30 days' GROUP BY 1 ORDER BY 2 DESC LIMIT 10",
    "SELECT document, count(*) FROM interactions, unnest(documents) AS document WHERE organization = 1 AND at >= now() - interval '30 days' GROUP BY 1 ORDER BY 2 DESC LIMIT 10",
    "SELECT question, count(*), max(at) FROM interactions WHERE organization = 1 AND at >= now() - interval '30 days' AND NOT answered GROUP BY 1 ORDER BY 2 DESC LIMIT 10",
];

pub fn row(bench: &Bench) -> Option<Row> {
    let count = std::env::var("TWIG_BENCH_INTERACTIONS").map_or(INTERACTIONS, |count| count.parse().unwrap());
    let url = twig_test_servers::postgres_url()?;
    let folder = bench.folder.join("dashboard");
    // The organization and its key are made first, by the product itself.
    let (organization, key) = {
        let twig = Twig::start(&folder, &[], &[])?;
        (twig.organization.clone(), twig.key.clone())
    };
    println!("  writing {count} interactions");
    fill(bench, &folder, &organization, count);
    let twig = Twig::again(&folder);
    let request = get(&twig.url, PATH, &key);
    let (total, bytes) = bench.runtime.block_on(async {
        let mut connection = Connection::open(&twig.url).await;
        let answer = connection.send(&request).await;
        let shown: Value = serde_json::from_slice(answer.body).unwrap();
        (shown["data"]["summary"]["interactions"]["value"].as_u64().unwrap(), answer.body.len())
    });
    let workload = format!(
        "{count} interactions of one organization over {DAYS} days; the figures of the last 30 ({total} interactions, {bytes} bytes of JSON), one request at a time. Ours from `views.db`."
    );
    let actix = Server::start(Command::new(std::env::current_exe().unwrap()).args(["--actix", &bytes.to_string()]));
    let static_request = get(&actix.url, PATH, &key);
    let twig = Arc::new(twig);
    let shown = move |body: &[u8]| serde_json::from_slice::<Value>(body).unwrap()["data"]["summary"]["interactions"]["value"].as_u64().unwrap_or(0);
    let row = Row::new("dashboard", "Dashboard", Unit::Seconds, workload)
        .with(over_http(
            bench,
            "twig, counted",
            "`GET /api/analytics/charts/dashboard` of a range that nobody asked for before",
            twig.clone(),
            ranges(&twig.url, &key),
            move |body| shown(body).abs_diff(total) * 10 < total,
        ))
        .with(over_http(bench, "twig, again", "the same page again, without an ETag", twig, vec![request], move |body| shown(body) == total))
        .with(sql(bench, &url, count, total))
        .with(over_http(bench, "static JSON", "as many bytes from an actix handler", Arc::new(actix), vec![static_request], move |body| body.len() == bytes))
        .at_most(0.01, "twig, counted", "SQL on PostgreSQL")
        .at_most(3.0, "twig, again", "static JSON");
    Some(row)
}

/// About thirty days each, of whole quarters of an hour; so many that one has been forgotten before it comes again.
fn ranges(url: &str, key: &str) -> Vec<Vec<u8>> {
    let last = Clock::system(0).now().millis() / QUARTER_MS * QUARTER_MS;
    let at = |millis: i64| serde_json::to_value(twig_domain::Timestamp::from_millis(millis)).unwrap().as_str().unwrap().to_owned();
    let range = |number: i64| {
        let to = last - number % ENDS * QUARTER_MS;
        let from = to - 30 * DAY_MS - number / ENDS * QUARTER_MS;
        get(url, &format!("{PATH}?startDate={}&endDate={}", at(from), at(to)), key)
    };
    (0..RANGES).map(range).collect()
}

/// Events by the bus, views by the projector, in the folder that the product serves from.
fn fill(bench: &Bench, folder: &std::path::Path, organization: &str, count: u64) {
    bench.runtime.block_on(async {
        let log = EventLog::open(&folder.join("events.db"), Clock::system(0)).unwrap();
        let vault = Vault::open(log.database(), MasterKey::load_or_create(&folder.join("master.key")).unwrap()).unwrap();
        let views = Views::open(&folder.join("views.db"), log.clone()).unwrap();
        let bus = CommandBus::new(log.clone(), tokio::runtime::Handle::current());
        let meta = twig_domain::EventMeta { organization: organization.parse().unwrap(), ..meta() };
        interactions::fill(&bus, &vault, &meta, 0..count).await;
        let started = Instant::now();
        Projector { log, vault, views }.catch_up().await.unwrap();
        println!("  folded them in {:.0} s", started.elapsed().as_secs_f64());
    });
}

fn over_http(bench: &Bench, name: &str, settings: &str, server: Arc<Server>, requests: Vec<Vec<u8>>, check: impl Fn(&[u8]) -> bool + 'static) -> Contender {
    let (runtime, pass, mut asked) = (bench.runtime.handle().clone(), bench.pass, 0);
    Contender::new(name, settings, move || {
        runtime.block_on(async {
            let mut connection = Connection::open(&server.url).await;
            let (started, mut each) = (Instant::now(), Vec::new());
            while started.elapsed() < pass {
                let begun = Instant::now();
                let answer = connection.send(&requests[asked % requests.len()]).await;
                asked += 1;
                each.push(begun.elapsed().as_secs_f64());
                assert!(answer.status == 200 && (each.len() > 1 || check(answer.body)), "{}", String::from_utf8_lossy(answer.body));
            }
            Measured::Seconds(median(&each))
        })
    })
}

fn sql(bench: &Bench, url: &str, count: u64, expected: u64) -> Contender {
    let (runtime, pass) = (bench.runtime.handle().clone(), bench.pass);
    let pool = runtime.block_on(async {
        let pool = pool(url, 1).await;
        pool.execute(TABLE).await.unwrap();
        let insert = format!(
            "INSERT INTO interactions SELECT 1, now() - random() * interval '{DAYS} days', (random() * {})::int, 'extractive', n / 3, (random() * 5000)::int, random() > 0.1, 20 + (random() * 2000)::int, \
             (random() * 3000)::int, CASE WHEN random() < 0.1 THEN random() < 0.75 END, ARRAY[(random() * 1000)::int, (random() * 1000)::int, (random() * 1000)::int], (random() * 2000)::int \
             FROM generate_series(1, {count}) AS n",
            AGENTS - 1
        );
        pool.execute(insert.as_str()).await.unwrap();
        pool.execute("CREATE INDEX ON interactions (organization, at)").await.unwrap();
        pool.execute("VACUUM (ANALYZE) interactions").await.unwrap();
        pool
    });
    Contender::new(
        "SQL on PostgreSQL",
        "one narrow table with an index on (organization, at), vacuumed; six queries, none of them for words or names",
        move || {
            runtime.block_on(async {
                let (started, mut each) = (Instant::now(), Vec::new());
                while started.elapsed() < pass {
                    let begun = Instant::now();
                    for (number, query) in QUERIES.iter().enumerate() {
                        let rows = sqlx::query(query).fetch_all(&pool).await.unwrap();
                        let shown = rows[0].try_get::<i64, _>(0).unwrap_or(0) as u64;
                        assert!(number > 0 || shown.abs_diff(expected) * 10 < expected.max(10), "{shown} of about {expected}");
                    }
                    each.push(begun.elapsed().as_secs_f64());
                }
                Measured::Seconds(median(&each))
            })
        },
    )
}
