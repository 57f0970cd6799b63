//! One recorded history in both modes: the very same events, in SQLite alone and in PostgreSQL with Kafka and ClickHouse. Lists, single things, the audit log's
//! hashes and the dashboard's figures are equal, and so is what a search finds.

use std::{collections::BTreeMap, path::Path};

use rusqlite::types::ValueRef;
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection, Postgres, query::Query};
use twig_commands::clock::Clock;
use twig_tests::{Api, Server, eventually, twig};

use crate::{cluster::Stores, load::wait};

const IMPORTED: usize = 300;
const QUESTIONS: [&str; 8] = [
    "How many days of leave are there?",
    "How often are backups made?",
    "Which moon of Jupiter is the largest?",
    "How long does the dough rest?",
    "When was the lighthouse built?",
    "Who paints the ceiling of the station?",
    "What is the capital of the moon?",
    "Where are backups kept?",
];
const WORDS: [&str; 20] = [
    "leave",
    "backup",
    "moon",
    "dough",
    "lighthouse",
    "policy",
    "restore",
    "Jupiter",
    "flour",
    "keeper",
    "holiday",
    "encryption",
    "orbit",
    "oven",
    "lamp",
    "carry over",
    "weekly",
    "radius",
    "salt",
    "storm",
];
const SEARCH_TOP: usize = 8;
/// Of the queries, so many have the same results.
const SAME_SEARCHES: f64 = 0.95;
/// What tells of the moment of asking, or of work that is no event.
const OF_THE_MOMENT: [&str; 4] = ["freshness", "usage", "heartbeatAt", "nextCursor"];

#[test]
fn both_modes_show_the_same_of_one_history() {
    let Some(stores) = Stores::shared() else { return };
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut server = Server::start(one.path(), &["--embeddings", "static"]);
    let api = server.organization("recorded");
    let history = record(&server, &api);
    assert_eq!(server.stop(), 0);
    copy(one.path(), two.path(), &stores);
    server.restart();
    let nodes: Vec<Server> = std::thread::scope(|scope| {
        let start = |role| Server::start(two.path(), &["--role", role]);
        let starting: Vec<_> = ["api", "projector", "projector", "relay", "ingester"].into_iter().map(|role| scope.spawn(move || start(role))).collect();
        starting.into_iter().map(|node| node.join().unwrap()).collect()
    });
    let other = &nodes[0];
    let position = |server: &Server| api.http.get(format!("{}/readyz", server.url)).send().unwrap().json::<Value>().unwrap()["position"].clone();
    assert_eq!(position(&server), position(other), "the same events");
    lists_are_equal(&api, &server, other, &history);
    dashboards_are_equal(&api, &server, other, &history);
    searches_are_equal(&api, &server, other);
}

struct History {
    agents: Vec<String>,
    specs: Vec<String>,
    interactions: Vec<String>,
}

/// Everything that a product does in a month, in a minute.
fn record(server: &Server, api: &Api) -> History {
    let id = |value: Value| value["id"].as_str().unwrap().to_owned();
    let file = id(api.ok(server, "POST", "/api/data-specs", Some(&json!({"name": "library", "type": "file", "tags": ["all"]})), 201));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/library");
    let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    let files: Vec<(&str, Vec<u8>)> = files.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
    assert_eq!(api.upload(server, &file, &files).status(), 201);
    let text =
        json!({"name": "station", "type": "text", "config": {"title": "Station", "content": "The ceiling of the station was painted by Ines Okafor in 1931."}});
    let text = id(api.ok(server, "POST", "/api/data-specs", Some(&text), 201));
    for spec in [&file, &text] {
        assert_eq!(api.ended(server, spec, &api.process(server, spec))["status"], "succeeded");
    }
    let agent = |name: &str, strategy: &str| {
        let body = json!({"name": name, "ragStrategy": strategy, "dataSpecIds": [file, text], "fallbackMessage": "Nobody knows."});
        id(api.ok(server, "POST", "/api/agents", Some(&body), 201))
    };
    let agents = vec![agent("plain", "redwood"), agent("follows up", "cedar"), agent("thorough", "cypress")];
    import(server, api, &agents);
    let mut interactions = Vec::new();
    for (n, question) in QUESTIONS.iter().cycle().take(3 * QUESTIONS.len()).enumerate() {
        let body = json!({"prompt": question, "agentId": agents[n % 3], "sessionId": format!("session {}", n % 5), "userId": format!("user {}", n % 4), "metadata": {"n": n.to_string()}});
        interactions.push(id(api.ok(server, "POST", "/api/chat", Some(&body), 200)));
    }
    for (n, interaction) in interactions.iter().enumerate().filter(|(n, _)| n % 2 == 0) {
        let rating = if n % 3 == 0 { "negative" } else { "positive" };
        let body = json!({"interactionId": interaction, "rating": rating, "comment": format!("comment {n}"), "reviewStatus": "accurate"});
        api.ok(server, "POST", "/api/interactions/feedback", Some(&body), 201);
    }
    for (n, name) in ["plainer", "plainest"].iter().enumerate() {
        api.ok(server, "PUT", &format!("/api/agents/{}", agents[0]), Some(&json!({"name": name, "topK": 5 + n})), 200);
    }
    api.ok(server, "POST", &format!("/api/agents/{}/restore", agents[0]), Some(&json!({"version": 1})), 200);
    api.ok(server, "DELETE", &format!("/api/agents/{}", agents[2]), None, 200);
    let hook = json!({"url": "https://hooks.example.com/twig", "events": ["webhook.disabled"]});
    api.ok(server, "POST", "/api/webhooks", Some(&hook), 201);
    let key = id(api.ok(server, "POST", "/api/api-keys", Some(&json!({"name": "second", "scopes": ["chat"]})), 201));
    api.ok(server, "POST", &format!("/api/api-keys/{key}/rotate"), Some(&json!({"overlapSeconds": 60})), 200);
    api.ok(server, "PUT", "/api/organizations/current", Some(&json!({"name": "recorded twice"})), 200);
    History { agents, specs: vec![file, text], interactions }
}

/// Interactions of the last weeks, as they come from elsewhere.
fn import(server: &Server, api: &Api, agents: &[String]) {
    let now = Clock::system(0).now().millis();
    let line = |n: usize| {
        let at = twig_domain::Timestamp::from_millis(now - (n as i64 + 1) * 7_919_000);
        let answered = !n.is_multiple_of(5);
        let mut line = json!({
            "externalId": format!("past {n}"), "agentId": agents[n % 3], "prompt": format!("{} ({})", QUESTIONS[n % 8], n % 17), "createdAt": at.to_string(),
            "response": if answered { "An answer." } else { "" }, "answered": answered, "latencyMs": 20 + (n * n) % 3000, "sessionId": format!("past {}", n % 40),
            "userId": format!("user {}", n % 23), "model": (["extractive", "openai:gpt-4o"][n % 2]), "usage": {"promptTokens": n, "completionTokens": n % 50, "totalTokens": n + n % 50},
        });
        if n.is_multiple_of(4) {
            line["feedback"] = json!({"rating": (["positive", "negative"][n % 3 % 2]), "comment": "imported", "reviewStatus": "edited"});
        }
        line.to_string()
    };
    let lines: Vec<String> = (0..IMPORTED).map(line).collect();
    let file = server.folder.join("past.ndjson");
    std::fs::write(&file, lines.join("\n")).unwrap();
    let imported = server.cli(&["import", "interactions", file.to_str().unwrap(), "--org", &api.org]);
    assert_eq!(imported["imported"], IMPORTED);
}

/// The very rows of the log, the keys and the contents: into PostgreSQL. Views, topic and ClickHouse make themselves.
fn copy(from: &Path, to: &Path, stores: &Stores) {
    std::fs::copy(from.join("master.key"), to.join("master.key")).unwrap();
    std::fs::write(to.join("twig.toml"), stores.settings(&twig_test_servers::unique("twig.events"))).unwrap();
    let made = twig(to, &["projections", "status"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut database = PgConnection::connect(&stores.postgres).await.unwrap();
        sqlx::query("DELETE FROM vault_check").execute(&mut database).await.unwrap();
        for (file, tables) in
            [("events.db", &["events", "subject_keys", "destroyed_keys", "vault_check"][..]), ("content.db", &["blobs", "extractions", "embeddings"][..])]
        {
            let store = rusqlite::Connection::open(from.join(file)).unwrap();
            for table in tables {
                copy_table(&store, &mut database, table).await;
            }
        }
    });
}

async fn copy_table(store: &rusqlite::Connection, database: &mut PgConnection, table: &str) {
    let order = if table == "events" { "ORDER BY position" } else { "" };
    let mut select = store.prepare(&format!("SELECT * FROM {table} {order}")).unwrap();
    let columns: Vec<String> = select.column_names().into_iter().map(str::to_owned).collect();
    let place = |(n, column): (usize, &String)| match column.as_str() {
        "payload" => format!("${}::json", n + 1),
        // A map of strings there, as other tools expect.
        "metadata" => format!("json_build_object('meta', ${}::text)", n + 1),
        _ => format!("${}", n + 1),
    };
    let places: Vec<String> = columns.iter().enumerate().map(place).collect();
    let sql = format!("INSERT INTO {table} ({}) VALUES ({})", columns.join(", "), places.join(", "));
    let mut rows = select.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let insert = (0..columns.len()).fold(sqlx::query(&sql), |insert, n| bound(insert, row.get_ref(n).unwrap()));
        insert.execute(&mut *database).await.unwrap();
    }
}

fn bound<'q>(insert: Query<'q, Postgres, sqlx::postgres::PgArguments>, value: ValueRef) -> Query<'q, Postgres, sqlx::postgres::PgArguments> {
    match value {
        ValueRef::Integer(number) => insert.bind(number),
        ValueRef::Text(text) => insert.bind(String::from_utf8(text.to_vec()).unwrap()),
        ValueRef::Blob(bytes) => insert.bind(bytes.to_vec()),
        ValueRef::Null | ValueRef::Real(_) => panic!("no column of these tables holds one"),
    }
}

fn lists_are_equal(api: &Api, one: &Server, two: &Server, history: &History) {
    let mut paths: Vec<String> = ["agents", "data-specs", "webhooks", "api-keys", "organizations/current"].iter().map(|list| format!("/api/{list}")).collect();
    for filter in
        ["", "answered=false&", "rating=positive&", "reviewStatus=edited&", "userId=user%203&", "q=backups&", "startDate=2020-01-01&", "sessionId=session%202&"]
    {
        paths.extend([0, 50, 200].map(|offset| format!("/api/interactions?{filter}limit=100&offset={offset}")));
    }
    paths.extend((0..4).map(|page| format!("/api/audit/events?limit=200&offset={}", page * 200)));
    for agent in &history.agents {
        paths.extend([format!("/api/agents/{agent}"), format!("/api/agents/{agent}/versions"), format!("/api/interactions?agentId={agent}&limit=200")]);
        paths.extend([1, 2].map(|version| format!("/api/agents/{agent}?asOf={}", 20 + version)));
    }
    for spec in &history.specs {
        paths.extend(["", "/runs", "/documents"].map(|part| format!("/api/data-specs/{spec}{part}")));
    }
    paths.extend(history.interactions.iter().map(|id| format!("/api/interactions/{id}?include=provenance,history")));
    paths.extend((0..5).map(|n| format!("/api/sessions/session%20{n}")));
    for path in &paths {
        let answers = [one, two].map(|server| shown(api, server, path));
        assert_eq!(answers[0], answers[1], "{path}");
    }
    println!("{} lists and things are equal", paths.len());
}

fn dashboards_are_equal(api: &Api, one: &Server, two: &Server, history: &History) {
    let figures = |server: &Server, range: &str| api.ok(server, "GET", &format!("/api/analytics/charts/dashboard?{range}"), None, 200);
    let position = |server: &Server| figures(server, "")["freshness"]["position"].clone();
    eventually(|| (position(one) == position(two)).then_some(()));
    let metrics = api.http.get(format!("{}/metrics", two.url)).send().unwrap().text().unwrap();
    let mut ranges: Vec<String> =
        ["", "granularity=day&", "granularity=week&timezone=Europe/Berlin&", "granularity=month&startDate=2025-01-01&"].map(str::to_owned).into();
    ranges.extend(["timezone=Asia/Kathmandu", "timezone=America/St_Johns&granularity=hour&startDate=2026-11-20&endDate=2026-11-24"].map(str::to_owned));
    ranges.extend(history.agents.iter().map(|agent| format!("agentId={agent}")));
    for range in &ranges {
        // Unanswered questions are put together by a worker, in its own time.
        wait(&format!("the same figures for {range:?}"), || without_the_moment(figures(one, range)) == without_the_moment(figures(two, range)));
    }
    assert!(figures(two, "")["summary"]["interactions"]["value"].as_u64().unwrap() > 200);
    let fallbacks = metrics.lines().filter(|line| line.starts_with("twig_clickhouse_fallbacks_total")).count();
    assert_eq!(fallbacks, 0, "the figures are ClickHouse's");
    println!("{} dashboards are equal", ranges.len());
}

fn searches_are_equal(api: &Api, one: &Server, two: &Server) {
    let queries: Vec<String> = QUESTIONS.iter().chain(&WORDS).map(|query| (*query).to_owned()).collect();
    let asked: Vec<(String, &str)> = queries.iter().flat_map(|query| ["hybrid", "vector", "keyword"].map(|mode| (query.clone(), mode))).collect();
    let found = |server: &Server, (query, mode): &(String, &str)| -> Vec<String> {
        let body = json!({"query": query, "topK": SEARCH_TOP, "mode": mode});
        let found = api.ok(server, "POST", "/api/semantic-search", Some(&body), 200);
        found["results"].as_array().unwrap().iter().map(|hit| hit["chunkId"].as_str().unwrap().to_owned()).collect()
    };
    let mut sizes: BTreeMap<usize, usize> = BTreeMap::new();
    let mut same = 0;
    for question in &asked {
        let (ours, theirs) = (found(one, question), found(two, question));
        *sizes.entry(ours.len()).or_default() += 1;
        same += usize::from(ours == theirs);
    }
    println!("{same} of {} searches have the same top {SEARCH_TOP}; results and how often: {sizes:?}", asked.len());
    assert!(same as f64 >= SAME_SEARCHES * asked.len() as f64, "{same} of {}", asked.len());
    assert!(sizes.keys().any(|size| *size > 3), "{sizes:?}");
}

fn shown(api: &Api, server: &Server, path: &str) -> Value {
    let answer = api.request(server, "GET", path, None);
    let status = answer.status().as_u16();
    // An error tells the id of its own request.
    let body = if status == 200 { without_the_moment(answer.json().unwrap()) } else { Value::Null };
    json!({"status": status, "body": body})
}

fn without_the_moment(mut value: Value) -> Value {
    match &mut value {
        Value::Object(members) => {
            members.retain(|name, _| !OF_THE_MOMENT.contains(&name.as_str()));
            members.values_mut().for_each(|member| *member = without_the_moment(member.take()));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = without_the_moment(item.take())),
        _ => {}
    }
    value
}
