//! cypress with a provider's reranker: it decides, and where it fails the built-in one does, which the provenance tells.

use serde_json::{Value, json};
use twig_tests::{Api, Server, embeddings::Embeddings};

use crate::{agent, ingested, start};

const QUESTION: &str = "When is the lighthouse lamp lit?";

fn files() -> Vec<(String, Vec<u8>)> {
    let text = |name: &str, text: &str| (format!("{name}.txt"), text.as_bytes().to_vec());
    vec![
        text("lamp", "The lighthouse lamp is lit at dusk by the keeper."),
        text("old", "The last lighthouse lamp was lit by oil until 1931."),
        text("boats", "Boats are counted by the harbour office each morning."),
    ]
}

fn reranked(server: &Server, api: &Api, agent: &str) -> Value {
    let answer = api.ok(server, "POST", "/api/chat", Some(&json!({"prompt": QUESTION, "agentId": agent})), 200);
    let path = format!("/api/interactions/{}?include=provenance", answer["id"].as_str().unwrap());
    let steps = api.ok(server, "GET", &path, None, 200)["provenance"]["steps"].clone();
    steps.as_array().unwrap().iter().find(|step| step["name"] == "rerank").unwrap()["detail"].clone()
}

#[test]
fn a_providers_reranker_sorts_and_its_failure_is_fallen_back_from_and_recorded() {
    let provider = Embeddings::start();
    let (_alone, server, api) = start(&["--rerank-url", &provider.url, "--rerank-model", "judge-1", "--embeddings", "static"]);
    let spec = ingested(&server, &api, &files());
    let agent = agent(&server, &api, json!({"name": "cypress", "ragStrategy": "cypress", "dataSpecIds": [spec]}));
    let detail = reranked(&server, &api, &agent);
    assert_eq!((&detail["by"], &detail["fellBackFrom"], provider.reranked()), (&json!("provider"), &Value::Null, 1));
    let first = detail["candidates"][0]["chunkId"].clone();
    let last = crate::search(&server, &api, &spec, "last lamp lit by oil")[0]["chunkId"].clone();
    assert_eq!(first, last, "the provider puts what says last first");
    provider.fail(true);
    let detail = reranked(&server, &api, &agent);
    assert_eq!(detail["by"], "minilm");
    assert!(detail["fellBackFrom"].is_string(), "{detail}");
}
