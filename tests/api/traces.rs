//! Traces as a collector gets them: OTLP over HTTP with JSON.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    sync::{Arc, Mutex},
    thread,
};

use serde_json::{Value, json};
use twig_tests::{Server, eventually};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

/// A collector's URL, and the spans it has.
fn collector() -> (String, Arc<Mutex<Vec<Value>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (url, spans) = (format!("http://{}", listener.local_addr().unwrap()), Arc::new(Mutex::new(Vec::new())));
    let got = spans.clone();
    thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            let got = got.clone();
            thread::spawn(move || {
                let mut reader = BufReader::new(connection.try_clone().unwrap());
                while let Some(body) = read(&mut reader) {
                    let resources = body["resourceSpans"].as_array().unwrap().clone();
                    let scopes = resources.iter().flat_map(|resource| resource["scopeSpans"].as_array().unwrap());
                    got.lock().unwrap().extend(scopes.flat_map(|scope| scope["spans"].as_array().unwrap()).cloned());
                    connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}").unwrap();
                }
            });
        }
    });
    (url, spans)
}

/// The body of the next request to the path of traces.
fn read(reader: &mut impl BufRead) -> Option<Value> {
    let (mut line, mut length) = (String::new(), 0);
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    assert!(line.starts_with("POST /v1/traces "), "{line}");
    while line.trim() != "" {
        line.clear();
        reader.read_line(&mut line).ok()?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(serde_json::from_slice(&body).unwrap())
}

#[test]
fn a_request_is_a_span_of_its_callers_trace_and_its_commands_are_spans_below_it() {
    let (url, spans) = collector();
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(&folder.path().join("data"), &["--otlp-endpoint", &url]);
    let api = server.organization("tests");
    let request = api.http.post(format!("{}/api/agents", server.url)).bearer_auth(&api.key).header("traceparent", format!("00-{TRACE}-{CALLER}-01"));
    assert_eq!(request.header("x-request-id", "mine").json(&json!({"name": "a"})).send().unwrap().status(), 201);
    assert_eq!(api.request(&server, "GET", "/api/agents", None).status(), 200);
    // The last ones come out when it ends.
    assert_eq!(server.stop(), 0);
    let named = |name: &str| eventually(|| spans.lock().unwrap().iter().find(|span| span["name"] == name).cloned());
    let (request, command, other) = (named("POST /api/agents"), named("command"), named("GET /api/agents"));
    assert_eq!((&request["traceId"], &request["parentSpanId"]), (&json!(TRACE), &json!(CALLER)), "{request}");
    assert_eq!((&command["traceId"], &command["parentSpanId"]), (&json!(TRACE), &request["spanId"]), "{command}");
    assert_ne!(other["traceId"], TRACE);
    let attribute = |name: &str| request["attributes"].as_array().unwrap().iter().find(|one| one["key"] == name).map(|one| one["value"].clone());
    assert_eq!(attribute("request_id"), Some(json!({"stringValue": "mine"})), "{request}");
    assert!(attribute("http.response.status_code").is_some_and(|value| value.to_string().contains("201")), "{request}");
}

#[test]
fn an_endpoint_that_is_none_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let out = twig_tests::twig(folder.path(), &["serve", "--otlp-endpoint", "nowhere"]);
    assert_eq!(out.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&out.stderr).contains("otlp_endpoint is not valid"), "{out:?}");
}
