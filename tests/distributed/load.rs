//! Clients that write and ask all the while, and what must be there in the end: all that was acknowledged, once, in every store.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::blocking::{RequestBuilder, Response};
use serde_json::{Value, json};
use twig_tests::eventually;

use crate::{
    cluster::{Balancer, Cluster},
    receiver::Receiver,
};

/// A client that got no answer asks again for so long.
const ASK_AGAIN_FOR: Duration = Duration::from_secs(90);
const ASK_WITHIN: Duration = Duration::from_secs(10);
/// What is kept for a dead ingester or deliverer is another's after a lease of 30 s.
const DONE_WITHIN: Duration = Duration::from_secs(90);

/// What was acknowledged.
#[derive(Default)]
pub struct Written {
    agents: Mutex<Vec<String>>,
    answers: Mutex<Vec<String>>,
    runs: Mutex<Vec<(String, String)>>,
    slowest: Mutex<Duration>,
    count: AtomicUsize,
    /// Requests that got no answer, or one of a server's trouble, before they were made again.
    pub failed: AtomicUsize,
}

impl Cluster {
    /// Clients that make agents, ask, give feedback and process documents while something happens.
    pub fn while_writing(&mut self, happens: impl FnOnce(&mut Self, &Written)) {
        let receiver = Receiver::start(&["all=healthy"], &[]);
        let hook = json!({"url": receiver.url("all"), "events": ["agent.created"]});
        self.api.ok(self.process("api-1"), "POST", "/api/webhooks", Some(&hook), 201);
        let asked = self.api.ok(self.process("api-1"), "POST", "/api/agents", Some(&json!({"name": "answers"})), 201);
        let (written, done, balancer) = (Written::default(), AtomicBool::new(false), self.balancer.clone());
        let processes = self.names().iter().any(|name| name.starts_with("ingester"));
        let works = |work: &dyn Fn(usize)| (0..).take_while(|_| !done.load(Ordering::SeqCst)).for_each(work);
        std::thread::scope(|scope| {
            let (written, balancer, asked) = (&written, &balancer, asked["id"].as_str().unwrap());
            for client in 0..2 {
                scope.spawn(move || works(&|n| written.create_agent(balancer, format!("agent {client}.{n}"))));
            }
            scope.spawn(move || works(&|n| written.ask(balancer, asked, n)));
            if processes {
                scope.spawn(move || works(&|n| written.process(balancer, n)));
            }
            let ended = EndsWith(&done);
            happens(self, written);
            drop(ended);
        });
        let answers = written.answers.lock().unwrap().len();
        println!("{} agents, {answers} answers, the slowest request in {:?}", written.agents.lock().unwrap().len(), written.slowest.lock().unwrap());
        self.nothing_is_lost(&written);
        if self.names().iter().any(|name| name.starts_with("deliverer")) {
            let all = written.agents.lock().unwrap().len();
            wait("every webhook message", || receiver.counts()["all"] >= all);
        }
    }

    fn nothing_is_lost(&self, written: &Written) {
        let agents = counted(self.all("/api/agents?"), "name");
        written.agents.lock().unwrap().iter().for_each(|name| assert_eq!(agents.get(name), Some(&1), "{name} was acknowledged"));
        assert!(agents.values().all(|times| *times == 1), "{agents:?}");
        let answers: BTreeMap<String, Value> =
            self.all("/api/interactions?").into_iter().map(|answer| (answer["id"].as_str().unwrap().to_owned(), answer)).collect();
        for id in written.answers.lock().unwrap().iter() {
            let answer = &answers[id];
            assert_eq!((&answer["status"], &answer["feedback"]["rating"]), (&json!("completed"), &json!("positive")), "{answer}");
        }
        for (spec, run) in written.runs.lock().unwrap().iter() {
            wait("every run's end", || has_ended(&self.api.ok(self.process("api-1"), "GET", &format!("/api/data-specs/{spec}/runs/{run}"), None, 200)));
        }
        self.still_asked();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            self.node.views_are_what_a_rebuild_makes().await;
            self.node.clickhouse_has_the_figures_of_the_views(self.api.org.parse().unwrap()).await;
        });
    }

    /// Waits until every answer has ended: one that its node began before it died is given up after its lease.
    fn still_asked(&self) {
        wait("the end of every answer", || self.all("/api/interactions?").iter().all(|answer| answer["status"] != "started"));
    }

    /// All pages of a list.
    pub fn all(&self, path: &str) -> Vec<Value> {
        let mut all = Vec::new();
        loop {
            let page = self.api.ok(self.process("api-1"), "GET", &format!("{path}limit=200&offset={}", all.len()), None, 200);
            let page = page.as_array().unwrap();
            all.extend(page.iter().cloned());
            if page.len() < 200 {
                return all;
            }
        }
    }
}

/// Others stop with it.
pub struct EndsWith<'a>(pub &'a AtomicBool);

impl Drop for EndsWith<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Written {
    /// Waits until so many more agents are acknowledged.
    pub fn more(&self, count: usize) {
        let wanted = self.count.load(Ordering::SeqCst) + count;
        eventually(|| (self.count.load(Ordering::SeqCst) >= wanted).then_some(()));
    }

    /// With an Idempotency-Key, until it is made.
    fn create_agent(&self, balancer: &Balancer, name: String) {
        let make = |url: &str| balancer.api.http.post(format!("{url}/api/agents")).header("idempotency-key", &name).json(&json!({"name": name}));
        self.until_answered(balancer, 201, &make);
        self.agents.lock().unwrap().push(name);
        self.count.fetch_add(1, Ordering::SeqCst);
    }

    fn ask(&self, balancer: &Balancer, agent: &str, n: usize) {
        let question = json!({"agentId": agent, "prompt": format!("What is number {}?", n % 7), "sessionId": format!("session {}", n % 5)});
        let answer = self.until_answered(balancer, 200, &|url| balancer.api.http.post(format!("{url}/api/chat")).json(&question));
        let id = answer.json::<Value>().unwrap()["data"]["id"].as_str().unwrap().to_owned();
        let feedback = json!({"interactionId": id, "rating": "positive"});
        self.until_answered(balancer, 201, &|url| balancer.api.http.post(format!("{url}/api/interactions/feedback")).json(&feedback));
        self.answers.lock().unwrap().push(id);
    }

    /// A data spec, and a run that must come to its end before the next.
    fn process(&self, balancer: &Balancer, n: usize) {
        let key = format!("spec {n}");
        let spec = json!({"name": key, "type": "text", "config": {"title": key, "content": format!("The number of this text is {n}.")}});
        let made = |url: &str| balancer.api.http.post(format!("{url}/api/data-specs")).header("idempotency-key", &key).json(&spec);
        let made = self.until_answered(balancer, 201, &made).json::<Value>().unwrap()["data"]["id"].as_str().unwrap().to_owned();
        let run = |url: &str| balancer.api.http.post(format!("{url}/api/data-specs/{made}/process"));
        let run = self.until_answered(balancer, 202, &run).json::<Value>().unwrap()["data"]["id"].as_str().unwrap().to_owned();
        self.runs.lock().unwrap().push((made.clone(), run.clone()));
        wait("a run's end", || {
            let look = |url: &str| balancer.api.http.get(format!("{url}/api/data-specs/{made}/runs/{run}"));
            let answer = self.until_answered(balancer, 200, &look).json::<Value>().unwrap();
            has_ended(&answer["data"])
        });
    }

    /// One node after the other, until it is answered as it should be.
    fn until_answered(&self, balancer: &Balancer, status: u16, request: &dyn Fn(&str) -> RequestBuilder) -> Response {
        let begun = Instant::now();
        for turn in self.count.load(Ordering::SeqCst).. {
            assert!(begun.elapsed() < ASK_AGAIN_FOR, "a request is not answered");
            match balancer.send(turn, |url| request(url).timeout(ASK_WITHIN)) {
                Ok(answer) if answer.status() == status => {
                    let mut slowest = self.slowest.lock().unwrap();
                    *slowest = begun.elapsed().max(*slowest);
                    return answer;
                }
                // An earlier try has come through, or still runs.
                Ok(answer) if answer.status() == 409 => {}
                Ok(answer) if answer.status().is_client_error() => panic!("{} {}", answer.status(), answer.text().unwrap_or_default()),
                Ok(answer) if answer.status() == 500 => panic!("what is away for now is no internal error: {}", answer.text().unwrap_or_default()),
                Ok(answer) => self.fails(format!("{} {}", answer.status(), answer.text().unwrap_or_default())),
                Err(error) => self.fails(format!("{error:?}")),
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        unreachable!("it is asked for ever")
    }

    fn fails(&self, why: String) {
        if self.failed.fetch_add(1, Ordering::SeqCst) < 5 {
            println!("a request failed: {why}");
        }
    }
}

fn counted(rows: Vec<Value>, member: &str) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    rows.iter().for_each(|row| *counted.entry(row[member].as_str().unwrap().to_owned()).or_insert(0) += 1);
    counted
}

/// A run whose stores went away under it waits for them, and then succeeds.
fn has_ended(run: &Value) -> bool {
    assert_ne!(run["status"], "failed", "{run}");
    run["status"] == "succeeded"
}

/// Looks until it is so.
pub fn wait(what: &str, so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < DONE_WITHIN, "{what} is not there after {DONE_WITHIN:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}
