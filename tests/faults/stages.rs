//! A run whose worker is killed in each of its stages.

use serde_json::json;
use twig_tests::{Server, eventually};

use crate::start;

#[test]
fn a_run_killed_in_any_stage_ends_in_the_same_index() {
    let (_folder, mut server, api) = start(&[]);
    let make = |server: &Server| {
        let spec = api.ok(server, "POST", "/api/data-specs", Some(&json!({"name": "s", "type": "file"})), 201)["id"].as_str().unwrap().to_owned();
        let files = [("a.md", b"# One\n\nThe first text.".to_vec()), ("b.txt", b"The second text.".to_vec())];
        assert_eq!(api.upload(server, &spec, &files).status(), 201);
        spec
    };
    let found = |server: &Server, spec: &str| {
        let body = json!({"query": "text", "dataSpecIds": [spec]});
        let mut contents: Vec<String> =
            api.ok(server, "POST", "/api/semantic-search", Some(&body), 200)["results"].as_array().unwrap().iter().map(|r| r["content"].to_string()).collect();
        contents.sort();
        contents
    };
    let undisturbed = make(&server);
    let run = api.process(&server, &undisturbed);
    assert_eq!(api.ended(&server, &undisturbed, &run)["status"], "succeeded");
    let expected = found(&server, &undisturbed);
    assert_eq!(expected.len(), 2);
    for stage in ["fetch", "parse", "chunk", "embed", "index"] {
        // The flag is a variable's twin; the file carries it here.
        std::fs::write(server.folder.join("twig.toml"), format!("dev = true\ndev_stall_stage = \"{stage}\"\n")).unwrap();
        server.restart();
        let spec = make(&server);
        let run = api.process(&server, &spec);
        eventually(|| {
            let run = api.ok(&server, "GET", &format!("/api/data-specs/{spec}/runs/{run}"), None, 200);
            (run["status"] == "running" && !run["heartbeatAt"].is_null()).then_some(())
        });
        std::fs::remove_file(server.folder.join("twig.toml")).unwrap();
        server.restart();
        assert_eq!(api.ended(&server, &spec, &run)["status"], "succeeded", "killed in {stage}");
        assert_eq!(found(&server, &spec), expected, "killed in {stage}");
    }
}
