//! History beside what happens, and what follows from an endpoint's answers.

use std::{
    collections::HashSet,
    sync::atomic::{AtomicBool, Ordering},
};

use serde_json::json;
use twig_tests::{eventually, log};

use crate::{agent, attempted, deliveries, receiver::Receiver, register, start};

const PAST_EVENTS: usize = 150;

#[test]
fn a_new_endpoint_gets_its_history_in_order_while_live_events_go_on() {
    let (_folder, server, api) = start(&[], &[]);
    let first = agent(&server, &api, "first");
    (1..PAST_EVENTS).for_each(|number| drop(agent(&server, &api, &format!("past {number}"))));
    let since = api.ok(&server, "GET", &format!("/api/agents/{first}"), None, 200)["createdAt"].clone();
    let receiver = Receiver::start(&["new=slow:20"], &[]);
    let webhook = register(&server, &api, receiver.url("new"), &["agent.created"]);
    let past: Vec<String> = log::event_ids(&server.folder, "AgentCreated");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0.. {
                if done.load(Ordering::SeqCst) {
                    return;
                }
                agent(&server, &api, &format!("live {number}"));
            }
        });
        // Live events come before, during and after the history.
        eventually(|| (receiver.counts()["new"] > 0).then_some(()));
        api.ok(&server, "POST", &format!("/api/webhooks/{webhook}/replay"), Some(&json!({"since": since})), 202);
        eventually(|| {
            let seen: HashSet<String> = receiver.messages("new").into_iter().map(|message| message.id).collect();
            past.iter().all(|id| seen.contains(id)).then_some(())
        });
        done.store(true, Ordering::SeqCst);
    });
    let messages = receiver.messages("new");
    let history: Vec<_> = messages.iter().filter(|message| past.contains(&message.id)).collect();
    assert_eq!(history.iter().map(|message| message.id.as_str()).collect::<Vec<_>>(), past, "the history, once, in the log's order");
    assert!(history.windows(2).all(|pair| pair[0].sequence < pair[1].sequence), "in order of sequence");
    let place = |id: &str| messages.iter().position(|message| message.id == id).unwrap();
    let live_meanwhile = messages[place(&past[0])..place(&past[PAST_EVENTS - 1])].len() - (PAST_EVENTS - 1);
    assert!(live_meanwhile > 0, "live events go on meanwhile");
}

#[test]
fn an_endpoint_that_is_gone_is_disabled_and_the_others_are_told() {
    let (_folder, server, api) = start(&[], &[]);
    let receiver = Receiver::start(&["gone=gone", "other=healthy"], &[]);
    let gone = register(&server, &api, receiver.url("gone"), &["agent.created"]);
    register(&server, &api, receiver.url("other"), &["webhook.disabled"]);
    agent(&server, &api, "a");
    eventually(|| (receiver.counts()["other"] == 1).then_some(()));
    let webhook = api.ok(&server, "GET", &format!("/api/webhooks/{gone}"), None, 200);
    assert_eq!((&webhook["status"], &webhook["disabledReason"]), (&json!("disabled"), &json!("The endpoint answered 410 Gone")));
    assert_eq!(attempted(&server, &api, &gone)["status"], "failed");
}

#[test]
fn retry_after_is_honoured_and_what_failed_is_sent_again_when_asked() {
    let (_folder, mut server, api) = start(&[], &[]);
    let receiver = Receiver::start(&["busy=busy:1000", "gone=gone"], &[]);
    let busy = register(&server, &api, receiver.url("busy"), &["agent.created"]);
    let gone = register(&server, &api, receiver.url("gone"), &["agent.created"]);
    agent(&server, &api, "a");
    let delivery = attempted(&server, &api, &busy);
    let [next, at] = [&delivery["nextAttemptAt"], &delivery["attempts"][0]["at"]].map(|time| time.as_str().unwrap().parse::<twig_domain::Timestamp>().unwrap());
    assert_eq!((next.millis() - at.millis()) / 1000, 1000);
    assert_eq!(delivery["attempts"][0]["status"], 503);
    eventually(|| (deliveries(&server, &api, &gone, "status=failed")["pagination"]["total"] == 1).then_some(()));
    // Not before its time: the server comes back as if 900 seconds had passed, and then as if 1,100 had.
    receiver.open("busy");
    server.restart_with(&[&crate::SERVE[1..], &["--dev", "--dev-clock-offset-s", "900"]].concat());
    receiver.open("gone");
    api.ok(&server, "PUT", &format!("/api/webhooks/{gone}"), Some(&json!({"status": "active"})), 200);
    assert_eq!(api.ok(&server, "POST", &format!("/api/webhooks/{gone}/retry-failed"), Some(&json!({})), 202)["retried"], 1);
    eventually(|| (receiver.counts()["gone"] == 1).then_some(()));
    assert_eq!(receiver.counts()["busy"], 0);
    server.restart_with(&[&crate::SERVE[1..], &["--dev", "--dev-clock-offset-s", "1100"]].concat());
    eventually(|| (receiver.counts()["busy"] == 1).then_some(()));
    assert_eq!(deliveries(&server, &api, &busy, "status=succeeded")["data"][0]["attempts"].as_array().unwrap().len(), 2);
}

#[test]
fn the_queue_shows_in_the_metrics() {
    let (_folder, server, api) = start(&[], &[]);
    let receiver = Receiver::start(&["healthy=healthy", "hanging=hanging"], &[]);
    register(&server, &api, receiver.url("healthy"), &["agent.created"]);
    register(&server, &api, receiver.url("hanging"), &["agent.created"]);
    (0..3).for_each(|number| drop(agent(&server, &api, &format!("agent {number}"))));
    let metric = |name: &str| {
        let text = api.request(&server, "GET", "/metrics", None).text().unwrap();
        text.lines().find_map(|line| line.strip_prefix(name).and_then(|rest| rest.trim().parse::<f64>().ok()))
    };
    eventually(|| (metric("twig_webhook_due")? >= 2.0).then_some(()));
    eventually(|| (metric("twig_webhook_in_flight")? >= 1.0).then_some(()));
    eventually(|| (metric("twig_webhook_oldest_due_seconds")? > 0.0).then_some(()));
    eventually(|| (metric("twig_webhook_attempts_total{outcome=\"succeeded\"}")? == 3.0).then_some(()));
    eventually(|| (metric("twig_webhook_first_attempt_seconds_count")? >= 3.0).then_some(()));
}

const HANGING: usize = 150;

#[test]
fn an_organization_whose_endpoints_hang_leaves_room_for_the_others() {
    let (_folder, server, api) = start(&[], &[]);
    let other = server.organization("other");
    let endpoints: Vec<String> = (0..HANGING).map(|number| format!("hanging-{number}=hanging")).chain(["healthy=healthy".to_owned()]).collect();
    let receiver = Receiver::start(&endpoints, &[]);
    for number in 0..HANGING {
        register(&server, &api, receiver.url(&format!("hanging-{number}")), &["agent.created"]);
    }
    register(&server, &other, receiver.url("healthy"), &["agent.created"]);
    agent(&server, &api, "to those that hang");
    // As many as one organization may have in flight.
    eventually(|| {
        let metrics = api.request(&server, "GET", "/metrics", None).text().unwrap();
        metrics.lines().any(|line| line == "twig_webhook_in_flight 128").then_some(())
    });
    agent(&server, &other, "to the healthy one");
    eventually(|| (receiver.counts()["healthy"] == 1).then_some(()));
    assert!(receiver.messages("healthy")[0].waited_ms < 2000, "{:?}", receiver.messages("healthy"));
}
