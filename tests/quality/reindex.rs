//! From one provider's model to another of the same dimension and back, under constant queries.

use std::time::Duration;

use serde_json::json;
use twig_tests::{Api, Server, embeddings::Embeddings};

use crate::{ingested, model_of, search, start};

const DOCUMENTS: usize = 160;
const BATCH_TAKES: Duration = Duration::from_millis(150);
/// Texts in the same words are this near in one model; between two they are unrelated.
const SAME_MODEL: f64 = 0.9;

fn text(n: usize) -> String {
    const THINGS: [&str; 8] = ["lantern", "compass", "anchor", "ladder", "kettle", "saddle", "violin", "barometer"];
    format!("The {} numbered {n} stands on shelf {} of room {}", THINGS[n % THINGS.len()], n * 7 % 90, n * 13 % 40)
}

/// Asks until the model is in service, and a little longer; every answer is right, and nearness tells that question and passage are of one model.
fn asked_until(server: &Server, api: &Api, spec: &str, model: &str) -> (usize, usize) {
    let (mut before, mut after) = (0, 0);
    for n in 0.. {
        let wanted = n * 31 % DOCUMENTS;
        let found = search(server, api, spec, &text(wanted));
        assert_eq!(found[0]["content"], text(wanted), "query {n}");
        let nearness = found[0]["scores"]["vector"].as_f64().unwrap();
        assert!(nearness > SAME_MODEL, "query {n}: {nearness}");
        if model_of(server, api, spec)["model"] == model {
            after += 1
        } else {
            before += 1
        }
        if after == 30 {
            break;
        }
    }
    (before, after)
}

#[test]
fn a_change_of_model_and_back_fails_no_query_and_mixes_no_vectors() {
    let provider = Embeddings::start();
    let arguments = |model: &'static str| ["--model-base-url", &provider.url, "--embeddings", model].map(str::to_owned);
    let with = |model| arguments(model).to_vec();
    let first = with("compatible:first");
    let (_alone, mut server, api) = start(&first.iter().map(String::as_str).collect::<Vec<_>>());
    let files: Vec<(String, Vec<u8>)> = (0..DOCUMENTS).map(|n| (format!("{n}.txt"), text(n).into_bytes())).collect();
    let spec = ingested(&server, &api, &files);
    assert_eq!(model_of(&server, &api, &spec), json!({"model": "compatible:first", "next": null}));
    provider.slow_batches(BATCH_TAKES);
    for model in ["compatible:second", "compatible:first"] {
        let arguments = with(model);
        server.restart_with(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        let (before, after) = asked_until(&server, &api, &spec, model);
        assert!(before > 0 || model == "compatible:first", "no query was asked before the switch");
        println!("to {model}: {before} queries before the switch, {after} after");
    }
    // A provider that is down costs nearness and not the answer.
    provider.fail(true);
    let found = search(&server, &api, &spec, "the violin of room 12");
    assert!(!found.is_empty() && found.iter().all(|hit| hit["scores"]["vector"].is_null()));
}
