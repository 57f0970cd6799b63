//! Several deliverers on one PostgreSQL: they share the work, and one that dies is taken over from when its leases end.

use std::time::{Duration, Instant};

use twig_tests::{Server, eventually};

use crate::{agent, receiver::Receiver, register};

const DELIVERERS: usize = 3;
const EVENTS: usize = 120;
const LEASE_S: u64 = 30;
/// A lease, and what a busy machine takes beside it.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(3 * LEASE_S);

#[test]
fn deliverers_share_the_work_and_a_dead_ones_messages_are_sent_by_the_others() {
    let Some(url) = twig_test_servers::postgres_url() else { return };
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let stores = format!("events_url = \"{url}\"\nviews_url = \"{url}\"\nwebhook_allow_http = true\nwebhook_lease_s = {LEASE_S}\nembeddings = \"static\"\n");
    std::fs::write(data.join("twig.toml"), stores).unwrap();
    let server = Server::run(&data, &["serve", "--role", "api,projector"]);
    let api = server.organization("webhooks");
    let mut deliverers: Vec<Server> = (0..DELIVERERS).map(|_| Server::run(&data, &["serve", "--role", "deliverer"])).collect();
    let names = ["one", "two", "three", "four"];
    let receiver = Receiver::start(&names.map(|name| format!("{name}=healthy")), &[]);
    names.iter().for_each(|name| drop(register(&server, &api, receiver.url(name), &["agent.created"])));
    for number in 0..EVENTS {
        agent(&server, &api, &format!("agent {number}"));
        if number == EVENTS / 2 {
            // In the middle of its work, and with whatever it has claimed.
            eventually(|| (receiver.counts().values().sum::<usize>() > EVENTS / 4).then_some(()));
            deliverers.swap_remove(0).kill();
        }
    }
    let begun = Instant::now();
    while receiver.counts().values().any(|count| *count < EVENTS) {
        assert!(begun.elapsed() < TAKEN_OVER_WITHIN, "{:?}", receiver.counts());
        std::thread::sleep(Duration::from_millis(50));
    }
    let messages: usize = names.iter().map(|name| receiver.messages(name).len()).sum();
    eprintln!("{messages} messages for {} deliveries; whole {:?} after the last event", EVENTS * names.len(), begun.elapsed());
    for deliverer in &deliverers {
        let metrics = api.http.get(format!("{}/metrics", deliverer.url)).send().unwrap().text().unwrap();
        assert!(metrics.lines().any(|line| line.starts_with("twig_webhook_attempts_total{outcome=\"succeeded\"}")), "each has its part");
    }
}
