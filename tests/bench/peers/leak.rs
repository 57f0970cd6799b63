//! A leak check: the real binary under a steady, modest load, and its resident memory. `peers --leak MINUTES`.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::task::JoinSet;
use twig_bench::{
    leak::{LeakFigures, Sample},
    machine::{Machine, build, resident_kib, told},
};

use crate::{
    Bench,
    http::{Connection, get, post, request},
    interactions::random,
    twig::Twig,
    webhooks::{arrived, receiver},
};

const REQUESTS_A_SECOND: u64 = 50;
const CLIENTS: u64 = 10;
const SAMPLE_EVERY: Duration = Duration::from_secs(30);
const USERS: u64 = 500;
const TOPICS: [&str; 8] = ["the views", "the event log", "webhooks", "the audit log", "a backup", "the web console", "PostgreSQL", "metrics"];

/// What a request asks for, by its number within a second's fifty.
const MIX: [(u64, &str); 8] = [
    (2, "chat"),
    (10, "search"),
    (25, "read an agent"),
    (35, "list interactions"),
    (42, "read an interaction"),
    (44, "dashboard"),
    (48, "list deliveries"),
    (50, "update an agent"),
];

pub fn check(bench: &Bench, minutes: f64) {
    let receiver = receiver();
    let twig = Twig::start(&bench.folder.join("leak"), &[], &["--webhook-allow-http", "true"]).expect("TWIG_BIN names the binary");
    let asked = Asked::of(&twig, &receiver.url);
    let mut figures = LeakFigures {
        workload: format!(
            "The binary on an empty folder, embedded, {REQUESTS_A_SECOND} requests a second over {CLIENTS} connections: of fifty, 2 questions (answered from \
             this repository's README, recorded, each sent to a webhook), 8 searches, 15 reads and 2 updates of an agent, 10 first pages and 7 single interactions, 2 dashboards, 4 pages of deliveries. \
             Its resident memory every {} s; in the end every answer has reached the webhook once.",
            SAMPLE_EVERY.as_secs()
        ),
        minutes,
        samples: Vec::new(),
        answered: BTreeMap::new(),
        machine: Machine::here(),
        measured_at: told("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
        commit: told("git", &["rev-parse", "--short", "HEAD"]),
        build: build(),
    };
    bench.runtime.block_on(async {
        let (started, whole, mut clients) = (Instant::now(), Duration::from_secs_f64(minutes * 60.0), JoinSet::new());
        for client in 0..CLIENTS {
            let asked = asked.clone();
            clients.spawn(async move { asked.steadily(client, started, whole).await });
        }
        loop {
            let (resident_kib, minutes) = (resident_kib(twig.server.process()).expect("the server runs"), started.elapsed().as_secs_f64() / 60.0);
            figures.samples.push(Sample { minutes, resident_kib });
            figures.answered = asked.answered();
            figures.keep();
            println!("  minute {minutes:.1}: {resident_kib} KiB");
            if started.elapsed() >= whole {
                break;
            }
            tokio::time::sleep(SAMPLE_EVERY.min(whole.saturating_sub(started.elapsed()))).await;
        }
        clients.join_all().await;
        figures.answered = asked.answered();
        arrived(&receiver, 0, figures.answered["chat"] as usize).await;
    });
    figures.keep();
    println!("  {:?} KiB an hour after the warm-up", figures.kib_an_hour());
}

/// What is asked, and how often it was answered.
#[derive(Clone)]
struct Asked {
    url: String,
    key: String,
    agent: String,
    webhook: String,
    last_interaction: Arc<Mutex<String>>,
    answered: Arc<[AtomicU64; MIX.len()]>,
}

impl Asked {
    /// Makes a data spec, an agent over it and a webhook.
    fn of(twig: &Twig, receiver: &str) -> Self {
        let text = std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md")).unwrap();
        let spec = twig.process(&json!({ "name": "readme", "type": "text", "config": { "title": "Twig", "content": text } }));
        let agent = twig.call("POST", "/api/agents", Some(&json!({ "name": "a", "dataSpecIds": [spec] })));
        let hook = json!({ "url": format!("{receiver}/hook/0"), "events": ["interaction.completed"] });
        let name = |made: &Value| made["id"].as_str().unwrap().to_owned();
        Self {
            url: twig.server.url.clone(),
            key: twig.key.clone(),
            agent: name(&agent),
            webhook: name(&twig.call("POST", "/api/webhooks", Some(&hook))),
            last_interaction: Arc::default(),
            answered: Arc::default(),
        }
    }

    /// One client's requests, each at its time, however long the one before took.
    async fn steadily(&self, client: u64, started: Instant, whole: Duration) {
        let mut connection = Connection::open(&self.url).await;
        for number in (client..).step_by(CLIENTS as usize) {
            let at = Duration::from_secs_f64(number as f64 / REQUESTS_A_SECOND as f64);
            if at >= whole {
                return;
            }
            tokio::time::sleep_until((started + at).into()).await;
            let kind = MIX.iter().position(|(below, _)| number % REQUESTS_A_SECOND < *below).unwrap();
            let answer = connection.send(&self.request(MIX[kind].1, number)).await;
            assert!((200..300).contains(&answer.status), "{}: {} {}", MIX[kind].1, answer.status, String::from_utf8_lossy(answer.body));
            if kind == 0 {
                let body: Value = serde_json::from_slice(answer.body).unwrap();
                *self.last_interaction.lock().unwrap() = body["data"]["id"].as_str().unwrap().to_owned();
            }
            self.answered[kind].fetch_add(1, Ordering::Relaxed);
        }
    }

    fn request(&self, kind: &str, number: u64) -> Vec<u8> {
        let Self { url, key, agent, webhook, .. } = self;
        let question = || format!("What is number {} about {}?", random(number, 1) % 1000, TOPICS[random(number, 2) as usize % TOPICS.len()]);
        let interaction = || self.last_interaction.lock().unwrap().clone();
        match kind {
            "chat" => {
                let user = format!("user {}", random(number, 3) % USERS);
                post(url, "/api/chat", key, &json!({ "agentId": agent, "prompt": question(), "userId": user }).to_string())
            }
            "search" => post(url, "/api/semantic-search", key, &json!({ "query": question(), "agentId": agent }).to_string()),
            "list interactions" => get(url, "/api/interactions", key),
            "read an interaction" if !interaction().is_empty() => get(url, &format!("/api/interactions/{}", interaction()), key),
            "dashboard" => get(url, "/api/analytics/charts/dashboard", key),
            "list deliveries" => get(url, &format!("/api/webhooks/{webhook}/deliveries"), key),
            "update an agent" => request("PUT", url, &format!("/api/agents/{agent}"), key, &json!({ "description": format!("Update {number}") }).to_string()),
            _ => get(url, &format!("/api/agents/{agent}"), key),
        }
    }

    fn answered(&self) -> BTreeMap<String, u64> {
        MIX.iter().zip(self.answered.iter()).map(|((_, kind), count)| ((*kind).to_owned(), count.load(Ordering::Relaxed))).collect()
    }
}
