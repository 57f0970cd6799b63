//! Counterfactual replay, and the explanation of an answer after everything that made it has changed.

use serde_json::{Value, json};
use twig_tests::{Api, Server, eventually, model::Model};

use crate::{start, text_spec};

const QUESTION: &str = "Within how many days are refunds granted?";

fn ended(server: &Server, api: &Api, job: &Value) -> Value {
    let path = format!("/api/interactions/replays/{}", job["id"].as_str().unwrap());
    eventually(|| Some(api.ok(server, "GET", &path, None, 200)).filter(|job| ["succeeded", "failed"].contains(&job["status"].as_str().unwrap())))
}

fn replay(server: &Server, api: &Api, body: &Value) -> Value {
    let job = api.ok(server, "POST", "/api/interactions/replay", Some(body), 202);
    let job = ended(server, api, &job);
    assert_eq!(job["status"], "succeeded", "{job}");
    job["result"].clone()
}

fn ask(server: &Server, api: &Api, agent: &Value, prompt: &str) -> Value {
    api.ok(server, "POST", "/api/chat", Some(&json!({"prompt": prompt, "agentId": agent})), 200)
}

fn set_text(server: &Server, api: &Api, spec: &str, content: &str) {
    api.ok(server, "PUT", &format!("/api/data-specs/{spec}"), Some(&json!({"config": {"title": "Refund policy", "content": content}})), 200);
    let run = api.process(server, spec);
    assert_eq!(api.ended(server, spec, &run)["status"], "succeeded");
}

#[test]
fn past_questions_are_asked_again_on_another_version_and_on_the_corpus_as_it_is_or_was() {
    let (_folder, server, api) = start();
    let spec = text_spec(&server, &api, "Refund policy", "Refunds are granted within thirty days of purchase.");
    let agent = api.ok(&server, "POST", "/api/agents", Some(&json!({"name": "a", "dataSpecIds": [spec]})), 201)["id"].clone();
    let asked = ask(&server, &api, &agent, QUESTION);
    set_text(&server, &api, &spec, "Refunds are granted within ninety days of purchase.");
    let path = format!("/api/agents/{}", agent.as_str().unwrap());
    api.ok(&server, "PUT", &path, Some(&json!({"dataSpecIds": [], "fallbackMessage": "No idea."})), 200);
    let total = |server: &Server| api.request(server, "GET", "/api/interactions", None).json::<Value>().unwrap()["pagination"]["total"].clone();
    let figures = |server: &Server| api.ok(server, "GET", "/api/analytics/charts/dashboard", None, 200)["summary"].clone();
    let before = (total(&server), figures(&server));

    let current = replay(&server, &api, &json!({"agentVersion": 1}));
    let question = &current["questions"][0];
    assert!(question["answer"].as_str().unwrap().contains("ninety"), "{question}");
    assert_eq!((&question["interactionId"], &question["prompt"], &question["answered"]), (&asked["id"], &json!(QUESTION), &json!(true)));
    assert_eq!((question["sourcesGained"].as_array().unwrap().len(), question["sourcesLost"].as_array().unwrap().len()), (1, 1));
    assert!(question["before"]["answer"].as_str().unwrap().contains("thirty") && question["usage"]["totalTokens"].as_u64().unwrap() > 0);
    assert!(question["latencyMs"].is_u64());

    let then = replay(&server, &api, &json!({"agentVersion": 1, "corpus": "asOf"}));
    let question = &then["questions"][0];
    assert!(question["answer"].as_str().unwrap().contains("thirty"), "{question}");
    assert_eq!((&question["sourcesGained"], &question["sourcesLost"], &question["sourcesKept"]), (&json!([]), &json!([]), &json!(1)));

    let without = replay(&server, &api, &json!({"agentVersion": 2, "filter": {"agentId": agent, "answered": true}}));
    assert_eq!((&without["questions"][0]["answer"], &without["questions"][0]["answered"]), (&json!("No idea."), &json!(false)));
    assert_eq!(without["summary"], json!({"questions": 1, "answered": 0, "answeredBefore": 1, "failed": 0}));
    let patched = replay(&server, &api, &json!({"patch": {"dataSpecIds": [spec]}, "limit": 1}));
    assert!(patched["questions"][0]["answer"].as_str().unwrap().contains("ninety"));
    let missing = replay(&server, &api, &json!({"agentVersion": 99}));
    assert_eq!((&missing["questions"][0]["answer"], &missing["questions"][0]["error"]["code"]), (&Value::Null, &json!("not_found")));
    assert_eq!((total(&server), figures(&server)), before, "nothing of it counts as an interaction");

    for bad in [json!({}), json!({"agentVersion": 1, "patch": {}}), json!({"agentVersion": 1, "filter": {"rating": "so-so"}}), json!({"patch": {"topK": 0}})] {
        assert_eq!(api.request(&server, "POST", "/api/interactions/replay", Some(&bad)).status(), 400, "{bad}");
    }
    let stranger = server.organization("strangers");
    let job = api.ok(&server, "POST", "/api/interactions/replay", Some(&json!({"agentVersion": 1})), 202);
    assert_eq!(stranger.request(&server, "GET", &format!("/api/interactions/replays/{}", job["id"].as_str().unwrap()), None).status(), 404);
}

#[test]
fn a_replay_goes_on_after_kill_9_and_asks_no_question_twice() {
    let (model, folder) = (Model::start(), tempfile::tempdir().unwrap());
    let mut server = Server::start(&folder.path().join("data"), &["--model-base-url", &model.url]);
    let api = server.organization("replays");
    let spec = text_spec(&server, &api, "Refund policy", "Refunds are granted within thirty days of purchase.");
    let agent = api.ok(&server, "POST", "/api/agents", Some(&json!({"name": "a", "dataSpecIds": [spec]})), 201)["id"].clone();
    (0..3).for_each(|_| drop(ask(&server, &api, &agent, QUESTION)));
    let job = api.ok(&server, "POST", "/api/interactions/replay", Some(&json!({"patch": {"model": "slow"}})), 202);
    let path = format!("/api/interactions/replays/{}", job["id"].as_str().unwrap());
    eventually(|| (api.ok(&server, "GET", &path, None, 200)["progress"]["done"].as_u64()? > 0).then_some(()));
    server.restart();
    let job = ended(&server, &api, &job);
    assert_eq!((&job["status"], &job["progress"]), (&json!("succeeded"), &json!({"done": 3, "total": 3})), "{job}");
    let mut asked: Vec<&str> = job["result"]["questions"].as_array().unwrap().iter().filter_map(|question| question["interactionId"].as_str()).collect();
    asked.sort_unstable();
    asked.dedup();
    assert_eq!(asked.len(), 3);
}

#[test]
fn an_answer_is_explained_in_full_after_all_that_made_it_has_changed_or_gone() {
    let (model, folder) = (Model::start(), tempfile::tempdir().unwrap());
    let server = Server::start(&folder.path().join("data"), &["--model-base-url", &model.url]);
    let api = server.organization("years later");
    let text = "Refunds are granted within thirty days of purchase.";
    let spec = text_spec(&server, &api, "Refund policy", text);
    let settings = json!({"name": "first name", "model": "quick", "systemPrompt": "Be brief.", "dataSpecIds": [spec]});
    let agent = api.ok(&server, "POST", "/api/agents", Some(&settings), 201)["id"].clone();
    let asked = ask(&server, &api, &agent, QUESTION);
    let path = format!("/api/agents/{}", agent.as_str().unwrap());
    let position: u64 =
        api.request(&server, "PUT", &path, Some(&json!({"name": "second name"}))).headers()["x-twig-position"].to_str().unwrap().parse().unwrap();
    api.ok(&server, "PUT", &path, Some(&json!({"name": "third name", "systemPrompt": null})), 200);
    set_text(&server, &api, &spec, "Something else altogether stands here now.");
    let versions = api.ok(&server, "GET", &format!("{path}/versions"), None, 200);
    assert_eq!(versions.as_array().unwrap().iter().map(|version| version["version"].as_u64().unwrap()).collect::<Vec<_>>(), [3, 2, 1]);
    assert_eq!(versions[1]["changes"], json!([{"path": "/name", "from": "first name", "to": "second name"}]));
    api.ok(&server, "DELETE", &path, None, 200);
    api.ok(&server, "DELETE", &format!("/api/data-specs/{spec}"), None, 200);

    let explained = api.ok(&server, "GET", &format!("/api/interactions/{}?include=provenance", asked["id"].as_str().unwrap()), None, 200);
    let provenance = &explained["provenance"];
    assert_eq!(
        (&explained["agentVersion"], &provenance["agent"]["name"], &provenance["agent"]["systemPrompt"]),
        (&json!(1), &json!("first name"), &json!("Be brief."))
    );
    assert_eq!(provenance["sources"][0]["text"], text);
    let steps = provenance["steps"].to_string();
    assert!(steps.contains("candidates") || steps.contains("score"), "{steps}");
    assert_eq!(provenance["positions"].as_array().unwrap().len(), 2);
    assert_eq!(provenance["messagesSha256"].as_str().unwrap().len(), 64);
    let messages = provenance["messages"].to_string();
    assert!(messages.contains("Be brief.") && messages.contains(text) && messages.contains(QUESTION), "{messages}");
    assert!(provenance.get("costUsd").is_some() && explained["model"] == "quick");

    assert_eq!(api.ok(&server, "GET", &format!("{path}?asOf={position}"), None, 200)["name"], "second name");
    let list = api.ok(&server, "GET", &format!("/api/agents?asOf={position}"), None, 200);
    assert_eq!((list.as_array().unwrap().len(), &list[0]["version"]), (1, &json!(2)));
    assert_eq!(api.ok(&server, "GET", &format!("/api/data-specs/{spec}?asOf={position}"), None, 200)["stats"]["documents"], 1);
}

#[test]
fn feedback_in_the_past_is_what_it_was_then() {
    let (_folder, server, api) = start();
    let agent = api.ok(&server, "POST", "/api/agents", Some(&json!({"name": "a"})), 201)["id"].clone();
    let id = ask(&server, &api, &agent, QUESTION)["id"].clone();
    let give = |rating: &str| {
        let given = api.request(&server, "POST", "/api/interactions/feedback", Some(&json!({"interactionId": id, "rating": rating, "comment": rating})));
        given.headers()["x-twig-position"].to_str().unwrap().parse::<u64>().unwrap()
    };
    let (first, second) = (give("negative"), give("positive"));
    let at = |position: u64| api.ok(&server, "GET", &format!("/api/interactions/{}?asOf={position}", id.as_str().unwrap()), None, 200)["feedback"].clone();
    assert_eq!((&at(first)["rating"], &at(first)["comment"]), (&json!("negative"), &json!("negative")));
    assert_eq!(at(second)["rating"], "positive");
    assert_eq!(at(first - 1), Value::Null);
}
