//! How good search and answers are: a labelled set of our own, what an answer may hold, and the model that takes over in the background.
#![expect(clippy::unwrap_used, reason = "tests")]

mod answers;
mod grounding;
mod reindex;
mod rerank;
mod sharpening;

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde_json::{Value, json};
use twig_tests::{Api, Server, eventually};

/// What is measured here are times and shares of the cores: the tests of this file run one after another.
struct Alone {
    _folder: tempfile::TempDir,
    _turn: MutexGuard<'static, ()>,
}

fn start(arguments: &[&str]) -> (Alone, Server, Api) {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), arguments);
    let api = server.organization("quality");
    (Alone { _folder: folder, _turn: turn }, server, api)
}

/// Where the labelled set is.
fn set() -> PathBuf {
    Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("quality")
}

/// A data spec of these files, published.
fn ingested(server: &Server, api: &Api, files: &[(String, Vec<u8>)]) -> String {
    let spec = api.ok(server, "POST", "/api/data-specs", Some(&json!({"name": "s", "type": "file"})), 201)["id"].as_str().unwrap().to_owned();
    for batch in files.chunks(10) {
        let batch: Vec<(&str, Vec<u8>)> = batch.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
        assert_eq!(api.upload(server, &spec, &batch).status(), 201);
    }
    let run = api.process(server, &spec);
    let ended = api.ended(server, &spec, &run);
    assert_eq!((&ended["status"], &ended["errors"]), (&json!("succeeded"), &json!([])));
    spec
}

fn model_of(server: &Server, api: &Api, spec: &str) -> Value {
    api.ok(server, "GET", &format!("/api/data-specs/{spec}"), None, 200)["embedding"].clone()
}

/// Waits until a model has taken over.
fn on_model(server: &Server, api: &Api, spec: &str, model: &str) {
    eventually(|| (model_of(server, api, spec)["model"] == model).then_some(()));
}

fn agent(server: &Server, api: &Api, settings: Value) -> String {
    api.ok(server, "POST", "/api/agents", Some(&settings), 201)["id"].as_str().unwrap().to_owned()
}

fn search(server: &Server, api: &Api, spec: &str, query: &str) -> Vec<Value> {
    let body = json!({"query": query, "dataSpecIds": [spec]});
    api.ok(server, "POST", "/api/semantic-search", Some(&body), 200)["results"].as_array().unwrap().clone()
}
