//! What the audit log shows of an event never changes, for its hash is signed: the leaf of every event version ever shipped, on its stored sample.
//!
//! `UPDATE_LEAVES=1 cargo test -p twig-projections leaves` adds the leaves of new samples; one that is there already is never written anew.

use std::{collections::BTreeMap, fs, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use twig_commands::log::RecordedEvent;
use twig_domain::{Actor, EventMeta, Timestamp, event::schemas};

use crate::{audit::leaf, folds::audit::shown};

fn recorded(aggregate: &str, event: &str, version: u32, payload: Value) -> RecordedEvent {
    let organization = "org_01arz3ndektsv4rrffq69g5fav".parse().unwrap();
    let meta = EventMeta {
        organization,
        actor: Actor::system("sample"),
        correlation_id: "req_1".into(),
        causation_id: None,
        ip: Some("192.0.2.7".into()),
        user_agent: None,
        traceparent: None,
    };
    RecordedEvent {
        position: 7,
        event_id: "evt_01arz3ndektsv4rrffq69g5fav".parse().unwrap(),
        recorded_at: Timestamp::from_millis(1_700_000_000_000),
        aggregate_type: aggregate.to_owned(),
        aggregate_id: "thing".into(),
        version: 1,
        event_type: event.to_owned(),
        event_version: version,
        meta,
        payload,
    }
}

#[test]
fn the_leaf_of_every_event_version_is_what_it_was() {
    let root = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("..");
    let file = root.join("schemas/audit-leaves.json");
    let known: BTreeMap<String, String> = fs::read(&file).map(|bytes| serde_json::from_slice(&bytes).unwrap()).unwrap_or_default();
    let aggregates: BTreeMap<&str, &str> = schemas().into_iter().map(|(aggregate, event, ..)| (event, aggregate)).collect();
    let mut leaves = BTreeMap::new();
    for entry in fs::read_dir(root.join("commands/tests/samples")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let (event, version) = name.split_once(".v").unwrap();
        let sample: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let event = shown(&recorded(aggregates[event], event, version.parse().unwrap(), sample));
        leaves.insert(name, STANDARD.encode(leaf(&event)));
    }
    if std::env::var_os("UPDATE_LEAVES").is_some() {
        let all: BTreeMap<_, _> = leaves.clone().into_iter().chain(known.clone()).collect();
        fs::write(&file, serde_json::to_string_pretty(&all).unwrap() + "\n").unwrap();
    }
    let known: BTreeMap<String, String> = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(json!(leaves), json!(known), "a leaf has changed: what was signed can no longer be proved; or a new sample needs UPDATE_LEAVES=1");
}
