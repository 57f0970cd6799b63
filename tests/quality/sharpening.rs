//! The static model at once, the transformer in the background: how soon, what a death in between leaves, and what it costs requests.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use twig_tests::{Api, Server, eventually};

use crate::{ingested, model_of, on_model, search, start};

const DOCUMENTS: usize = 1_000;
/// Words of a document: about one passage.
const WORDS: usize = 120;
/// Searchable within this share of the time that the transformer takes.
const STATIC_SHARE: f64 = 0.1;
/// What a request may take while the transformer works, beside what it takes without.
const BUSY_SHARE: f64 = 1.5;
const REQUESTS: usize = 100;

/// Documents that differ, of ordinary words.
fn documents(from: usize, count: usize) -> Vec<(String, Vec<u8>)> {
    const SUBJECTS: [&str; 12] =
        ["boiler", "library", "ferry", "orchard", "museum", "printer", "garden", "archive", "kitchen", "tunnel", "market", "observatory"];
    const VERBS: [&str; 8] = ["opens", "repairs", "stores", "counts", "cleans", "paints", "measures", "delivers"];
    const THINGS: [&str; 10] = ["lamps", "tickets", "ladders", "letters", "apples", "engines", "maps", "bottles", "windows", "chairs"];
    let sentence = |n: usize, k: usize| {
        let at = n * 31 + k * 17;
        format!(
            "The {} of district {n} {} {} {} on day {} before noon. ",
            SUBJECTS[at % SUBJECTS.len()],
            VERBS[(at / 3) % VERBS.len()],
            at % 97,
            THINGS[(at / 7) % THINGS.len()],
            k + 1
        )
    };
    (from..from + count).map(|n| (format!("d{n}.txt"), (0..WORDS / 13).map(|k| sentence(n, k)).collect::<String>().into_bytes())).collect()
}

/// One archive, whose members are documents of their own.
fn archive(documents: &[(String, Vec<u8>)]) -> Vec<u8> {
    use std::io::Write;
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in documents {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn begin(server: &Server, api: &Api, documents: &[(String, Vec<u8>)]) -> String {
    let spec = api.ok(server, "POST", "/api/data-specs", Some(&json!({"name": "many", "type": "file"})), 201)["id"].as_str().unwrap().to_owned();
    assert_eq!(api.upload(server, &spec, &[("many.zip", archive(documents))]).status(), 201);
    spec
}

fn progress(server: &Server, api: &Api, spec: &str) -> u64 {
    model_of(server, api, spec)["next"]["done"].as_u64().unwrap_or(0)
}

/// Waits as long as progress is made.
fn sharpened(server: &Server, api: &Api, spec: &str) {
    while model_of(server, api, spec)["model"] != "minilm" {
        let before = progress(server, api, spec);
        eventually(|| (progress(server, api, spec) > before || model_of(server, api, spec)["model"] == "minilm").then_some(()));
    }
}

#[test]
fn a_thousand_documents_are_searchable_in_a_tenth_of_the_transformers_time() {
    let (_alone, server, api) = start(&[]);
    let spec = begin(&server, &api, &documents(0, DOCUMENTS));
    let started = Instant::now();
    let run = api.process(&server, &spec);
    assert_eq!(api.ended(&server, &spec, &run)["documents"]["added"], DOCUMENTS);
    let searchable = started.elapsed();
    let embedding = model_of(&server, &api, &spec);
    assert_eq!((&embedding["model"], &embedding["next"]["model"]), (&json!("static"), &json!("minilm")));
    assert!(!search(&server, &api, &spec, "Who repairs the lamps of district 77?").is_empty());
    // The rate over a hundred passages tells the whole time without waiting for it.
    let (from, at) = eventually(|| Some(progress(&server, &api, &spec)).filter(|&done| done > 0).map(|done| (done, Instant::now())));
    let done = eventually(|| Some(progress(&server, &api, &spec)).filter(|&done| done >= from + 96)) - from;
    let whole = searchable.as_secs_f64() + at.elapsed().as_secs_f64() * DOCUMENTS as f64 / done as f64;
    println!("{DOCUMENTS} documents: searchable after {:.1} s on the static model, {whole:.1} s with the transformer", searchable.as_secs_f64());
    assert!(searchable.as_secs_f64() <= STATIC_SHARE * whole, "{searchable:?} of {whole:.1} s");
}

#[test]
fn a_kill_in_the_midst_of_the_background_job_ends_in_the_same_index() {
    let (_alone, mut server, api) = start(&[]);
    let files = documents(5_000, 80);
    let query = "Which museum counts bottles on day 3?";
    let found = |server: &Server, spec: &str| -> Vec<(Value, Value, Value)> {
        search(server, &api, spec, query).iter().map(|hit| (hit["content"].clone(), hit["score"].clone(), hit["scores"].clone())).collect()
    };
    let undisturbed = begin(&server, &api, &files);
    let run = api.process(&server, &undisturbed);
    assert_eq!(api.ended(&server, &undisturbed, &run)["status"], "succeeded");
    sharpened(&server, &api, &undisturbed);
    let expected = found(&server, &undisturbed);
    // Other words, so that no vector is known from before.
    let fresh = documents(9_000, 80);
    let killed = begin(&server, &api, &fresh);
    let run = api.process(&server, &killed);
    assert_eq!(api.ended(&server, &killed, &run)["status"], "succeeded");
    let mut kills = 0;
    while model_of(&server, &api, &killed)["model"] != "minilm" {
        let before = progress(&server, &api, &killed);
        eventually(|| (progress(&server, &api, &killed) >= before + 16 || model_of(&server, &api, &killed)["model"] == "minilm").then_some(()));
        if model_of(&server, &api, &killed)["model"] != "minilm" && kills < 3 {
            server.restart();
            kills += 1;
        }
    }
    assert!(kills > 0, "the job was never caught in its midst");
    assert_eq!(found(&server, &undisturbed), expected, "an index that was done stays as it is");
    // The same documents by a run that nothing disturbs.
    let again = begin(&server, &api, &fresh);
    let run = api.process(&server, &again);
    assert_eq!(api.ended(&server, &again, &run)["status"], "succeeded");
    on_model(&server, &api, &again, "minilm");
    assert_eq!(found(&server, &killed), found(&server, &again));
    println!("killed {kills} times in the midst; the index is the same");
}

#[test]
fn requests_hardly_notice_the_background_job() {
    let (_alone, server, api) = start(&[]);
    let small = ingested(&server, &api, &documents(20_000, 30));
    sharpened(&server, &api, &small);
    // Each question is new, so that none is remembered.
    let times = |what: usize| -> Vec<Duration> {
        let ask = |n: usize| {
            let started = Instant::now();
            assert!(!search(&server, &api, &small, &format!("Which orchard {what} stores {n} letters on day {}?", n % 9)).is_empty());
            started.elapsed()
        };
        let mut times: Vec<Duration> = (0..REQUESTS).map(ask).collect();
        times.sort();
        times
    };
    times(0);
    let without = times(1);
    let large = begin(&server, &api, &documents(30_000, 400));
    let run = api.process(&server, &large);
    assert_eq!(api.ended(&server, &large, &run)["status"], "succeeded");
    eventually(|| (progress(&server, &api, &large) > 0).then_some(()));
    let busy = times(2);
    assert_eq!(model_of(&server, &api, &large)["model"], "static", "the job was over before the requests were");
    let p95 = |times: &[Duration]| times[times.len() * 95 / 100].as_secs_f64() * 1e3;
    println!(
        "p95 of a search: {:.1} ms while the transformer works, {:.1} ms without; p50 {:?} and {:?}",
        p95(&busy),
        p95(&without),
        busy[REQUESTS / 2],
        without[REQUESTS / 2]
    );
    assert!(p95(&busy) <= BUSY_SHARE * p95(&without), "{:.1} ms beside {:.1} ms", p95(&busy), p95(&without));
}
