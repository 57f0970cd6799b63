//! The labelled set through the product, by `twig eval answers`; and what every answer's words are held against.

use std::{fs, path::Path};

use serde_json::{Value, json};
use twig_tests::{Api, Server, twig};

use crate::{agent, ingested, on_model, set, start};

const RIGHT_DOCUMENT_FIRST: f64 = 0.95;
const EXPECTED_IN_ANSWER: f64 = 0.9;
const REFUSED: f64 = 0.9;

/// What the held-out set had when it was written, less some questions: no change may make it worse.
const HELD_OUT: [(&str, f64); 3] = [("rightDocumentFirst", 0.7), ("expectedInAnswer", 0.65), ("refused", 0.6)];

fn documents(set: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = fs::read_dir(set.join("documents"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

/// The labelled set is met; the answers are then held against their sources.
fn met(embeddings: &str, model: &str) {
    let (_alone, server, api) = start(&["--embeddings", embeddings]);
    let spec = ingested(&server, &api, &documents(&set()));
    on_model(&server, &api, &spec, model);
    let agent = agent(&server, &api, json!({"name": "quality", "dataSpecIds": [spec]}));
    let questions = set().join("questions.jsonl");
    let gate = [RIGHT_DOCUMENT_FIRST, EXPECTED_IN_ANSWER, REFUSED].map(|share| share.to_string());
    let arguments = ["eval", "answers", questions.to_str().unwrap(), "--agent", &agent, "--embeddings", embeddings];
    let gated = [&arguments[..], &["--json", "--min-first", &gate[0], "--min-expected", &gate[1], "--min-refused", &gate[2]]].concat();
    let out = twig(&server.folder, &gated);
    let report: Value = serde_json::from_slice(&out.stdout).unwrap();
    for name in ["rightDocumentFirst", "expectedInAnswer", "expectedInCited", "refused"] {
        println!("{embeddings}: {name} {} of {}", report[name]["are"], report[name]["of"]);
    }
    println!("{embeddings}: {} ms at the median, {} ms at the 95th percentile", report["latencyMs"]["p50"], report["latencyMs"]["p95"]);
    let wrong: Vec<&Value> = report["questions"].as_array().unwrap().iter().filter(|row| row["score"] != 1.0).collect();
    assert!(out.status.success(), "{}\n{wrong:#?}", String::from_utf8_lossy(&out.stderr));
    if model == "static" {
        gates(&server, &arguments, &out.stdout);
    }
    stands_in_its_sources(&server, &api, &agent, &questions);
}

/// Questions that nothing was fitted on are answered no worse than before, and in the sources' words as well.
#[test]
fn the_held_out_set_is_answered_no_worse_than_it_was() {
    let (_alone, server, api) = start(&["--embeddings", "static"]);
    let held_out = set().join("held-out");
    let spec = ingested(&server, &api, &documents(&held_out));
    let agent = agent(&server, &api, json!({"name": "held out", "dataSpecIds": [spec]}));
    let questions = held_out.join("questions.jsonl");
    let out = twig(&server.folder, &["eval", "answers", questions.to_str().unwrap(), "--agent", &agent, "--embeddings", "static", "--json"]);
    let report: Value = serde_json::from_slice(&out.stdout).unwrap();
    for (name, least) in HELD_OUT {
        println!("held out: {name} {} of {}", report[name]["are"], report[name]["of"]);
        assert!(report[name]["share"].as_f64().unwrap() >= least, "{name}: {}", report[name]);
    }
    stands_in_its_sources(&server, &api, &agent, &questions);
}

/// The same again is no regression, and a gate that cannot be met fails.
fn gates(server: &Server, arguments: &[&str], report: &[u8]) {
    let baseline = server.folder.join("baseline.json");
    fs::write(&baseline, report).unwrap();
    let again =
        twig(&server.folder, &[arguments, &["--baseline", baseline.to_str().unwrap(), "--max-regressions", "0", "--min-refused", "1.1", "--json"]].concat());
    assert_eq!(again.status.code(), Some(1));
    let comparison = serde_json::from_slice::<Value>(&again.stdout).unwrap()["comparison"].clone();
    assert_eq!(comparison, json!({"better": [], "worse": [], "notInBaseline": 0}));
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(said.contains("refused") && !said.contains("worse"), "{said}");
}

#[test]
fn the_labelled_set_is_met_on_the_transformer() {
    met("auto", "minilm");
}

#[test]
fn the_labelled_set_is_met_on_the_static_model() {
    met("static", "static");
}

fn folded(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Every piece of every answer stands, after white-space folding, in the source cited behind it.
fn stands_in_its_sources(server: &Server, api: &Api, agent: &str, questions: &std::path::Path) {
    let mut pieces = 0;
    for line in fs::read_to_string(questions).unwrap().lines() {
        let asked: Value = serde_json::from_str(line).unwrap();
        let answer = api.ok(server, "POST", "/api/chat", Some(&json!({"prompt": asked["text"], "agentId": agent})), 200);
        if answer["answered"] != true {
            continue;
        }
        let path = format!("/api/interactions/{}?include=provenance", answer["id"].as_str().unwrap());
        let sources = api.ok(server, "GET", &path, None, 200)["provenance"]["sources"].clone();
        let texts: Vec<String> = sources.as_array().unwrap().iter().map(|source| folded(source["text"].as_str().unwrap())).collect();
        for (piece, index) in cited(answer["response"].as_str().unwrap()) {
            assert!(texts[index - 1].contains(&folded(&piece)), "{piece:?} is not in {:?}", texts[index - 1]);
            pieces += 1;
        }
    }
    println!("{pieces} pieces stand in their sources");
    assert!(pieces > 50);
}

/// The pieces of an answer, each with the index of its citation; a bracket in a code block is none.
fn cited(response: &str) -> Vec<(String, usize)> {
    let mut pieces = Vec::new();
    let mut rest = response;
    let outside_code = |text: &str, open: usize| text[..open].matches("```").count().is_multiple_of(2) && text[..open].matches('`').count().is_multiple_of(2);
    while let Some((open, close, index)) = rest.match_indices('[').find_map(|(open, _)| {
        let close = open + rest[open..].find(']')?;
        Some((open, close, rest[open + 1..close].parse().ok()?)).filter(|_| outside_code(rest, open))
    }) {
        pieces.push((rest[..open].to_owned(), index));
        rest = &rest[close + 1..];
    }
    assert!(rest.trim().is_empty(), "uncited: {rest:?}");
    pieces
}
