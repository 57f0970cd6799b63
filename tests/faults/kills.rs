//! kill -9 at random moments under load: what was acknowledged is in the log, and every view is what a fresh rebuild makes of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use twig_tests::{Api, Server, eventually, log};

use crate::start;

const KILLS: u64 = 100;
/// All of it, on a slow machine: kills that do not fit any more are left out, and said.
const MAX_TIME: Duration = Duration::from_secs(240);

/// A command that was answered with success: its kind, and whose event it must be.
#[derive(Debug)]
struct Acknowledged {
    kind: &'static str,
    stream: String,
    position: u64,
}

/// One client of the load, until its server is gone.
struct Client {
    api: Api,
    url: String,
    done: Arc<AtomicBool>,
    acknowledged: Arc<Mutex<Vec<Acknowledged>>>,
    /// Requests of all clients since the last start that were answered, whatever the answer was.
    answers: Arc<AtomicUsize>,
}

impl Client {
    /// The answer's `data`, where there was one in time.
    fn send(&self, kind: &'static str, method: &str, path: &str, body: &Value) -> Option<Value> {
        if self.done.load(Ordering::SeqCst) {
            return None;
        }
        let sent = self.api.http.request(method.parse().unwrap(), format!("{}{path}", self.url)).bearer_auth(&self.api.key).json(body).send().ok()?;
        let (status, position) = (sent.status(), sent.headers().get("x-twig-position").map(|value| value.to_str().unwrap().parse().unwrap()));
        // An answer that is cut off is none.
        let body: Value = sent.json().ok()?;
        assert!(!status.is_client_error(), "{method} {path}: {body}");
        if !status.is_success() {
            return None;
        }
        self.answers.fetch_add(1, Ordering::SeqCst);
        let id = body["data"]["dataSpecId"].as_str().or(body["data"]["id"].as_str()).unwrap().to_owned();
        let position = position.unwrap_or_else(|| panic!("{method} {path} tells its position"));
        self.acknowledged.lock().unwrap().push(Acknowledged { kind, stream: id, position });
        Some(body["data"].clone())
    }

    fn agents(&self) -> Option<()> {
        loop {
            let agent = self.send("AgentCreated", "POST", "/api/agents", &json!({"name": "a"}))?;
            let path = format!("/api/agents/{}", agent["id"].as_str()?);
            self.send("AgentUpdated", "PUT", &path, &json!({"name": "b", "topK": 3}))?;
            self.send("AgentDeleted", "DELETE", &path, &json!({}))?;
        }
    }

    fn data_specs(&self) -> Option<()> {
        for n in 0.. {
            let config = json!({"title": format!("Text {n}"), "content": format!("The number of this text is {n}.")});
            let spec = self.send("DataSpecCreated", "POST", "/api/data-specs", &json!({"name": "s", "type": "text", "config": config}))?;
            self.send("ProcessingRequested", "POST", &format!("/api/data-specs/{}/process", spec["id"].as_str()?), &json!({}))?;
        }
        None
    }

    fn questions(&self, agent: &str) -> Option<()> {
        loop {
            let question = json!({"prompt": "Within how many days are refunds granted?", "agentId": agent, "userId": "somebody"});
            let answer = self.send("InteractionCompleted", "POST", "/api/chat", &question)?;
            let feedback = json!({"interactionId": answer["id"], "rating": "negative", "comment": "too short"});
            self.send("FeedbackSubmitted", "POST", "/api/interactions/feedback", &feedback)?;
        }
    }
}

/// An agent with something to answer from.
fn agent(server: &Server, api: &Api) -> String {
    let config = json!({"title": "Refund policy", "content": "Refunds are granted within thirty days of purchase."});
    let spec = api.ok(server, "POST", "/api/data-specs", Some(&json!({"name": "s", "type": "text", "config": config})), 201)["id"].clone();
    let run = api.process(server, spec.as_str().unwrap());
    assert_eq!(api.ended(server, spec.as_str().unwrap(), &run)["status"], "succeeded");
    api.ok(server, "POST", "/api/agents", Some(&json!({"name": "a", "dataSpecIds": [spec]})), 201)["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_kill_at_any_moment_loses_no_acknowledged_write() {
    let (_folder, mut server, api) = start(&["--embeddings", "static"]);
    let agent = agent(&server, &api);
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let (begun, mut kills) = (Instant::now(), 0);
    while kills < KILLS && begun.elapsed() < MAX_TIME {
        let (done, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let url = server.url.clone();
        let client = || Client { api: api.clone(), url: url.clone(), done: done.clone(), acknowledged: acknowledged.clone(), answers: answers.clone() };
        std::thread::scope(|scope| {
            for client in [client(), client()] {
                scope.spawn(move || client.agents());
            }
            let (specs, questions, agent) = (client(), client(), &agent);
            scope.spawn(move || specs.data_specs());
            scope.spawn(move || questions.questions(agent));
            // Under load, and each time at another moment of it: both are what is tried here, so this waits by the clock.
            let load = usize::try_from(kills * 7 % 23).unwrap();
            // A question takes longer than all else: now and then one is waited for, however fast the machine answers the rest.
            let feedback = || acknowledged.lock().unwrap().iter().filter(|command| command.kind == "FeedbackSubmitted").count();
            let wanted = if kills % 10 == 9 { feedback() + 1 } else { 0 };
            eventually(|| (answers.load(Ordering::SeqCst) >= load && feedback() >= wanted).then_some(()));
            std::thread::sleep(Duration::from_micros(kills * 7919 % 40_000));
            server.kill();
            done.store(true, Ordering::SeqCst);
        });
        server.restart();
        kills += 1;
    }
    eprintln!("{kills} kills of {KILLS} in {:?}, {} acknowledged commands", begun.elapsed(), acknowledged.lock().unwrap().len());
    assert!(kills * 2 >= KILLS, "too slow to show anything: {kills} kills");
    let acknowledged = acknowledged.lock().unwrap();
    compare_with_log(&server, &acknowledged);
    compare_with_rebuilds(&server);
    everything_ends(&server, &api);
}

/// Every acknowledged command's event is in the log, in its stream, at the position that was told; and positions have no gap.
fn compare_with_log(server: &Server, acknowledged: &[Acknowledged]) {
    let events = log::events(&server.folder);
    assert_eq!(events.keys().next_back().copied(), Some(events.len() as u64), "positions are without a gap");
    let facts: BTreeSet<(&str, &str)> = events.values().map(|(stream, kind)| (stream.as_str(), kind.as_str())).collect();
    let mut kinds = BTreeMap::new();
    for command in acknowledged {
        *kinds.entry(command.kind).or_insert(0) += 1;
        let (stream, kind) = events.get(&command.position).unwrap_or_else(|| panic!("acknowledged and lost: {command:?}"));
        // While a run is on, the same one is answered: the position may then be a later one.
        let known = command.kind == "ProcessingRequested" || (stream == &command.stream && kind == command.kind);
        assert!(known, "{command:?} is {kind} of {stream}");
        assert!(facts.contains(&(command.stream.as_str(), command.kind)), "acknowledged and lost: {command:?}");
    }
    assert!(kinds.len() == 7 && acknowledged.len() > 500, "there was load of every kind: {kinds:?}");
}

fn compare_with_rebuilds(server: &Server) {
    let status = server.cli(&["projections", "status"]);
    let names: Vec<&str> = status.as_array().unwrap().iter().map(|view| view["name"].as_str().unwrap()).collect();
    assert!(names.len() >= 4, "{status}");
    for name in names {
        assert_eq!(server.cli(&["projections", "rebuild", name])["differingRows"], 0, "{name}");
    }
    let status = server.cli(&["projections", "status"]);
    assert!(status.as_array().unwrap().iter().all(|view| view["deadEvents"] == 0), "{status}");
}

/// Nothing that a kill interrupted is left hanging: every run and every answer ends.
fn everything_ends(server: &Server, api: &Api) {
    let none = |path: &str, busy: &[&str]| {
        let mut cursor = String::new();
        loop {
            let page: Value = api.request(server, "GET", &format!("{path}?limit=200{cursor}"), None).json().unwrap();
            if page["data"].as_array().unwrap().iter().any(|row| busy.contains(&row["status"].as_str().unwrap())) {
                return None;
            }
            match page["pagination"]["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Some(()),
            }
        }
    };
    eventually(|| none("/api/data-specs", &["processing"]));
    eventually(|| none("/api/interactions", &["started"]));
}

const RETRIED_KILLS: u64 = 20;

/// A client that got no answer asks again with the same key: what it wanted is then there once, whether or not the first request had come through.
#[test]
fn a_retry_after_a_kill_makes_nothing_twice() {
    let (_folder, mut server, api) = start(&["--embeddings", "static"]);
    let mut wanted = 0;
    let create = |url: &str, n: u64| {
        let request = api.http.post(format!("{url}/api/agents")).bearer_auth(&api.key).header("idempotency-key", format!("agent {n}"));
        request.json(&json!({"name": format!("agent {n}")})).send().ok().map(|answer| answer.status().as_u16())
    };
    for kill in 0..RETRIED_KILLS {
        let answered = AtomicUsize::new(0);
        let cut_off = std::thread::scope(|scope| {
            let (url, answered, create, first) = (server.url.clone(), &answered, &create, wanted);
            let client = scope.spawn(move || {
                (first..).find(|n| {
                    let status = create(&url, *n);
                    answered.fetch_add(1, Ordering::SeqCst);
                    status != Some(201)
                })
            });
            eventually(|| (answered.load(Ordering::SeqCst) as u64 > kill % 5).then_some(()));
            std::thread::sleep(Duration::from_micros(kill * 1531 % 4000));
            server.kill();
            client.join().unwrap().unwrap()
        });
        server.restart();
        // Where it had come through and only its answer was lost, that is made again.
        assert_eq!(create(&server.url, cut_off), Some(201));
        wanted = cut_off + 1;
    }
    let mut names = BTreeMap::new();
    for offset in (0..wanted).step_by(200) {
        let page = api.ok(&server, "GET", &format!("/api/agents?limit=200&offset={offset}"), None, 200);
        for agent in page.as_array().unwrap() {
            *names.entry(agent["name"].as_str().unwrap().to_owned()).or_insert(0) += 1;
        }
    }
    assert_eq!((names.len() as u64, names.values().all(|times| *times == 1)), (wanted, true), "{names:?}");
}
