//! What goes wrong: kills at random moments, kills in each stage of a run, broken documents, damaged views.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::BTreeSet,
    io::Write,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use twig_tests::{Api, Server, eventually};

fn start(arguments: &[&str]) -> (tempfile::TempDir, Server, Api) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), arguments);
    let api = server.organization("faults");
    (folder, server, api)
}

/// Kills of one run; each comes after another wait, so that every part of a write is met sooner or later.
const KILLS: u64 = 25;

#[test]
fn a_kill_at_any_moment_loses_no_acknowledged_write() {
    let (_folder, mut server, api) = start(&[]);
    let acknowledged = Arc::new(Mutex::new(BTreeSet::new()));
    for kill in 0..KILLS {
        let done = Arc::new(AtomicBool::new(false));
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let (api, url, done, acknowledged) = (api.clone(), server.url.clone(), done.clone(), acknowledged.clone());
                std::thread::spawn(move || {
                    for n in 0.. {
                        if done.load(Ordering::SeqCst) {
                            return;
                        }
                        let sent =
                            api.http.post(format!("{url}/api/agents")).bearer_auth(&api.key).json(&json!({"name": format!("{kill}-{writer}-{n}")})).send();
                        let Ok(answer) = sent else { return };
                        if answer.status() == 201
                            && let Ok(body) = answer.json::<Value>()
                        {
                            acknowledged.lock().unwrap().insert(body["data"]["id"].as_str().unwrap().to_owned());
                        }
                    }
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(40 + kill * 37 % 190));
        server.kill();
        done.store(true, Ordering::SeqCst);
        for writer in writers {
            writer.join().unwrap();
        }
        server.restart();
    }
    let mut seen = BTreeSet::new();
    let mut cursor = String::new();
    loop {
        let page: Value = api.request(&server, "GET", &format!("/api/agents?limit=200{cursor}"), None).json().unwrap();
        seen.extend(page["data"].as_array().unwrap().iter().map(|agent| agent["id"].as_str().unwrap().to_owned()));
        match page["pagination"]["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let acknowledged = acknowledged.lock().unwrap();
    assert!(acknowledged.len() > 100, "there was load: {}", acknowledged.len());
    let lost: Vec<_> = acknowledged.difference(&seen).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    assert_eq!(server.cli(&["projections", "rebuild", "agents"])["differingRows"], 0);
}

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

#[test]
fn broken_documents_are_named_and_the_rest_is_taken() {
    let (_folder, server, api) = start(&[]);
    let zip = |name: &str, size: usize| {
        let mut out = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        out.start_file(name, zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated)).unwrap();
        for _ in 0..size {
            out.write_all(&[b'0'; 1 << 20]).unwrap();
        }
        out.finish().unwrap().into_inner()
    };
    let spec = api.ok(&server, "POST", "/api/data-specs", Some(&json!({"name": "s", "type": "file"})), 201)["id"].as_str().unwrap().to_owned();
    let files = [
        ("corrupt.pdf", b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog garbage".to_vec()),
        ("empty.txt", Vec::new()),
        ("bomb.zip", zip("bomb.txt", 200)),
        ("escape.zip", zip("../../escaped.txt", 1)),
        ("good.md", b"The lantern festival is in Umberville.".to_vec()),
    ];
    assert_eq!(api.upload(&server, &spec, &files).status(), 201);
    assert_eq!(api.upload(&server, &spec, &[("huge.txt", vec![b'x'; 60 << 20])]).status(), 413);
    let run = api.process(&server, &spec);
    let run = api.ended(&server, &spec, &run);
    assert_eq!(run["status"], "succeeded", "{run}");
    let named: Vec<&str> = run["errors"].as_array().unwrap().iter().map(|error| error["documentUrl"].as_str().unwrap()).collect();
    for file in ["corrupt.pdf", "empty.txt", "bomb.zip", "escape.zip"] {
        assert!(named.iter().any(|url| url.starts_with(file)), "{file} is named: {named:?}");
    }
    let found = api.ok(&server, "POST", "/api/semantic-search", Some(&json!({"query": "lantern festival"})), 200);
    assert!(found["results"][0]["content"].as_str().unwrap().contains("Umberville"));
    assert!(!server.folder.join("../../escaped.txt").exists());
}

#[test]
fn damaged_views_are_made_again_from_the_log() {
    let (_folder, mut server, api) = start(&[]);
    let agent = api.ok(&server, "POST", "/api/agents", Some(&json!({"name": "kept"})), 201);
    assert_eq!(server.stop(), 0);
    for end in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(server.folder.join(format!("views.db{end}")));
    }
    std::fs::write(server.folder.join("views.db"), b"this is no database, whatever its name says, and it is long enough to be looked at").unwrap();
    server.restart();
    assert_eq!(api.ok(&server, "GET", &format!("/api/agents/{}", agent["id"].as_str().unwrap()), None, 200)["name"], "kept");
}
