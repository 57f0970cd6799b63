//! Bodies of every shape: each is taken whole or refused with every offence named, and none is ever an error of ours.

use proptest::{collection::vec, prelude::*, test_runner::TestRunner};
use serde_json::{Map, Value, json};
use twig_tests::{Api, Server};

use crate::start;

const CASES: u32 = 150;
const NAMES: [&str; 14] = [
    "name",
    "description",
    "status",
    "systemPrompt",
    "model",
    "temperature",
    "maxTokens",
    "ragStrategy",
    "topK",
    "minScore",
    "responseStyle",
    "dataSpecs",
    "dataSpecIds",
    "a~/b",
];

fn runner() -> TestRunner {
    TestRunner::new(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() })
}

fn send(server: &Server, api: &Api, path: &str, body: Vec<u8>) -> (u16, Value) {
    let url = format!("{}{path}", server.url);
    let answer = api.http.post(url).bearer_auth(&api.key).header("content-type", "application/json").body(body).send().unwrap();
    (answer.status().as_u16(), answer.json().unwrap())
}

fn any_value() -> impl Strategy<Value = Value> {
    let plain = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-3.0..3.0_f64).prop_map(Value::from),
        (0..60_u32).prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        prop_oneof![Just("active"), Just("redwood"), Just("concise"), Just("extractive")].prop_map(Value::from),
    ];
    plain.prop_recursive(3, 12, 3, |inner| {
        let members = vec((prop_oneof![Just("id".to_owned()), ".{0,4}"], inner.clone()), 0..3);
        prop_oneof![vec(inner, 0..3).prop_map(Value::from), members.prop_map(|members| Value::Object(members.into_iter().collect()))]
    })
}

/// A body of known and unknown members, mostly with a name.
fn any_body() -> impl Strategy<Value = Value> {
    vec((proptest::sample::select(&NAMES[..]), any_value()), 0..4).prop_flat_map(|members| {
        let members: Map<String, Value> = members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        any::<bool>().prop_map(move |named| {
            let mut members = members.clone();
            if named {
                members.insert("name".into(), "n".into());
            }
            Value::Object(members)
        })
    })
}

#[test]
fn an_object_is_taken_whole_or_its_offences_are_named() {
    let (_folder, server, api) = start();
    let check = |body: Value| {
        let (status, answer) = send(&server, &api, "/api/agents", body.to_string().into_bytes());
        if status == 201 {
            let mut sent = body.as_object().unwrap().clone();
            sent.remove("dataSpecIds");
            for (name, value) in sent.iter().filter(|(_, value)| value.is_string() || value.is_boolean()) {
                prop_assert_eq!(&answer["data"][name], value, "{}: {}", name, answer);
            }
            return Ok(());
        }
        prop_assert_eq!((status, &answer["status"]), (400, &json!("error")), "{}: {}", body, answer);
        let fields = answer["error"]["details"]["fields"].as_array().unwrap();
        prop_assert!(!fields.is_empty());
        for field in fields {
            let pointer = field["pointer"].as_str().unwrap();
            let missing = field["reason"] == "is required";
            prop_assert_eq!(body.pointer(pointer).is_some(), !missing, "{} in {}: {}", pointer, body, answer);
        }
        Ok(())
    };
    runner().run(&any_body(), check).unwrap();
}

#[test]
fn a_pattern_that_is_not_matched_is_told_in_words() {
    let (_folder, server, api) = start();
    let hook = |url: &str, header: &str| json!({"url": url, "events": ["*"], "headers": {header: "x"}, "status": "paused"});
    let source = |kind: &str, config: Value| json!({"name": "a", "type": kind, "config": config});
    for (path, body, pointer, words) in [
        ("/api/agents", json!({"name": "a", "model": " \u{2003}"}), "/model", "must not be blank"),
        ("/api/webhooks", hook("https://user@example.com/", "x-a"), "/url", "user name"),
        ("/api/webhooks", hook("https:///:secret@example.com/", "x-a"), "/url", "user name"),
        ("/api/webhooks", hook("http://example.com/", "x-a"), "/url", "loopback only"),
        ("/api/webhooks", hook("http://127.0.0.1@example.com/", "x-a"), "/url", "loopback only"),
        ("/api/webhooks", hook("https://8.8.8.8/", "Host"), "/headers/Host", "is reserved"),
        ("/api/webhooks", hook("https://8.8.8.8/", "webhook-ID"), "/headers/webhook-ID", "is reserved"),
        ("/api/webhooks", hook("https://8.8.8.8/", "a b"), "/headers/a b", "not the name of a header"),
        ("/api/data-specs", source("website", json!({"url": "https://user:secret@example.com/"})), "/config/url", "user name"),
        ("/api/data-specs", source("bucket", json!({"url": "s3://"})), "/config/url", "a bucket and a path"),
        ("/api/data-specs", source("bucket", json!({"url": "s3://bucket/path?versions"})), "/config/url", "nothing else"),
        ("/api/data-specs", source("bucket", json!({"url": "file://elsewhere/folder"})), "/config/url", "a bucket and a path"),
        ("/api/data-specs", source("bucket", json!({"url": "az://container"})), "/config/accessKeyId", "is required"),
        ("/api/data-specs", source("bucket", json!({"url": "s3://bucket", "accessKeyId": "a"})), "/config/secretAccessKey", "is required"),
    ] {
        let (status, answer) = send(&server, &api, path, body.to_string().into_bytes());
        let field = &answer["error"]["details"]["fields"][0];
        assert_eq!((status, &field["pointer"]), (400, &json!(pointer)), "{body}: {answer}");
        assert!(field["reason"].as_str().unwrap().contains(words), "{body}: {answer}");
    }
    for (path, body) in [
        ("/api/webhooks", hook("https://8.8.8.8:8443/a@b?c@d#e@f", "hosts")),
        ("/api/webhooks", hook("https:///8.8.8.8", "Authorization")),
        ("/api/data-specs", source("bucket", json!({"url": "s3://a.bucket_of-1/a/b", "endpoint": null}))),
        ("/api/data-specs", source("bucket", json!({"url": "az://container", "accessKeyId": "account", "secretAccessKey": "secret"}))),
    ] {
        let (status, answer) = send(&server, &api, path, body.to_string().into_bytes());
        assert_eq!(status, 201, "{body}: {answer}");
    }
}

#[test]
fn what_is_no_object_is_refused() {
    let (_folder, server, api) = start();
    let bytes = prop_oneof![
        vec(any::<u8>(), 0..64),
        "[{}\\[\\]\",:a0-9 ]{0,24}".prop_map(String::into_bytes),
        any_value().prop_map(|value| value.to_string().into_bytes())
    ];
    let check = |body: Vec<u8>| {
        let (status, answer) = send(&server, &api, "/api/agents", body.clone());
        // An agent needs a name, which none of these has.
        prop_assert_eq!((status, &answer["error"]["code"]), (400, &json!("invalid_request")), "{:?}: {}", body, answer);
        Ok(())
    };
    runner().run(&bytes, check).unwrap();
}
