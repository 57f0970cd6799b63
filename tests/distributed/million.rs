//! A million recorded interactions into fresh views and a fresh ClickHouse, in one go, within a bound of memory. It takes a quarter of an hour and some
//! gigabytes, so it is asked for: `cargo test --test distributed -- --ignored --nocapture million`.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::json;
use sqlx::{Connection as _, PgConnection, Row as _};
use twig_test_servers::{clickhouse_url, fresh_postgres, postgres_url};
use twig_tests::{Server, binary};

const MAX_RESIDENT_KIB: u64 = 512 * 1024;
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Interactions that one statement makes.
const CHUNK: u64 = 50_000;
/// One of so many has feedback.
const FEEDBACK_EVERY: u64 = 10;

fn interactions() -> u64 {
    std::env::var("TWIG_TEST_INTERACTIONS").map_or(1_000_000, |count| count.parse().unwrap())
}

#[test]
#[ignore = "a quarter of an hour, and some gigabytes"]
fn a_million_interactions_are_replayed_in_one_go() {
    let (Some(postgres), Some(clickhouse)) = (postgres_url(), clickhouse_url()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let settings = |views: &str| format!("events_url = {postgres:?}\nviews_url = {views:?}\nclickhouse_url = {clickhouse:?}\nembeddings = \"static\"\n");
    std::fs::write(folder.path().join("twig.toml"), settings(&postgres)).unwrap();
    let template = one_interaction(folder.path());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let begun = Instant::now();
    let head = runtime.block_on(multiply(&postgres, &template));
    println!("{} interactions, {head} events, made in {:?}", interactions(), begun.elapsed());

    std::fs::write(folder.path().join("twig.toml"), settings(&fresh_postgres(&postgres))).unwrap();
    let begun = Instant::now();
    let (resident, lines) = replay(folder.path());
    println!("replayed in {:?}, at most {} MiB resident", begun.elapsed(), resident / 1024);
    assert!(resident < MAX_RESIDENT_KIB, "{resident} KiB");
    for part in ["views", "clickhouse"] {
        assert!(lines.iter().filter(|line| line.starts_with(part)).count() >= 10, "{part} shows its progress: {lines:?}");
    }
    let server = Server::start(folder.path(), &[]);
    let counted = server.cli(&["projections", "status"]);
    assert!(counted.as_array().unwrap().iter().all(|one| one["position"].as_u64() >= Some(head) && one["deadEvents"] == 0), "{counted}");
}

/// A question with its answer and feedback, as the product records it; its id.
fn one_interaction(folder: &Path) -> String {
    let mut server = Server::start(folder, &[]);
    let api = server.organization("million");
    let spec = json!({"name": "Refunds", "type": "text", "config": {"title": "Refunds", "content": "Refunds are granted within thirty days of purchase."}});
    let spec = api.ok(&server, "POST", "/api/data-specs", Some(&spec), 201)["id"].as_str().unwrap().to_owned();
    assert_eq!(api.ended(&server, &spec, &api.process(&server, &spec))["status"], "succeeded");
    let agent = api.ok(&server, "POST", "/api/agents", Some(&json!({"name": "a", "dataSpecIds": [spec]})), 201);
    let question = json!({"prompt": "Within how many days are refunds granted?", "agentId": agent["id"], "userId": "somebody"});
    let id = api.ok(&server, "POST", "/api/chat", Some(&question), 200)["id"].as_str().unwrap().to_owned();
    api.ok(&server, "POST", "/api/interactions/feedback", Some(&json!({"interactionId": id, "rating": "positive"})), 201);
    assert_eq!(server.stop(), 0);
    id
}

/// The same events under other ids and times of a month, appended as the log has them; the log's end.
async fn multiply(postgres: &str, template: &str) -> u64 {
    let mut database = PgConnection::connect(postgres).await.unwrap();
    let head: i64 = sqlx::query("SELECT max(position) FROM events").fetch_one(&mut database).await.unwrap().get(0);
    let all = interactions();
    // Digits are letters of Crockford's base32: the last ten of an id are the number.
    let sql = "INSERT INTO events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata, position, event_id, recorded_at, organization)
        SELECT aggregate_type, id, sequence, event_type, event_version, replace(payload::text, aggregate_id, id)::json, metadata, at,
               left(event_id, 20) || lpad(at::text, 10, '0'), recorded_at - 2592000000 + n * 2592000000 / $4, organization
        FROM (SELECT e.*, n, left(e.aggregate_id, 20) || lpad(n::text, 10, '0') AS id, $5 + CASE e.sequence WHEN 3 THEN 2 * $4 + n / $6 ELSE 2 * (n - 1) + e.sequence END AS at
              FROM generate_series($2::bigint, $3::bigint) AS n, events e WHERE e.aggregate_id = $1 AND (e.sequence < 3 OR n % $6 = 0)) AS made";
    for from in (1..=all).step_by(CHUNK as usize) {
        let to = (from + CHUNK - 1).min(all);
        let insert = sqlx::query(sql).bind(template).bind(from as i64).bind(to as i64).bind(all as i64).bind(head).bind(FEEDBACK_EVERY as i64);
        insert.execute(&mut database).await.unwrap();
    }
    sqlx::query("ANALYZE events").execute(&mut database).await.unwrap();
    sqlx::query("SELECT max(position) FROM events").fetch_one(&mut database).await.unwrap().get::<i64, _>(0) as u64
}

/// The operator's command to its end: the most memory that was resident, and what it showed.
fn replay(folder: &Path) -> (u64, Vec<String>) {
    let mut command = Command::new(binary());
    command.args(["projections", "rebuild", "clickhouse", "--log-level", "warn", "--data-dir"]).arg(folder).stdin(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let errors = BufReader::new(child.stderr.take().unwrap());
    let shown = std::thread::spawn(move || errors.lines().map_while(Result::ok).inspect(|line| println!("{line}")).collect());
    let mut most = 0;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        let told = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let peak = told.lines().find_map(|line| line.strip_prefix("VmHWM:")).and_then(|line| line.split_whitespace().next()?.parse().ok());
        most = peak.unwrap_or(0).max(most);
        std::thread::sleep(LOOK_EVERY);
    };
    assert!(status.success());
    (most, shown.join().unwrap())
}
