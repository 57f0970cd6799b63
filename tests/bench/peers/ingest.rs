//! A folder of documents until they can be searched: by the product, by LangChain's loaders, and the bytes alone.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use serde_json::{Value, json};
use twig_bench::{
    figures::Unit,
    rounds::{Contender, Measured, Row},
};

use crate::{
    Bench,
    documents::Documents,
    http::Connection,
    twig::{Twig, python, script},
};

const DOCUMENTS: usize = 1000;
const BOUNDARY: &str = "twig-bench-boundary";
const MODEL: &str = "../../knowledge/retrieval/models/static-en";

pub fn row(bench: &Bench) -> Option<Row> {
    let folder = bench.folder.join("ingest");
    let bytes = Documents::new(0).write(&folder.join("sample"), DOCUMENTS);
    let workload = format!(
        "{DOCUMENTS} documents of {} kB together, new ones in each pass: Markdown 250, HTML 200, text 150, CSV 100, JSON 100, DOCX 100, PDF 100; from the folder until \
         each is cut and has its vectors. Ours also stores them, synced, and can be searched.",
        bytes / 1000
    );
    let mut row = Row::new("ingest", "Ingest", Unit::PerSecond, workload).with(twig(bench, &folder)?);
    match langchain(&folder) {
        Some(contender) => row = row.with(contender).at_least(10.0, "twig", "LangChain"),
        None => println!("  SKIPPED LangChain: it did not start"),
    }
    Some(row.with(bytes_alone(&folder)))
}

/// A new folder for each pass.
struct Folders {
    documents: Documents,
    place: PathBuf,
    passes: usize,
}

impl Folders {
    fn of(folder: &Path, name: &str, seed: u64) -> Self {
        Self { documents: Documents::new(seed), place: folder.join(name), passes: 0 }
    }

    fn next(&mut self) -> PathBuf {
        let last = self.place.join(self.passes.to_string());
        if last.exists() {
            fs::remove_dir_all(last).unwrap();
        }
        self.passes += 1;
        let folder = self.place.join(self.passes.to_string());
        self.documents.write(&folder, DOCUMENTS);
        folder
    }
}

fn measured(seconds: f64) -> Measured {
    Measured::Rate { operations: DOCUMENTS as u64, seconds }
}

fn twig(bench: &Bench, folder: &Path) -> Option<Contender> {
    let twig = Twig::start(&bench.folder.join("twig-ingest"), &[], &["--embeddings", "static"])?;
    let (runtime, mut folders) = (bench.runtime.handle().clone(), Folders::of(folder, "twig", 1));
    let settings = "`twig serve`, embedded: one upload of all files, then `process`; risky formats are read in a process of their own; static embeddings";
    Some(Contender::new("twig", settings, move || {
        let folder = folders.next();
        let spec = twig.call("POST", "/api/data-specs", Some(&json!({ "name": format!("pass {}", folders.passes), "type": "file" })));
        let spec = spec["id"].as_str().unwrap().to_owned();
        let started = Instant::now();
        let request = upload(&twig, &spec, &folder);
        let status = runtime.block_on(async { Connection::open(&twig.server.url).await.send(&request).await.status });
        assert_eq!(status, 201, "uploaded");
        let run = twig.run(&spec);
        let seconds = started.elapsed().as_secs_f64();
        assert_eq!(run["documents"]["added"], DOCUMENTS, "every document was read: {run}");
        for number in [1, DOCUMENTS / 2, DOCUMENTS] {
            let marker = format!("marker{}", folders.passes.saturating_sub(1) * DOCUMENTS + number);
            let found = twig.call("POST", "/api/semantic-search", Some(&json!({ "query": marker, "dataSpecIds": [spec], "mode": "keyword" })));
            assert!(found.to_string().contains(&marker), "{marker} is found: {found}");
        }
        measured(seconds)
    }))
}

/// All files as one form.
fn upload(twig: &Twig, spec: &str, folder: &Path) -> Vec<u8> {
    let mut body = Vec::new();
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        write!(body, "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n").unwrap();
        body.extend(fs::read(&file).unwrap());
        body.extend(b"\r\n");
    }
    write!(body, "--{BOUNDARY}--\r\n").unwrap();
    let (host, key) = (twig.server.url.trim_start_matches("http://"), &twig.key);
    let mut request = format!(
        "POST /api/data-specs/{spec}/files HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\ncontent-type: multipart/form-data; boundary={BOUNDARY}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend(body);
    request
}

/// A Python process that keeps its model.
fn langchain(folder: &Path) -> Option<Contender> {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join(MODEL);
    let mut peer = Command::new(python()?);
    let mut child = peer.arg(script("ingest.py")).arg(model).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
    let (mut orders, mut answers) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()).lines());
    if answers.next()?.ok()? != "ready" {
        return None;
    }
    let mut folders = Folders::of(folder, "langchain", 2);
    let settings = "Text, BSHTML (lxml), CSV, JSON, Docx2txt and PyPDF loaders, `RecursiveCharacterTextSplitter` of 2,000 characters, model2vec on the same model; nothing is stored";
    Some(Contender::new("LangChain", settings, move || {
        writeln!(orders, "{}", folders.next().display()).unwrap();
        let answer: Value = serde_json::from_str(&answers.next().unwrap().unwrap()).unwrap();
        assert_eq!(answer["found"], DOCUMENTS, "every document was read: {answer}");
        assert_eq!(answer["chunks"], answer["vectors"], "a vector for each chunk");
        measured(answer["seconds"].as_f64().unwrap())
    }))
}

fn bytes_alone(folder: &Path) -> Contender {
    let mut folders = Folders::of(folder, "bytes", 3);
    Contender::new("reading the bytes", "every file once, out of the page cache", move || {
        let folder = folders.next();
        let started = Instant::now();
        let read = fs::read_dir(folder).unwrap().filter(|file| !fs::read(file.as_ref().unwrap().path()).unwrap().is_empty()).count();
        assert_eq!(read, DOCUMENTS, "every document was read");
        measured(started.elapsed().as_secs_f64())
    })
}
