//! The folds, from given events to rows, and the runner on real stores.
#![expect(clippy::unwrap_used, reason = "tests")]

mod folds;
mod leaves;
mod runner;

use serde_json::{Value, json};
use twig_commands::log::RecordedEvent;
use twig_domain::{Actor, EventMeta, Timestamp, id::OrgId};

const UUID: &str = "01arz3ndektsv4rrffq69g5fav";

pub(crate) fn id(prefix: &str) -> String {
    format!("{prefix}_{UUID}")
}

fn organization() -> OrgId {
    id("org").parse().unwrap()
}

pub(crate) fn meta() -> EventMeta {
    EventMeta {
        organization: organization(),
        actor: Actor::system("test"),
        correlation_id: "c".into(),
        causation_id: None,
        ip: None,
        user_agent: None,
        traceparent: None,
    }
}

/// The stream's next events, recorded at one position after another, a second apart.
fn stream(aggregate: &str, aggregate_id: &str, payloads: &[Value]) -> Vec<RecordedEvent> {
    let record = |(place, payload): (u64, &Value)| RecordedEvent {
        position: place,
        event_id: id("evt").parse().unwrap(),
        recorded_at: Timestamp::from_millis(1_700_000_000_000).plus_seconds(place as i64),
        aggregate_type: aggregate.to_owned(),
        aggregate_id: aggregate_id.to_owned(),
        version: place,
        event_type: payload["type"].as_str().unwrap().to_owned(),
        event_version: 1,
        meta: meta(),
        payload: payload.clone(),
    };
    (1..).zip(payloads).map(record).collect()
}

/// The stored sample of an event, with members replaced.
fn sample(event: &str, members: Value) -> Value {
    let file = format!("{}/../commands/tests/samples/{event}.v1.json", std::env::var("CARGO_MANIFEST_DIR").unwrap());
    let mut payload: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    for (name, value) in members.as_object().unwrap() {
        payload[name] = value.clone();
    }
    payload
}

fn plain(event: &str) -> Value {
    sample(event, json!({}))
}
