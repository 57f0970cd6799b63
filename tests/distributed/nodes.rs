//! Two API nodes as one: a write on one is read on the other, limits and idempotency keys hold over both, streams go on elsewhere, and a rolling restart is
//! not noticed.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use reqwest::blocking::Response;
use serde_json::{Value, json};
use twig_tests::{
    Server,
    model::Model,
    stream::{Event, events},
};

use crate::{
    cluster::{Balancer, Cluster, Stores},
    load::EndsWith,
};

const NODES: [&str; 4] = ["api-1", "api-2", "projector-1", "relay-1"];
const PER_MINUTE: usize = 100;
/// A tenth of a limit, which a node takes at a time (API §1).
const LEASE: usize = PER_MINUTE / 10;
/// Events, of more than thirty.
const HANG_UP_AFTER: usize = 7;
const STREAM_WITHIN: Duration = Duration::from_secs(60);

#[test]
fn two_nodes_share_writes_limits_and_idempotency_keys() {
    let Some(stores) = Stores::shared() else { return };
    let cluster = Cluster::start(&stores, &NODES, "");
    let both = [cluster.process("api-1"), cluster.process("api-2")];
    a_write_on_one_is_read_on_the_other(&cluster, both);
    a_key_used_on_both_at_once_runs_once(&cluster, both);
    one_limit_holds_over_both(&cluster, both);
}

fn a_write_on_one_is_read_on_the_other(cluster: &Cluster, both: [&Server; 2]) {
    for n in 0..10 {
        let (write, read) = (both[n % 2], both[(n + 1) % 2]);
        let answer = cluster.api.request(write, "POST", "/api/agents", Some(&json!({"name": format!("agent {n}")})));
        let position = answer.headers()["x-twig-position"].to_str().unwrap().to_owned();
        let made: Value = answer.json().unwrap();
        let path = format!("{}/api/agents/{}", read.url, made["data"]["id"].as_str().unwrap());
        // With the position that the write told, and without.
        for request in [cluster.api.http.get(&path).header("x-twig-min-position", position), cluster.api.http.get(&path)] {
            let seen: Value = request.bearer_auth(&cluster.api.key).send().unwrap().json().unwrap();
            assert_eq!(seen["data"]["name"], made["data"]["name"], "{seen}");
        }
    }
}

fn a_key_used_on_both_at_once_runs_once(cluster: &Cluster, both: [&Server; 2]) {
    for n in 0..10 {
        let name = format!("once {n}");
        let make = |server: &Server| {
            let request = cluster.api.http.post(format!("{}/api/agents", server.url)).bearer_auth(&cluster.api.key).header("idempotency-key", &name);
            request.json(&json!({"name": name})).send().unwrap()
        };
        let answers: Vec<Response> = std::thread::scope(|scope| both.map(|server| scope.spawn(move || make(server))).map(|asked| asked.join().unwrap()).into());
        let replayed = |answer: &Response| answer.headers().contains_key("idempotent-replayed");
        let ran = answers.iter().filter(|answer| answer.status() == 201 && !replayed(answer)).count();
        let other = answers.iter().filter(|answer| answer.status() == 409 || replayed(answer)).count();
        assert_eq!((ran, other), (1, 1), "{answers:?}");
        let listed = cluster.all("/api/agents?");
        assert_eq!(listed.iter().filter(|agent| agent["name"] == name.as_str()).count(), 1);
    }
}

/// Both nodes are asked until both refuse in the same minute; how many requests that minute has taken is what the limit says, give or take a lease.
fn one_limit_holds_over_both(cluster: &Cluster, both: [&Server; 2]) {
    let org = both[0].cli(&["orgs", "create", "limited", "--plan", "pro", "--per-minute", &PER_MINUTE.to_string()])["id"].as_str().unwrap().to_owned();
    let limited = cluster.api.with_key(both[0].key(&org, "admin"));
    let mut minutes: BTreeMap<String, (usize, [bool; 2])> = BTreeMap::new();
    let (admitted, refused) = loop {
        let mut done = None;
        for (node, server) in both.iter().enumerate() {
            let answer = limited.request(server, "GET", "/api/agents", None);
            let minute = answer.headers()["x-ratelimit-reset"].to_str().unwrap().to_owned();
            let counted = minutes.entry(minute).or_default();
            match answer.status().as_u16() {
                200 => counted.0 += 1,
                429 => counted.1[node] = true,
                other => panic!("{other}"),
            }
            if counted.1 == [true, true] {
                done = Some(*counted);
            }
        }
        if let Some(done) = done {
            break done;
        }
    };
    println!("{admitted} of {PER_MINUTE} requests were admitted by two nodes, both refuse: {refused:?}");
    assert!((PER_MINUTE - 2 * LEASE..=PER_MINUTE + LEASE).contains(&admitted), "{admitted}");
}

#[test]
fn a_rolling_restart_fails_no_request_and_cuts_no_stream() {
    let Some(stores) = Stores::shared() else { return };
    let model = Model::start();
    let mut cluster = Cluster::start(&stores, &[&NODES[..], &["ingester-1"]].concat(), &format!("model_base_url = {:?}\n", model.url));
    let question = streamed_question(&cluster);
    let (streams, resumed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let balancer = cluster.balancer.clone();
    cluster.while_writing(|cluster, written| {
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for client in 0..2 {
                let (balancer, question, done, streams, resumed) = (&balancer, &question, &done, &streams, &resumed);
                scope.spawn(move || {
                    for n in (client..).step_by(2).take_while(|_| !done.load(Ordering::SeqCst)) {
                        // Every other client hangs up in the middle, and goes on at the other node.
                        whole(&follow(balancer, question, n, n % 2 == 1));
                        streams.fetch_add(1, Ordering::SeqCst);
                        resumed.fetch_add(n % 2, Ordering::SeqCst);
                    }
                });
            }
            let ended = EndsWith(&done);
            for name in ["api-1", "api-2", "api-1", "api-2"] {
                written.more(10);
                cluster.restart_gracefully(name);
            }
            written.more(10);
            drop(ended);
        });
        assert_eq!(written.failed.load(Ordering::SeqCst), 0, "requests failed");
    });
    println!("{streams:?} streams over four restarts, {resumed:?} resumed on another node");
    assert!(streams.into_inner() > 8 && resumed.into_inner() > 3);
}

/// A question's stream to its end.
fn follow(balancer: &Balancer, question: &Value, turn: usize, hangs_up: bool) -> Vec<Event> {
    let ask = |url: &str| balancer.api.http.post(format!("{url}/api/chat")).json(question).timeout(STREAM_WITHIN);
    let answer = balancer.send(turn, ask).expect("no request fails");
    assert_eq!(answer.status(), 200);
    let mut had: Vec<Event> = events(answer).take(if hangs_up { HANG_UP_AFTER } else { usize::MAX }).collect();
    if hangs_up {
        let last = had.last().unwrap().id.clone();
        let path = format!("/api/interactions/{}/stream", had[0].data["id"].as_str().unwrap());
        let resume = |url: &str| balancer.api.http.get(format!("{url}{path}")).header("last-event-id", &last).timeout(STREAM_WITHIN);
        had.extend(events(balancer.send(turn + 1, resume).expect("no request fails")));
    }
    had
}

/// An agent whose model takes two seconds over an answer.
fn streamed_question(cluster: &Cluster) -> Value {
    let (api, server) = (&cluster.api, cluster.process("api-1"));
    let spec = json!({"name": "Refunds", "type": "text", "config": {"title": "Refunds", "content": "Refunds are granted within thirty days of purchase."}});
    let spec = api.ok(server, "POST", "/api/data-specs", Some(&spec), 201)["id"].as_str().unwrap().to_owned();
    assert_eq!(api.ended(server, &spec, &api.process(server, &spec))["status"], "succeeded");
    let agent = api.ok(server, "POST", "/api/agents", Some(&json!({"name": "streams", "model": "slow", "dataSpecIds": [spec]})), 201);
    json!({"prompt": "Within how many days are refunds granted?", "agentId": agent["id"], "stream": true})
}

/// Every event once, in order, and the deltas joined are the answer.
fn whole(stream: &[Event]) {
    for (n, event) in stream.iter().enumerate() {
        assert_eq!(event.data["sequenceNumber"], n, "{stream:?}");
    }
    assert_eq!(stream.last().unwrap().name, "message.completed", "the stream was cut: {stream:?}");
    let text: String = stream.iter().filter_map(|event| event.data["text"].as_str()).collect();
    assert_eq!(stream.last().unwrap().data["response"], text.as_str());
}
