//! Erasure: no byte of the words is left in the data folder or a database, and nothing else has changed.

use std::fs;

use serde_json::{Value, json};
use twig_tests::{Api, Server, eventually, log::holding, model::Model};

use crate::{start, text_spec};

/// Words that stand nowhere else: the passage that answers has others.
const PROMPT: &str = "Within how many days are refunds granted to quokka customers";
const USER: &str = "quokkauser@example.com";
const METADATA: &str = "quokkametadata";
const COMMENT: &str = "quokkacomment says it is wrong";
const CORRECTED: &str = "quokkacorrected answer";

fn agent(server: &Server, api: &Api, model: &str) -> Value {
    let spec = text_spec(server, api, "Refund policy", "Customers, quokka or koala, are granted refunds within thirty days of purchase.");
    api.ok(server, "POST", "/api/agents", Some(&json!({"name": "a", "model": model, "dataSpecIds": [spec]})), 201)["id"].clone()
}

fn ask(server: &Server, api: &Api, body: &Value, key: &str) -> Value {
    let sent = api.http.post(format!("{}/api/chat", server.url)).bearer_auth(&api.key).header("idempotency-key", key).json(body).send().unwrap();
    let answer: Value = sent.json().unwrap();
    assert_eq!(answer["data"]["answered"], true, "{answer}");
    answer["data"].clone()
}

fn erase(server: &Server, api: &Api, whose: &Value) -> Value {
    let job = api.ok(server, "POST", "/api/privacy/erasures", Some(whose), 202);
    assert!(["queued", "running", "succeeded"].contains(&job["status"].as_str().unwrap()), "{job}");
    ended(server, api, &job)
}

fn ended(server: &Server, api: &Api, job: &Value) -> Value {
    let path = format!("/api/privacy/erasures/{}", job["id"].as_str().unwrap());
    let job = eventually(|| Some(api.ok(server, "GET", &path, None, 200)).filter(|job| ["succeeded", "failed"].contains(&job["status"].as_str().unwrap())));
    assert_eq!(job["status"], "succeeded", "{job}");
    job
}

fn interaction(server: &Server, api: &Api, id: &Value) -> Value {
    api.ok(server, "GET", &format!("/api/interactions/{}?include=provenance,history", id.as_str().unwrap()), None, 200)
}

fn total(server: &Server, api: &Api) -> Value {
    api.request(server, "GET", "/api/interactions", None).json::<Value>().unwrap()["pagination"]["total"].clone()
}

#[test]
fn after_an_erasure_no_file_holds_the_words_and_counts_and_proofs_are_what_they_were() {
    let (model, folder) = (Model::start(), tempfile::tempdir().unwrap());
    let mut server = Server::start(&folder.path().join("data"), &["--model-base-url", &model.url]);
    let api = server.organization("privacy");
    let agent = agent(&server, &api, "quick");
    let words = json!({"prompt": format!("{PROMPT}?"), "agentId": agent, "userId": USER, "metadata": {"where": METADATA}});
    let mine: Vec<Value> = (0..40).map(|n| ask(&server, &api, &words, &format!("k{n}"))).collect();
    let other =
        ask(&server, &api, &json!({"prompt": "Within how many days are refunds granted to koala customers?", "agentId": agent, "userId": "koala"}), "other");
    for id in mine.iter().take(5).map(|answer| &answer["id"]) {
        let feedback = json!({"interactionId": id, "rating": "negative", "comment": COMMENT, "correctedResponse": CORRECTED});
        api.ok(&server, "POST", "/api/interactions/feedback", Some(&feedback), 201);
    }
    let texts = [PROMPT, USER, METADATA, COMMENT, CORRECTED];
    assert!(texts.iter().all(|words| !holding(&server.folder, words).is_empty()), "the search finds what is there");
    let (before, first) = (total(&server, &api), mine[0]["id"].as_str().unwrap());
    let event = api.ok(&server, "GET", &format!("/api/audit/events?target={first}"), None, 200)[0].clone();
    let dashboard = |server: &Server| api.ok(server, "GET", "/api/analytics/charts/dashboard", None, 200)["summary"].clone();
    let figures = dashboard(&server);

    let job = erase(&server, &api, &json!({"userId": USER}));
    let receipt = &job["result"];
    assert_eq!((&receipt["interactions"], &receipt["keys"]), (&json!(40), &json!(1)), "{receipt}");
    let beyond = receipt["beyond"].to_string();
    assert!(beyond.contains("Backups") && beyond.contains("The words of 40 interactions were sent to a language model's provider"), "{receipt}");
    assert_eq!(model.asked(), 41, "and so they were, with the other's one");

    for answer in &mine {
        let shown = interaction(&server, &api, &answer["id"]);
        assert_eq!((&shown["prompt"], &shown["response"], &shown["userId"], &shown["erased"]), (&Value::Null, &Value::Null, &Value::Null, &json!(true)));
        assert_eq!((&shown["metadata"], &shown["provenance"]["steps"]), (&json!({}), &Value::Null));
    }
    let shown = interaction(&server, &api, &mine[0]["id"]);
    assert_eq!(
        (&shown["feedback"]["comment"], &shown["feedbackHistory"][0]["comment"], &shown["feedback"]["rating"]),
        (&Value::Null, &Value::Null, &json!("negative"))
    );
    assert!(interaction(&server, &api, &other["id"])["prompt"].as_str().unwrap().contains("koala"), "nobody else's words are touched");
    assert_eq!((total(&server, &api), dashboard(&server)), (before, figures));
    assert_eq!(api.ok(&server, "GET", &format!("/api/audit/events/{}", event["id"].as_str().unwrap()), None, 200), event);
    let again = api.http.post(format!("{}/api/chat", server.url)).bearer_auth(&api.key).header("idempotency-key", "k1").json(&words).send().unwrap();
    assert_eq!(again.status(), 200, "the answer is made again of what is left, and the question is not asked twice");
    let again: Value = again.json().unwrap();
    assert_eq!((&again["data"]["id"], &again["data"]["response"], &again["data"]["erased"]), (&mine[1]["id"], &Value::Null, &json!(true)), "{again}");

    let left = |server: &Server| texts.iter().map(|words| (*words, holding(&server.folder, words))).filter(|(_, files)| !files.is_empty()).collect::<Vec<_>>();
    assert!(left(&server).is_empty(), "{:?}", left(&server));
    // A rebuild ends in the same rows, and writes none of the words either.
    assert_eq!(server.cli(&["projections", "rebuild", "interactions"])["differingRows"], 0);
    server.restart();
    assert!(left(&server).is_empty(), "{:?}", left(&server));
    let (file, key) = (folder.path().join("log.ndjson"), server.cli(&["audit", "key"])["verifierKey"].as_str().unwrap().to_owned());
    server.cli(&["audit", "export", file.to_str().unwrap(), "--org", &api.org]);
    assert_eq!(server.cli(&["audit", "verify", file.to_str().unwrap(), "--key", &key])["valid"], true);
    assert!(!fs::read_to_string(&file).unwrap().contains(PROMPT), "nor does the exported log hold them");
}

#[test]
fn one_interaction_or_one_session_can_be_erased_among_others_of_the_same_user() {
    let (_folder, server, api) = start();
    let agent = agent(&server, &api, "extractive");
    let say = |session: &str| json!({"prompt": format!("{PROMPT}?"), "agentId": agent, "userId": USER, "sessionId": session});
    let asked: Vec<Value> =
        ["one", "one", "two", "two"].iter().enumerate().map(|(n, session)| ask(&server, &api, &say(session), &format!("s{n}"))["id"].clone()).collect();
    let nobody = ask(&server, &api, &json!({"prompt": "How many days for refunds?", "agentId": agent, "sessionId": "two"}), "n")["id"].clone();
    let readable = || asked.iter().chain([&nobody]).map(|id| interaction(&server, &api, id)["prompt"].is_string()).collect::<Vec<_>>();

    assert_eq!(erase(&server, &api, &json!({"interactionId": asked[0]}))["result"]["interactions"], 1);
    assert_eq!(readable(), [false, true, true, true, true]);
    assert_eq!(erase(&server, &api, &json!({"sessionId": "two"}))["result"]["interactions"], 3);
    assert_eq!(readable(), [false, true, false, false, false]);
    // The log itself can't be read either: a rebuild of the views brings nothing back.
    assert_eq!(server.cli(&["projections", "rebuild", "interactions"])["differingRows"], 0);
    server.cli(&["projections", "switch", "interactions"]);
    assert_eq!(readable(), [false, true, false, false, false]);
    let feedback = json!({"interactionId": asked[0], "rating": "positive", "comment": "late"});
    assert_eq!(api.request(&server, "POST", "/api/interactions/feedback", Some(&feedback)).status(), 409);

    for bad in [json!({}), json!({"userId": "a", "sessionId": "b"})] {
        assert_eq!(api.request(&server, "POST", "/api/privacy/erasures", Some(&bad)).status(), 400);
    }
    let foreign = json!({"interactionId": "int_00000000000000000000000001"});
    assert_eq!(api.request(&server, "POST", "/api/privacy/erasures", Some(&foreign)).status(), 404);
    let stranger = server.organization("strangers");
    let job = erase(&server, &api, &json!({"userId": "nobody ever"}));
    assert_eq!(job["result"]["interactions"], 0);
    assert_eq!(stranger.request(&server, "GET", &format!("/api/privacy/erasures/{}", job["id"].as_str().unwrap()), None).status(), 404);
}

#[test]
fn an_erasure_goes_on_after_kill_9() {
    let (_folder, mut server, api) = start();
    let agent = agent(&server, &api, "extractive");
    for n in 0..20 {
        ask(&server, &api, &json!({"prompt": format!("{PROMPT}?"), "agentId": agent, "userId": USER}), &format!("k{n}"));
    }
    let job = api.ok(&server, "POST", "/api/privacy/erasures", Some(&json!({"userId": USER})), 202);
    server.restart();
    assert_eq!(ended(&server, &api, &job)["result"]["interactions"], 20);
    assert_eq!(holding(&server.folder, PROMPT), Vec::<String>::new());
}
