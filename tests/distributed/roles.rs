//! Roles die, hang and lose their servers while clients write. In the end nothing is lost, nothing is doubled, every view is what a fresh rebuild makes of the
//! log, and ClickHouse has the views' figures.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;
use twig_test_servers::Servers;
use twig_tests::eventually;

use crate::{
    cluster::{Cluster, Stores},
    load::wait,
    node::{distinct, event_ids},
};

const ALL: [&str; 9] = ["api-1", "api-2", "projector-1", "projector-2", "relay-1", "relay-2", "ingester-1", "ingester-2", "deliverer-1"];
const SOME: [&str; 6] = ["api-1", "api-2", "projector-1", "projector-2", "relay-1", "ingester-1"];
/// The group's session timeout, and some more.
const PARTITIONS_ARE_LOST_AFTER: Duration = Duration::from_secs(14);
const CLICKHOUSE_IS_AWAY_FOR: Duration = Duration::from_secs(60);

const ENDS_WAITING_UPDATES: &str =
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'UPDATE relay%' AND wait_event_type = 'Lock'";

fn cluster(names: &[&str]) -> Option<Cluster> {
    Some(Cluster::start(&Stores::shared()?, names, ""))
}

#[test]
fn every_role_is_killed_and_comes_back() {
    let Some(mut cluster) = cluster(&ALL) else { return };
    cluster.while_writing(|cluster, written| {
        for name in cluster.names() {
            written.more(5);
            cluster.kill(&name);
            written.more(5);
            cluster.restart(&name);
        }
        written.more(5);
    });
}

#[test]
fn a_relay_is_killed_between_an_acknowledgement_and_its_place() {
    let Some(mut cluster) = cluster(&["api-1", "projector-1", "relay-1"]) else { return };
    cluster.while_writing(|cluster, written| {
        written.more(5);
        // Whoever holds the row holds the relay at exactly this point: what it sent is acknowledged, its place is not kept.
        let stores = cluster.node.log.database();
        stores
            .read_now(|session| {
                session.batch("BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0; SELECT * FROM relay FOR UPDATE")?;
                let before = event_ids(&cluster.node.topic()).len();
                eventually(|| (event_ids(&cluster.node.topic()).len() > before).then_some(()));
                cluster.kill("relay-1");
                // What it asked of the database before it died would still be done.
                session.query(ENDS_WAITING_UPDATES, &[])?;
                session.batch("ROLLBACK")
            })
            .unwrap();
        cluster.restart("relay-1");
        written.more(5);
    });
    let topic = cluster.node.topic();
    let ids = event_ids(&topic);
    assert!(ids.len() > distinct(&ids), "the next relay told it again");
}

#[test]
fn a_paused_projector_loses_its_partitions_and_wakes_with_an_old_batch() {
    let Some(mut cluster) = cluster(&SOME) else { return };
    cluster.while_writing(|cluster, written| {
        written.more(10);
        cluster.signal("projector-1", Signal::SIGSTOP);
        // Its partitions stand still until the group gives them to the other; that this takes its time is what is tried here.
        std::thread::sleep(PARTITIONS_ARE_LOST_AFTER);
        written.more(10);
        cluster.signal("projector-1", Signal::SIGCONT);
        written.more(10);
    });
}

#[test]
fn each_server_is_stopped_killed_and_started() {
    let Some(mut servers) = Servers::start(&["postgres", "kafka", "clickhouse"], 1) else { return };
    let mut cluster = Cluster::start(&Stores::of(&servers), &SOME, "");
    cluster.while_writing(|cluster, written| {
        for server in ["clickhouse", "kafka1", "postgres"] {
            written.more(5);
            servers.stop(server);
            if server == "clickhouse" {
                written.more(5);
                std::thread::sleep(CLICKHOUSE_IS_AWAY_FOR);
                // Meanwhile the dashboard's figures are the views'.
                cluster.api.ok(cluster.process("api-1"), "GET", "/api/analytics/charts/dashboard", None, 200);
            }
            servers.start_again(server);
            written.more(5);
            servers.kill(server);
            servers.start_again(server);
        }
        written.more(5);
    });
}

#[test]
fn a_run_and_a_message_of_dead_workers_are_done_by_others() {
    let Some(mut cluster) = cluster(&["api-1", "projector-1", "relay-1", "ingester-1"]) else { return };
    let (api, text) = (cluster.api.clone(), "One sentence, and then another. ".repeat(20_000));
    let spec = json!({"name": "long", "type": "text", "config": {"title": "long", "content": text}});
    let spec = api.ok(cluster.process("api-1"), "POST", "/api/data-specs", Some(&spec), 201)["id"].as_str().unwrap().to_owned();
    let run = api.process(cluster.process("api-1"), &spec);
    let path = format!("/api/data-specs/{spec}/runs/{run}");
    eventually(|| (api.ok(cluster.process("api-1"), "GET", &path, None, 200)["status"] == "running").then_some(()));
    cluster.kill("ingester-1");
    cluster.restart("ingester-1");
    wait("the run", || api.ok(cluster.process("api-1"), "GET", &path, None, 200)["status"] == "succeeded");
}
