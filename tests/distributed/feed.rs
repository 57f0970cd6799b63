//! The relay, the topic and the projectors over real servers, and their faults. Writes go on during each.

use std::time::{Duration, Instant};

use serde_json::json;
use twig_test_servers::{Servers, kafka_brokers, postgres_url};

use crate::node::{CAUGHT_UP_WITHIN, Node, PARTITIONS, distinct, event_ids, sample};

/// Longer than any of its own writes takes, shorter than the regular marks: own writes do not wait for those.
const OWN_WRITE_WITHIN: Duration = Duration::from_millis(2500);

fn node() -> Option<Node> {
    Some(Node::new(&postgres_url()?, &kafka_brokers()?))
}

#[tokio::test(flavor = "multi_thread")]
async fn projectors_share_the_topic_and_make_what_a_rebuild_makes() {
    let Some(node) = node() else { return };
    let running = [node.relay(), node.projector(), node.projector()];
    node.load(400).await;
    node.views_are_what_a_rebuild_makes().await;

    let topic = node.topic();
    let ids = event_ids(&topic);
    assert_eq!((ids.len(), distinct(&ids)), (2000, 2000));
    let mut last = [0u64; PARTITIONS as usize];
    for message in topic.iter().filter(|message| message["type"] != "twig.mark") {
        let (partition, position) = (message["_partition"].as_u64().unwrap() as usize, message["position"].as_str().unwrap().parse().unwrap());
        assert!(std::mem::replace(&mut last[partition], position) < position, "within a partition positions only grow");
        assert_eq!(message["_key"], message["partitionkey"], "the key is the stream's id");
    }
    assert!(last.iter().all(|last| *last > 0), "the topic was made with its partitions, and all are used: {last:?}");
    for running in running {
        running.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_is_seen_in_every_partition_without_waiting_for_regular_marks() {
    let Some(node) = node() else { return };
    let running = [node.relay(), node.projector()];
    node.views_are_what_a_rebuild_makes().await;
    let mut took = Vec::new();
    for _ in 0..30 {
        let position = node.interact().await;
        let begun = Instant::now();
        assert!(node.views.wait_for(position, OWN_WRITE_WITHIN).await, "a mark for the other partitions is missing");
        took.push(begun.elapsed());
    }
    took.sort();
    println!("own write seen after {:?} (median), {:?} (slowest of 30)", took[15], took[29]);
    for running in running {
        running.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_lost_its_place_repeats_itself_and_changes_nothing() {
    let Some(node) = node() else { return };
    let projector = node.projector();
    for place in [0, 0, 70] {
        let relay = node.relay();
        node.load(40).await;
        assert!(node.views.wait_for(node.log.head().await.unwrap(), CAUGHT_UP_WITHIN).await);
        relay.end().await;
        // As after a kill between an acknowledgement and the place that follows it.
        node.sql(&format!("UPDATE relay SET position = {place}"));
    }
    let relay = node.relay();
    node.interact().await;
    node.views_are_what_a_rebuild_makes().await;
    let topic = node.topic();
    let ids = event_ids(&topic);
    assert!(ids.len() > distinct(&ids), "it did repeat itself");
    projector.end().await;
    relay.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_deleted_is_made_again_and_nothing_is_lost() {
    let Some(node) = node() else { return };
    let (relay, projector) = (node.relay(), node.projector());
    node.load(40).await;
    node.views_are_what_a_rebuild_makes().await;
    // What is told while nobody reads is lost with the topic: the projector has to see the hole.
    projector.end().await;
    node.load(40).await;
    node.delete_topic().await;
    node.load(40).await;
    let projector = node.projector();
    node.load(40).await;
    node.views_are_what_a_rebuild_makes().await;
    // And while it reads.
    node.delete_topic().await;
    node.load(40).await;
    node.views_are_what_a_rebuild_makes().await;
    projector.end().await;
    relay.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn views_begun_anew_are_made_from_what_the_topic_and_the_log_have() {
    let Some(node) = node() else { return };
    let relay = node.relay();
    node.load(40).await;
    // The topic begins in the middle, as after its retention.
    relay.end().await;
    node.delete_topic().await;
    let relay = node.relay();
    node.load(40).await;
    let projectors = [node.projector(), node.projector()];
    node.load(40).await;
    node.views_are_what_a_rebuild_makes().await;
    for running in projectors {
        running.end().await;
    }
    relay.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_relays_are_one_at_a_time_and_the_other_takes_over() {
    let Some(node) = node() else { return };
    let running = [node.relay(), node.relay(), node.projector()];
    node.load(40).await;
    node.views_are_what_a_rebuild_makes().await;
    let leaders = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND objid = 4 AND granted";
    assert_eq!(node.number(leaders), 1);
    let topic = node.topic();
    assert_eq!(event_ids(&topic).len(), 200, "one of them tells everything once");
    // The session of the one ends under it, while writes go on: it may not know yet, and both may be telling for a moment.
    for _ in 0..3 {
        node.load(20).await;
        node.number("SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND objid = 4");
        node.load(20).await;
    }
    node.views_are_what_a_rebuild_makes().await;
    assert_eq!(node.number(leaders), 1);
    for running in running {
        running.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_too_large_for_a_message_is_read_from_the_log() {
    let Some(node) = node() else { return };
    let running = [node.relay(), node.projector()];
    let mut payload = sample("AgentCreated", &json!({}));
    payload["settings"]["systemPrompt"] = "x".repeat(1_500_000).into();
    node.append("Agent", "agent_01arz3ndektsv4rrffq69g5fav", 0, payload).await;
    node.append("Agent", "agent_01arz3ndektsv4rrffq69g5fav", 1, sample("AgentUpdated", &json!({}))).await;
    node.views_are_what_a_rebuild_makes().await;
    assert_eq!(event_ids(&node.topic()).len(), 1);
    for running in running {
        running.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuilt_view_takes_over_while_partitions_move_on() {
    let Some(node) = node() else { return };
    let running = [node.relay(), node.projector(), node.projector()];
    node.load(40).await;
    let (written, switched) = tokio::join!(node.load(80), async {
        node.views.rebuild("interactions", node.vault.clone(), |_, _| {}).await.unwrap();
        node.views.switch("interactions", node.vault.clone()).await.unwrap()
    });
    let () = written;
    assert_eq!(switched, 2);
    node.views.drop_rebuilt("interactions").await.unwrap();
    node.load(20).await;
    node.views_are_what_a_rebuild_makes().await;
    for running in running {
        running.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_broker_slows_no_write_and_the_relay_catches_up() {
    let (Some(postgres), Some(mut servers)) = (postgres_url(), Servers::start(&["kafka"], 1)) else { return };
    let node = Node::new(&postgres, &servers.kafka_brokers());
    let running = [node.relay(), node.projector()];
    node.load(40).await;
    node.views_are_what_a_rebuild_makes().await;
    let slowest = async |node: &Node| {
        let mut slowest = Duration::ZERO;
        for _ in 0..100 {
            let begun = Instant::now();
            node.interact().await;
            slowest = slowest.max(begun.elapsed());
        }
        slowest
    };
    let with = slowest(&node).await;
    tokio::task::block_in_place(|| servers.kill("kafka1"));
    let without = slowest(&node).await;
    println!("slowest of 100 interactions: {with:?} with a broker, {without:?} without one");
    assert!(without < Duration::from_secs(2), "{without:?}");
    tokio::task::block_in_place(|| servers.start_again("kafka1"));
    node.load(40).await;
    node.views_are_what_a_rebuild_makes().await;
    for running in running {
        running.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_three_brokers_is_killed_and_comes_back() {
    let (Some(postgres), Some(mut servers)) = (postgres_url(), Servers::start(&["kafka"], 3)) else { return };
    let node = Node::new(&postgres, &servers.kafka_brokers());
    let running = [node.relay(), node.projector(), node.projector()];
    node.load(40).await;
    node.views_are_what_a_rebuild_makes().await;
    for broker in ["kafka2", "kafka1"] {
        tokio::task::block_in_place(|| servers.kill(broker));
        node.load(40).await;
        let head = node.log.head().await.unwrap();
        assert!(node.views.wait_for(head, CAUGHT_UP_WITHIN).await, "two of three are enough (min.insync.replicas=2)");
        tokio::task::block_in_place(|| servers.start_again(broker));
        node.load(40).await;
        node.views_are_what_a_rebuild_makes().await;
    }
    let topic = node.topic();
    let ids = event_ids(&topic);
    assert_eq!(distinct(&ids) as u64, node.log.head().await.unwrap(), "nothing acknowledged is lost from the topic");
    for running in running {
        running.end().await;
    }
}
