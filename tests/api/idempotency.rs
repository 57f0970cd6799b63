//! The answer to a request whose server died between its events and the keeping of the answer: it is made again from the log.

use reqwest::blocking::Response;
use serde_json::{Value, json};
use twig_tests::log;

use crate::start;

/// What of an answer must be the same.
fn told(response: Response) -> (u16, Value, [Option<String>; 3], bool) {
    let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let (headers, replayed) = (["location", "etag", "x-twig-position"].map(header), header("idempotent-replayed").is_some());
    (response.status().as_u16(), response.json().unwrap(), headers, replayed)
}

#[test]
fn a_lost_answer_is_made_again() {
    let (_folder, server, api) = start();
    let post = |key: &str, path: &str, body: &Value| {
        let request = api.http.post(format!("{}{path}", server.url)).bearer_auth(&api.key).header("idempotency-key", key);
        told(request.json(body).send().unwrap())
    };
    let mut asked: Vec<(&str, String, Value)> = Vec::new();
    let mut answers = Vec::new();
    let mut ask = |key: &'static str, path: String, body: Value| {
        let answer = post(key, &path, &body);
        assert!((200..300).contains(&answer.0), "{path}: {answer:?}");
        let id = answer.1["data"]["id"].as_str().unwrap_or_default().to_owned();
        asked.push((key, path, body));
        answers.push(answer);
        id
    };
    let config = json!({"title": "Refund policy", "content": "Refunds are granted within thirty days of purchase."});
    let spec = ask("spec", "/api/data-specs".into(), json!({"name": "s", "type": "text", "config": config}));
    let run = ask("run", format!("/api/data-specs/{spec}/process"), json!({}));
    assert_eq!(api.ended(&server, &spec, &run)["status"], "succeeded");
    let agent = ask("agent", "/api/agents".into(), json!({"name": "a", "dataSpecIds": [spec]}));
    let interaction = ask("chat", "/api/chat".into(), json!({"prompt": "Within how many days are refunds granted?", "agentId": agent}));
    ask("feedback", "/api/interactions/feedback".into(), json!({"interactionId": interaction, "rating": "negative", "comment": "too short"}));
    let webhook = ask("webhook", "/api/webhooks".into(), json!({"url": "https://8.8.8.8/hook", "events": ["webhook.test"], "status": "paused"}));
    ask("replay", format!("/api/webhooks/{webhook}/replay"), json!({"fromPosition": 1}));
    ask("secret", format!("/api/webhooks/{webhook}/rotate-secret"), json!({}));
    ask("key", "/api/api-keys".into(), json!({"name": "k", "scopes": ["chat"]}));
    log::damage(&server.folder.join("events.db"), "UPDATE idempotency SET response = NULL");
    let events = log::events(&server.folder).len();
    for ((key, path, body), first) in asked.iter().zip(&answers) {
        let again = post(key, path, body);
        if *key == "key" {
            assert_eq!((again.0, again.1["error"]["code"].as_str()), (409, Some("conflict")), "a secret that was never stored");
            continue;
        }
        let (mut one, mut other) = (first.1.clone(), again.1.clone());
        if *key == "run" {
            // It was queued or running when it was answered; it is answered as it was asked for.
            (one["data"]["status"], other["data"]["status"]) = (Value::Null, Value::Null);
        }
        if *key == "webhook" {
            // The first of its secrets, and what it is now.
            (one["data"]["version"], other["data"]["version"]) = (Value::Null, Value::Null);
            (one["data"]["updatedAt"], other["data"]["updatedAt"]) = (Value::Null, Value::Null);
            assert_eq!((first.0, &one), (again.0, &other));
            continue;
        }
        assert_eq!((first.0, &one, &first.2), (again.0, &other, &again.2), "{path}");
        assert!(again.3, "{path} is said to be a replay");
    }
    assert_eq!(log::events(&server.folder).len(), events, "nothing was carried out twice");
}
