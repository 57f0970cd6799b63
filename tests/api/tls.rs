//! TLS by flags, with the port that sends plain HTTP on to it.

use reqwest::{blocking::Client, redirect::Policy};
use serde_json::json;
use twig_tests::{Server, eventually};

#[test]
fn plain_http_is_sent_on_to_tls() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into(), "127.0.0.1".into()]).unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let flags = ["--tls-cert", cert.to_str().unwrap(), "--tls-key", key.to_str().unwrap(), "--redirect-listen", "127.0.0.1:0"];
    let server = Server::start(&folder.path().join("data"), &flags);
    let mut api = server.organization("secure");
    let certificate = reqwest::Certificate::from_pem(made.cert.pem().as_bytes()).unwrap();
    // Trusted by name: the certificate is checked.
    api.http = Client::builder().tls_certs_only([certificate]).redirect(Policy::none()).build().unwrap();

    assert!(server.url.starts_with("https://"), "{}", server.url);
    let answer = api.request(&server, "GET", "/api/agents", None);
    assert_eq!((answer.status().as_u16(), answer.headers()["strict-transport-security"].to_str().unwrap()), (200, "max-age=31536000"));
    let missing = api.request(&server, "GET", "/nowhere", None);
    assert_eq!(missing.status(), 404);
    assert!(missing.headers().contains_key("strict-transport-security"));
    assert_eq!(api.ok(&server, "POST", "/api/agents", Some(&json!({"name": "a"})), 201)["name"], "a");

    let printed = eventually(|| Some(server.printed()).filter(|text| text.contains("redirecting from ")));
    let plain = printed.lines().find_map(|line| line.strip_prefix("redirecting from ")).unwrap();
    for path in ["/api/agents?limit=3&offset=2", "/", "/healthz"] {
        let moved = api.http.get(format!("{plain}{path}")).send().unwrap();
        assert_eq!((moved.status().as_u16(), moved.headers()["location"].to_str().unwrap()), (301, format!("{}{path}", server.url).as_str()));
    }
}
