//! Event schemas and samples: `schemas/events/` says what the code does, and every version ever shipped can be read.
//!
//! `UPDATE_SCHEMAS=1 cargo test -p twig-commands --test schemas` writes the files anew.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use twig_commands::{
    clock::Clock,
    log::{Append, EventLog, NewEvent},
};
use twig_domain::{Actor, Event, EventMeta, event::schemas};

fn root() -> PathBuf {
    Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../schemas/events")
}

/// The versions there are of each event type, from the folder's names.
fn shipped() -> BTreeMap<String, Vec<u32>> {
    let names = |folder: &Path| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>();
    let version = |name: String| name.strip_prefix('v').and_then(|rest| rest.strip_suffix(".json")).and_then(|n| n.parse().ok()).unwrap();
    names(&root()).into_iter().map(|event| (event.clone(), names(&root().join(event)).into_iter().map(version).collect())).collect()
}

fn json(file: &Path) -> Value {
    serde_json::from_slice(&fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))).unwrap()
}

#[test]
fn the_schemas_are_current() {
    let update = std::env::var_os("UPDATE_SCHEMAS").is_some();
    for (_, event, version, schema) in schemas() {
        let file = root().join(event).join(format!("v{version}.json"));
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if update {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, &text).unwrap();
        }
        // Compared as values: the order of members depends on which other crates are built along.
        assert_eq!(json(&file), schema, "{event} v{version}: run with UPDATE_SCHEMAS=1, or make a new version and an upcaster");
    }
}

#[test]
fn no_schema_is_of_an_event_that_the_code_does_not_know() {
    let current: BTreeMap<_, _> = schemas().into_iter().map(|(_, event, version, _)| (event, version)).collect();
    for (event, versions) in shipped() {
        let newest = current.get(event.as_str()).unwrap_or_else(|| panic!("{event} is gone from the code"));
        assert!(versions.iter().all(|version| version <= newest), "{event}");
    }
}

#[tokio::test]
async fn a_sample_of_every_version_fits_its_schema_and_is_read_from_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let log = EventLog::open(&folder.path().join("events.db"), Clock::system(0)).unwrap();
    let aggregates: BTreeMap<_, _> = schemas().into_iter().map(|(aggregate, event, version, _)| (event, (aggregate, version))).collect();
    for (event, versions) in shipped() {
        let (aggregate, newest) = aggregates[event.as_str()];
        for version in versions {
            let sample = json(&Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join(format!("tests/samples/{event}.v{version}.json")));
            let schema = jsonschema::validator_for(&json(&root().join(&event).join(format!("v{version}.json")))).unwrap();
            let errors: Vec<String> = schema.iter_errors(&sample).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{event} v{version}: {errors:?}");
            let read = through(&log, aggregate, &event, version, &sample).await;
            if version == newest {
                assert_eq!(read, sample, "{event} v{version} loses something when it is read");
            }
        }
    }
}

/// The sample as it comes out of the log: upcast, read as the newest shape, and written again.
async fn through(log: &EventLog, aggregate: &'static str, event: &str, version: u32, sample: &Value) -> Value {
    let organization = "org_01arz3ndektsv4rrffq69g5fav".parse().unwrap();
    let meta =
        EventMeta { organization, actor: Actor::system("test"), correlation_id: "c".into(), causation_id: None, ip: None, user_agent: None, traceparent: None };
    let events = vec![NewEvent { event_type: event.to_owned(), event_version: version, payload: sample.to_string() }];
    let id = format!("{event}.v{version}");
    let append = Append { aggregate_type: aggregate, aggregate_id: id.clone(), expected_version: 0, events, meta, idempotency: None, subject_keys: Vec::new() };
    log.append(append).await.unwrap();
    let recorded = log.read_stream(aggregate, &id, 0).await.unwrap().remove(0);
    match recorded.event().unwrap_or_else(|error| panic!("{event} v{version}: {error:?}")) {
        Event::Organization(event) => serde_json::to_value(event),
        Event::Agent(event) => serde_json::to_value(event),
        Event::DataSpec(event) => serde_json::to_value(event),
        Event::Interaction(event) => serde_json::to_value(event),
        Event::Webhook(event) => serde_json::to_value(event),
        Event::Access(event) => serde_json::to_value(event),
        Event::Erasure(event) => serde_json::to_value(event),
        Event::Replay(event) => serde_json::to_value(event),
    }
    .unwrap()
}
