//! What happens by itself: a schedule that is due, and an answer whose server died.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use twig_tests::{Server, eventually, model::Model};

use crate::start;

/// An interaction whose server died is failed within this (API §3).
const MAX_ABANDONED: Duration = Duration::from_secs(60);

#[test]
fn a_schedule_that_is_due_is_processed() {
    let (_folder, mut server, api) = start(&["--embeddings", "static"]);
    let make = |schedule: &str| {
        let config = json!({"title": "Text", "content": "Some words."});
        let body = json!({"name": schedule, "type": "text", "config": config, "syncSchedule": schedule});
        api.ok(&server, "POST", "/api/data-specs", Some(&body), 201)["id"].as_str().unwrap().to_owned()
    };
    let [hourly, daily, manual] = ["hourly", "daily", "manual"].map(make);
    let runs = |server: &Server, spec: &str| api.ok(server, "GET", &format!("/api/data-specs/{spec}/runs"), None, 200).as_array().unwrap().clone();
    assert!([&hourly, &daily, &manual].iter().all(|spec| runs(&server, spec).is_empty()), "nothing is due at once");
    for (offset_s, expected) in [("3700", [1, 0, 0]), ("90000", [2, 1, 0])] {
        server.restart_with(&["--embeddings", "static", "--dev", "--dev-clock-offset-s", offset_s]);
        eventually(|| {
            let all = [&hourly, &daily, &manual].map(|spec| runs(&server, spec));
            let ended = all.iter().flatten().all(|run| run["status"] == "succeeded");
            (ended && all.each_ref().map(Vec::len) == expected).then_some(())
        });
    }
}

#[test]
fn an_answer_whose_server_died_has_failed_within_a_minute() {
    let model = Model::start();
    let (_folder, mut server, api) = start(&["--embeddings", "static", "--model-base-url", &model.url]);
    let config = json!({"title": "Refund policy", "content": "Refunds are granted within thirty days of purchase."});
    let spec = api.ok(&server, "POST", "/api/data-specs", Some(&json!({"name": "s", "type": "text", "config": config})), 201)["id"].clone();
    let run = api.process(&server, spec.as_str().unwrap());
    assert_eq!(api.ended(&server, spec.as_str().unwrap(), &run)["status"], "succeeded");
    let agent = api.ok(&server, "POST", "/api/agents", Some(&json!({"name": "a", "model": "silent", "dataSpecIds": [spec]})), 201)["id"].clone();
    let body = json!({"prompt": "Within how many days are refunds granted?", "agentId": agent, "stream": true});
    // The head of the stream is enough; the model never says a word.
    let stream = api.http.post(format!("{}/api/chat", server.url)).bearer_auth(&api.key).json(&body).send().unwrap();
    assert_eq!(stream.status(), 200);
    let interaction = || -> Value { api.ok(&server, "GET", "/api/interactions?limit=1", None, 200)[0].take() };
    assert_eq!(interaction()["status"], "started");
    server.restart();
    let begun = Instant::now();
    let failed = eventually(|| {
        let interaction: Value = api.ok(&server, "GET", "/api/interactions?limit=1", None, 200)[0].take();
        (interaction["status"] == "failed").then_some(interaction)
    });
    assert!(begun.elapsed() < MAX_ABANDONED, "{:?}", begun.elapsed());
    assert_eq!(failed["error"]["code"], "unavailable", "{failed}");
}
