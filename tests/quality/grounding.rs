//! An answer of a language model is held against its sources: how far it keeps to them is marked, and an agent may refuse what does not.

use serde_json::{Value, json};
use twig_tests::{Api, Server, model::Model, stream::events};

use crate::{agent, ingested, start};

const TEXT: &str = "Refunds are granted within thirty days of purchase. The money goes back to the card that was charged.";
const QUESTION: &str = "Within how many days are refunds granted?";
const SUPPORTED: &str = "Refunds are granted within thirty days of purchase [1].";
const HALF: &str = "Refunds are granted within thirty days of purchase [1]. Shipping elephants costs nothing on alternate Tuesdays.";
const OTHER_FIGURE: &str = "Refunds are granted within 90 days of purchase [1].";
const FALLBACK: &str = "I would rather not say.";

fn ask(server: &Server, api: &Api, agent: &str) -> Value {
    api.ok(server, "POST", "/api/chat", Some(&json!({"prompt": QUESTION, "agentId": agent})), 200)
}

fn recorded(server: &Server, api: &Api, answer: &Value) -> Value {
    api.ok(server, "GET", &format!("/api/interactions/{}?include=provenance", answer["id"].as_str().unwrap()), None, 200)
}

#[test]
fn an_answer_is_marked_with_the_share_of_its_sentences_that_the_sources_support() {
    let model = Model::start();
    let (_alone, server, api) = start(&["--model-base-url", &model.url, "--embeddings", "static"]);
    let spec = ingested(&server, &api, &[("refunds.txt".to_owned(), TEXT.as_bytes().to_vec())]);
    let agent = agent(&server, &api, json!({"name": "marked", "model": "scripted", "dataSpecIds": [spec]}));
    for (said, grounding) in [(SUPPORTED, 1.0), (HALF, 0.5), (OTHER_FIGURE, 0.0)] {
        model.say(said);
        let answer = ask(&server, &api, &agent);
        assert_eq!((&answer["answered"], &answer["response"], &answer["grounding"]), (&json!(true), &json!(said), &json!(grounding)));
        assert_eq!(recorded(&server, &api, &answer)["grounding"], grounding);
    }
}

#[test]
fn an_agent_set_to_refuses_what_its_sources_do_not_support_before_anybody_reads_it() {
    let model = Model::start();
    let (_alone, server, api) = start(&["--model-base-url", &model.url, "--embeddings", "static"]);
    let spec = ingested(&server, &api, &[("refunds.txt".to_owned(), TEXT.as_bytes().to_vec())]);
    let settings = json!({"name": "strict", "model": "scripted", "dataSpecIds": [spec], "minGrounding": 0.8, "fallbackMessage": FALLBACK});
    let agent = agent(&server, &api, settings);
    model.say(SUPPORTED);
    let answer = ask(&server, &api, &agent);
    assert_eq!((&answer["answered"], &answer["response"], &answer["grounding"]), (&json!(true), &json!(SUPPORTED), &json!(1.0)));
    assert_eq!(answer["sources"][0]["documentUrl"], "refunds.txt");

    for (said, grounding) in [(HALF, 0.5), (OTHER_FIGURE, 0.0)] {
        model.say(said);
        let answer = ask(&server, &api, &agent);
        assert_eq!((&answer["answered"], &answer["response"], &answer["sources"]), (&json!(false), &json!(FALLBACK), &json!([])));
        let recorded = recorded(&server, &api, &answer);
        assert_eq!((&recorded["answered"], &recorded["grounding"]), (&json!(false), &json!(grounding)));
        let steps = recorded["provenance"]["steps"].as_array().unwrap();
        let ground = &steps.iter().find(|step| step["name"] == "ground").unwrap()["detail"];
        assert_eq!(*ground, json!({"grounding": grounding, "least": 0.8, "refused": true}));
    }

    // Nor does the stream show a word of it.
    let body = json!({"prompt": QUESTION, "agentId": agent, "stream": true});
    let streamed: Vec<_> = events(api.request(&server, "POST", "/api/chat", Some(&body))).collect();
    let text: String = streamed.iter().filter(|event| event.name == "message.delta").map(|event| event.data["text"].as_str().unwrap()).collect();
    assert_eq!((text.as_str(), &streamed.last().unwrap().data["answered"]), (FALLBACK, &json!(false)));
}
