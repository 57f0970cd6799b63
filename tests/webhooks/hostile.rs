//! Targets that lead inside, that never end, or that are not who they say: each is refused or bounded.

use std::path::Path;

use serde_json::{Value, json};
use twig_tests::{Api, Server, eventually};

use crate::{agent, attempted, receiver::Receiver, register, start};

/// What a flood may add to the server's memory.
const MAX_GROWTH_KIB: u64 = 32 << 10;

#[test]
fn every_spelling_of_a_private_address_is_refused_at_creation() {
    let (_folder, server, api) = start(&[], &[]);
    for url in [
        "http://example.com/hook",
        "https://127.0.0.1/",
        "https://localhost/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::a00:1]/",
        "https://[fe80::1]/",
        "https://2130706433/",
        "https://017700000001/",
        "https://0177.0.0.1/",
        "https://0x7f000001/",
        "https://0x7f.1/",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://user:secret@example.com/",
        "file:///etc/passwd",
    ] {
        let response = api.request(&server, "POST", "/api/webhooks", Some(&json!({"url": url, "events": ["*"]})));
        let (status, body) = (response.status().as_u16(), response.json::<Value>().unwrap());
        assert_eq!((status, &body["error"]["details"]["fields"][0]["pointer"]), (400, &json!("/url")), "{url}: {body}");
    }
}

#[test]
fn a_redirect_to_a_private_address_is_a_failed_attempt() {
    let inside = Receiver::start(&["inside=healthy"], &[]);
    let outside = Receiver::start(&[format!("outside=redirecting:{}", inside.url("inside"))], &[]);
    let (_folder, server, api) = start(&[], &[]);
    let delivery = told(&server, &api, outside.url("outside"));
    assert_eq!((&delivery["status"], &delivery["attempts"][0]["status"]), (&json!("pending"), &json!(302)));
    assert_eq!(inside.seen()["inside"]["requests"], 0);
}

#[test]
fn of_ten_gibibytes_the_first_kibibyte_is_read() {
    let receiver = Receiver::start(&["huge=huge"], &[]);
    let (_folder, server, api) = start(&[], &[]);
    let before = resident_kib(&server);
    let delivery = told(&server, &api, receiver.url("huge"));
    assert_eq!((&delivery["status"], &delivery["attempts"][0]["status"]), (&json!("succeeded"), &json!(200)));
    assert_eq!(delivery["attempts"][0]["response"].as_str().unwrap().len(), 1024);
    let seen = eventually(|| Some(receiver.seen()["huge"].clone()).filter(|seen| seen["cutOff"] == 1));
    assert!(seen["written"].as_u64().unwrap() < 64 << 20, "{}", seen["written"]);
    let grown = resident_kib(&server).saturating_sub(before);
    assert!(grown < MAX_GROWTH_KIB, "{grown} KiB");
}

#[test]
fn an_answer_that_drips_takes_no_longer_than_its_time() {
    let receiver = Receiver::start(&["head=dripping-head", "body=dripping-body"], &[]);
    let (_folder, server, api) = start(&[], &[]);
    let [head, body] = ["head", "body"].map(|name| register(&server, &api, receiver.url(name), &["agent.created"]));
    agent(&server, &api, "a");
    // The status has come in time; of the text there is what came within two seconds.
    let attempt = attempted(&server, &api, &body)["attempts"][0].take();
    assert_eq!(attempt["status"], 200);
    assert!(attempt["response"].as_str().unwrap().len() < 100 && attempt["latencyMs"].as_u64().unwrap() < 10_000, "{attempt}");
    let attempt = attempted(&server, &api, &head)["attempts"][0].take();
    assert_eq!((&attempt["status"], &attempt["error"]), (&Value::Null, &json!("no answer within 15 s")));
    assert!((15_000..17_000).contains(&attempt["latencyMs"].as_u64().unwrap()), "{attempt}");
}

#[test]
fn a_certificate_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let [certificate, key] = certificate(folder.path());
    let receiver = Receiver::start(&["secure=secure"], &[("TWIG_RECEIVER_CERT", &certificate), ("TWIG_RECEIVER_KEY", &key)]);
    let allow = ["--webhook-allow-networks", "127.0.0.0/8"];
    let (_folder, server, api) = start(&allow, &[]);
    let attempt = told(&server, &api, receiver.url("secure"))["attempts"][0].take();
    assert_eq!((&attempt["status"], &attempt["error"]), (&Value::Null, &json!("no connection to 127.0.0.1 could be made")));
    let (_folder, server, api) = start(&allow, &[("SSL_CERT_FILE", &certificate)]);
    assert_eq!(told(&server, &api, receiver.url("secure"))["attempts"][0]["status"], 200);
}

#[test]
fn a_proxy_is_asked_for_a_tunnel_to_a_checked_address() {
    let folder = tempfile::tempdir().unwrap();
    let [certificate, key] = certificate(folder.path());
    let receiver = Receiver::start(&["secure=secure", "proxy=proxy"], &[("TWIG_RECEIVER_CERT", &certificate), ("TWIG_RECEIVER_KEY", &key)]);
    let target = receiver.url("secure").replace("127.0.0.1", "localhost");
    let address = receiver.url("secure").trim_start_matches("https://").trim_end_matches("/hook").to_owned();
    let proxy = receiver.url("proxy").replace("/hook", "").replace("http://", "http://us%65r:p%40ss@");
    let through = ["--webhook-proxy", &proxy, "--webhook-allow-networks", "127.0.0.0/8"];
    let (_folder, server, api) = start(&through, &[("SSL_CERT_FILE", &certificate)]);
    assert_eq!(told(&server, &api, &target)["attempts"][0]["status"], 200);
    let seen = receiver.seen();
    let asked = seen["proxy"]["messages"][0].as_str().unwrap();
    assert!(asked.starts_with(&format!("CONNECT {address} HTTP/1.1\r\n")), "by its address, not by its name: {asked}");
    assert!(asked.contains("Proxy-Authorization: Basic dXNlcjpwQHNz\r\n"), "{asked}");
    assert_eq!(seen["secure"]["different"], 1);
    // What may not be reached is refused here, before the proxy hears of it.
    let (_folder, server, api) = start(&["--webhook-proxy", &proxy], &[]);
    let response = api.request(&server, "POST", "/api/webhooks", Some(&json!({"url": target, "events": ["*"]})));
    assert_eq!(response.status(), 400);
    assert_eq!(receiver.seen()["proxy"]["requests"], 1);
}

/// Registers a webhook, lets something happen, and answers its delivery with its first attempt.
fn told(server: &Server, api: &Api, url: &str) -> Value {
    let webhook = register(server, api, url, &["agent.created"]);
    agent(server, api, "a");
    attempted(server, api, &webhook)
}

/// A certificate of its own for loopback, and its key, as PEM files.
fn certificate(folder: &Path) -> [String; 2] {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    [("certificate.pem", made.cert.pem()), ("key.pem", made.signing_key.serialize_pem())].map(|(name, text)| {
        std::fs::write(folder.join(name), text).unwrap();
        folder.join(name).to_str().unwrap().to_owned()
    })
}

fn resident_kib(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.process_id())).unwrap();
    status.lines().find_map(|line| line.strip_prefix("VmRSS:")).and_then(|rest| rest.trim().strip_suffix(" kB")?.parse().ok()).unwrap()
}
