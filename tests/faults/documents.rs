//! Documents that can't be had, in an upload and in a bucket: each is named, the rest is taken, and memory stays bounded.

use std::{
    fs,
    io::{Cursor, Write},
    path::Path,
    time::Duration,
};

use serde_json::{Value, json};
use twig_tests::{Api, Server};

use crate::start;

const BROKEN: [&str; 4] = ["bomb.zip", "corrupt.pdf", "empty.txt", "escape.zip"];
const BOMB_MIB: usize = 1024;
/// Of any one process of the server, those that read documents included: a third of what the bomb would take.
const MAX_MIB: u64 = 340;
/// What samples a peak that the kernel keeps need not be quick.
const SAMPLE_EVERY: Duration = Duration::from_millis(10);

fn zip(name: &str, mib: usize) -> Vec<u8> {
    let mut out = zip::ZipWriter::new(Cursor::new(Vec::new()));
    out.start_file(name, zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated)).unwrap();
    for _ in 0..mib {
        out.write_all(&[b'0'; 1 << 20]).unwrap();
    }
    out.finish().unwrap().into_inner()
}

fn files() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("corrupt.pdf", b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog garbage".to_vec()),
        ("empty.txt", Vec::new()),
        ("bomb.zip", zip("bomb.txt", BOMB_MIB)),
        ("escape.zip", zip("../../escaped.txt", 1)),
        ("good.md", b"The lantern festival is in Umberville.".to_vec()),
    ]
}

/// The most that a process has ever held, in MiB (`VmHWM` of proc(5)), with its parent; `None` when it is gone.
fn peak_mib(process: &str) -> Option<(u64, u32)> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let value = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse::<u64>().ok());
    Some((value("VmHWM:")? / 1024, u32::try_from(value("PPid:")?).unwrap()))
}

/// The highest peak of the server and of the processes that it has started.
fn highest_mib(server: u32) -> u64 {
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|process| process.file_name().into_string().unwrap());
    let own = processes.filter_map(|id| peak_mib(&id).filter(|(_, parent)| *parent == server || id == server.to_string()));
    own.map(|(peak, _)| peak).max().unwrap_or(0)
}

/// Processes the data spec and checks that exactly these documents are named.
fn run(server: &Server, api: &Api, spec: &str, broken: &[&str]) {
    let mut peak = 0;
    let run = std::thread::scope(|scope| {
        let run = scope.spawn(|| api.ended(server, spec, &api.process(server, spec)));
        while !run.is_finished() {
            peak = peak.max(highest_mib(server.process_id()));
            std::thread::sleep(SAMPLE_EVERY);
        }
        run.join().unwrap()
    });
    assert_eq!(run["status"], "succeeded", "{run}");
    let file = |error: &Value| {
        let url = error["documentUrl"].as_str().unwrap();
        assert!(["fetch", "parse", "chunk", "embed", "index"].contains(&error["stage"].as_str().unwrap()), "{error}");
        assert!(!error["message"].as_str().unwrap().is_empty(), "{error}");
        broken.iter().find(|name| url.contains(*name)).unwrap_or_else(|| panic!("{error}")).to_string()
    };
    let mut named: Vec<String> = run["errors"].as_array().unwrap().iter().map(file).collect();
    named.sort();
    named.dedup();
    assert_eq!(named, broken, "{run}");
    assert!((1..MAX_MIB).contains(&peak), "{peak} MiB were held");
    let body = json!({"query": "lantern festival", "dataSpecIds": [spec]});
    let found = api.ok(server, "POST", "/api/semantic-search", Some(&body), 200);
    assert!(found["results"][0]["content"].as_str().unwrap().contains("Umberville"), "{found}");
}

fn nothing_escaped(server: &Server) {
    for folder in server.folder.ancestors().take(4) {
        assert!(!folder.join("escaped.txt").exists(), "{}", folder.display());
    }
}

#[test]
fn broken_uploads_are_named_and_the_rest_is_taken() {
    let (_folder, server, api) = start(&[]);
    let spec = api.ok(&server, "POST", "/api/data-specs", Some(&json!({"name": "s", "type": "file"})), 201)["id"].as_str().unwrap().to_owned();
    assert_eq!(api.upload(&server, &spec, &files()).status(), 201);
    assert_eq!(api.upload(&server, &spec, &[("huge.txt", vec![b'x'; 60 << 20])]).status(), 413);
    run(&server, &api, &spec, &BROKEN);
    nothing_escaped(&server);
}

#[test]
fn broken_files_of_a_folder_are_named_with_the_one_that_is_too_large() {
    let (folder, mut server, api) = start(&[]);
    let bucket = folder.path().join("bucket");
    fs::create_dir(&bucket).unwrap();
    let put = |name: &str, bytes: &[u8]| fs::write(Path::new(&bucket).join(name), bytes).unwrap();
    files().iter().for_each(|(name, bytes)| put(name, bytes));
    put("huge.txt", &vec![b'x'; 60 << 20]);
    fs::write(server.folder.join("twig.toml"), format!("bucket_roots = [{:?}]\n", folder.path())).unwrap();
    server.restart();
    let config = json!({"url": format!("file://{}", bucket.display())});
    let spec = api.ok(&server, "POST", "/api/data-specs", Some(&json!({"name": "s", "type": "bucket", "config": config})), 201);
    run(&server, &api, spec["id"].as_str().unwrap(), &["bomb.zip", "corrupt.pdf", "empty.txt", "escape.zip", "huge.txt"]);
    nothing_escaped(&server);
}
