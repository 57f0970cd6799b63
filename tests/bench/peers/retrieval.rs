//! Retrieval: a hybrid search within one of five tenants, by the product's own index, by Python's usual ones, and one pass over the vectors.

use std::{
    cell::Cell,
    collections::{HashMap, HashSet},
    fs,
    hint::black_box,
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
    sync::Arc,
    time::Instant,
};

use rand::{Rng, SeedableRng, rngs::SmallRng, seq::IndexedRandom};
use serde_json::{Value, json};
use twig_bench::{
    figures::{Bound, Unit},
    rounds::{Contender, Measured, Row},
    statistics::median,
};
use twig_retrieval::{BuiltIn, Mode, Passage, Query, SpecIndex, embedding_texts, search};

use crate::{
    Bench,
    twig::{python, script},
};

const CHUNKS: usize = 50_000;
const TENANTS: usize = 5;
const WORDS_A_CHUNK: usize = 90;
const WORDS_A_QUERY: usize = 6;
const QUERIES: usize = 100;
const HITS: usize = 10;

pub struct Corpus {
    pub passages: Vec<Passage>,
    pub vectors: Vec<Vec<f32>>,
    pub queries: Vec<(String, Vec<f32>)>,
}

impl Corpus {
    /// Chunks of the words of this repository's own pages, as often as they stand there; queries are words of a chunk.
    pub fn of(chunks: usize) -> Self {
        let mut random = SmallRng::seed_from_u64(9);
        let words = words();
        let passages: Vec<Passage> = (0..chunks)
            .map(|number| {
                let text: Vec<&str> = (0..WORDS_A_CHUNK).map(|_| words.choose(&mut random).unwrap().as_str()).collect();
                Passage {
                    chunk_id: number.to_string(),
                    document_id: (number / 10).to_string(),
                    title: String::new(),
                    text: text.join(" "),
                    ..Passage::default()
                }
            })
            .collect();
        let vectors = BuiltIn::Static.embed_passages(&embedding_texts("static", &passages));
        let queries = (0..QUERIES).map(|_| {
            let text = &passages.choose(&mut random).unwrap().text;
            let all: Vec<&str> = text.split(' ').collect();
            let from = random.random_range(0..all.len() - WORDS_A_QUERY);
            let query = all[from..from + WORDS_A_QUERY].join(" ");
            let vector = BuiltIn::Static.embed_query(&query);
            (query, vector)
        });
        let queries = queries.collect();
        Self { passages, vectors, queries }
    }

    /// The chunks of one tenant.
    fn of_tenant(&self, tenant: usize) -> impl Iterator<Item = usize> + Clone + use<> {
        (tenant..self.passages.len()).step_by(TENANTS)
    }

    pub fn index(&self, numbers: impl Iterator<Item = usize> + Clone) -> Arc<SpecIndex> {
        let passages = numbers.clone().map(|number| self.passages[number].clone()).collect();
        Arc::new(SpecIndex::build("static", passages, numbers.map(|number| self.vectors[number].clone()).collect()))
    }
}

/// Every word of the repository's pages, as often as it is there.
pub fn words() -> Vec<String> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folders = ["docs", "docs/adr", "sdks/python", "sdks/typescript", "tests/quality"];
    let files = folders.iter().filter_map(|folder| fs::read_dir(root.join(folder)).ok()).flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<_> = files.filter(|file| file.extension().is_some_and(|ending| ending == "md")).chain([root.join("README.md")]).collect();
    files.sort();
    let texts = files.iter().map(|file| fs::read_to_string(file).unwrap_or_default());
    let texts: Vec<String> = texts.collect();
    texts.iter().flat_map(|text| text.split(|c: char| !c.is_alphabetic())).filter(|word| word.len() > 1).map(str::to_lowercase).collect()
}

pub fn row(bench: &Bench) -> Option<Row> {
    let corpus = Arc::new(Corpus::of(CHUNKS));
    let workload = format!(
        "{CHUNKS} chunks of {WORDS_A_CHUNK} words in {TENANTS} tenants; a query of {WORDS_A_QUERY} words sees one tenant's chunks, by keywords and by the same {}-dimensional vectors, best {HITS}.",
        BuiltIn::Static.dimension()
    );
    let mut row = Row::new("retrieval", "Retrieval", Unit::Seconds, workload).with(twig(bench, &corpus));
    let recall = recall(&corpus);
    if let Some(python) = python() {
        write_corpus(bench, &corpus);
        for (name, kind, settings, factor) in [
            ("rank-bm25", "rank_bm25", "`BM25Okapi.get_batch_scores` of the tenant's chunks; keywords only", 200.0),
            ("bm25s", "bm25s", "`retrieve` with a mask of the tenant's chunks, numba; keywords only", 1.0),
            ("LanceDB", "lancedb", "`query_type=\"hybrid\"`, full-text index, prefilter on the tenant, RRF", 5.0),
        ] {
            match peer(bench, &python, name, kind, settings) {
                Some(contender) => row = row.with(contender).at_most(1.0 / factor, "twig", name),
                None => println!("  SKIPPED {name}: it did not start"),
            }
        }
    }
    row = row.with(int8_pass(bench, &corpus));
    row.count("recall@10 of the vectors against exact cosines", recall, Some(Bound::AtLeast(0.95)));
    row.count("p50 of twig in milliseconds, at the start", alone(&corpus) * 1e3, Some(Bound::AtMost(1.0)));
    Some(row)
}

/// Times queries one after the other until the pass is over.
fn each(pass: std::time::Duration, queries: usize, mut ask: impl FnMut(usize)) -> f64 {
    let (started, mut times) = (Instant::now(), Vec::new());
    while started.elapsed() < pass || times.len() < queries {
        let begun = Instant::now();
        ask(times.len() % queries);
        times.push(begun.elapsed().as_secs_f64());
    }
    median(&times)
}

fn ask(index: &Arc<SpecIndex>, query: &(String, Vec<f32>), mode: Mode) -> Vec<usize> {
    let vectors = HashMap::from([("static".to_owned(), query.1.clone())]);
    let hits = search(std::slice::from_ref(index), &Query { text: &query.0, vectors: &vectors, mode, limit: HITS });
    hits.iter().map(|hit| hit.passage.chunk_id.parse().unwrap()).collect()
}

fn twig(bench: &Bench, corpus: &Arc<Corpus>) -> Contender {
    let (corpus, pass) = (corpus.clone(), bench.pass);
    let indexes: Vec<_> = (0..TENANTS).map(|tenant| corpus.index(corpus.of_tenant(tenant))).collect();
    Contender::new("twig", "`twig_retrieval::search`, hybrid, one index a tenant", move || {
        let seconds = each(pass, QUERIES, |turn| {
            let hits = ask(&indexes[turn % TENANTS], &corpus.queries[turn], Mode::Hybrid);
            assert!(hits.len() == HITS && hits.iter().all(|hit| hit % TENANTS == turn % TENANTS), "ten hits, of the tenant alone");
        });
        Measured::Seconds(seconds)
    })
}

fn alone(corpus: &Corpus) -> f64 {
    let index = corpus.index(corpus.of_tenant(0));
    each(std::time::Duration::from_millis(500), QUERIES, |turn| _ = black_box(ask(&index, &corpus.queries[turn], Mode::Hybrid)))
}

/// The median of a hybrid search among so many chunks of one tenant, in seconds.
pub fn one_tenant(chunks: usize) -> f64 {
    let corpus = Corpus::of(chunks);
    let index = corpus.index(0..chunks);
    each(std::time::Duration::from_millis(500), QUERIES, |turn| _ = black_box(ask(&index, &corpus.queries[turn], Mode::Hybrid)))
}

/// How many of the ten nearest by exact cosines are found among ours by 8-bit ones.
fn recall(corpus: &Corpus) -> f64 {
    let indexes: Vec<_> = (0..TENANTS).map(|tenant| corpus.index(corpus.of_tenant(tenant))).collect();
    let mut found = 0;
    for (turn, query) in corpus.queries.iter().enumerate() {
        let mut exact: Vec<(f32, usize)> =
            corpus.of_tenant(turn % TENANTS).map(|number| (query.1.iter().zip(&corpus.vectors[number]).map(|(a, b)| a * b).sum(), number)).collect();
        exact.sort_by(|a, b| b.0.total_cmp(&a.0));
        let nearest: HashSet<usize> = exact[..HITS].iter().map(|(_, number)| *number).collect();
        found += ask(&indexes[turn % TENANTS], query, Mode::Vector).iter().filter(|hit| nearest.contains(hit)).count();
    }
    found as f64 / (QUERIES * HITS) as f64
}

/// The limit: one tenant's 8-bit vectors multiplied with one query's.
fn int8_pass(bench: &Bench, corpus: &Corpus) -> Contender {
    let pass = bench.pass;
    let quantised = |vector: &Vec<f32>| -> Vec<i8> { vector.iter().map(|value| (value * 127.0) as i8).collect() };
    let rows: Vec<i8> = corpus.of_tenant(0).flat_map(|number| quantised(&corpus.vectors[number])).collect();
    let queries: Vec<Vec<i8>> = corpus.queries.iter().map(|(_, vector)| quantised(vector)).collect();
    let dimension = BuiltIn::Static.dimension();
    Contender::new("int8 pass", "the products of one tenant's 8-bit vectors with the query's, nothing sorted", move || {
        let seconds = each(pass, QUERIES, |turn| {
            let query = &queries[turn];
            let best = rows.chunks_exact(dimension).map(|row| row.iter().zip(query).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum::<i32>()).max();
            assert!(black_box(best).is_some());
        });
        Measured::Seconds(seconds)
    })
}

fn write_corpus(bench: &Bench, corpus: &Corpus) {
    let chunks = (0..corpus.passages.len())
        .map(|number| json!({ "tenant": number % TENANTS, "text": corpus.passages[number].text, "vector": corpus.vectors[number] }).to_string());
    fs::write(bench.folder.join("chunks.jsonl"), chunks.collect::<Vec<_>>().join("\n")).unwrap();
    let queries =
        corpus.queries.iter().enumerate().map(|(turn, (text, vector))| json!({ "tenant": turn % TENANTS, "text": text, "vector": vector }).to_string());
    fs::write(bench.folder.join("queries.jsonl"), queries.collect::<Vec<_>>().join("\n")).unwrap();
}

/// A Python process that keeps its index and answers each line with one pass's median.
fn peer(bench: &Bench, python: &std::path::Path, name: &str, kind: &str, settings: &str) -> Option<Contender> {
    let mut child = Command::new(python)
        .arg(script("retrieval.py"))
        .arg(kind)
        .arg(&bench.folder)
        .env("RUST_LOG", "error")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let (mut orders, mut answers) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()).lines());
    if answers.next()?.ok()? != "ready" {
        return None;
    }
    let (pass, asked) = (bench.pass.as_secs_f64(), Cell::new(0));
    Some(Contender::new(name, settings, move || {
        asked.set(asked.get() + 1);
        writeln!(orders, "{pass}").unwrap();
        let answer: Value = serde_json::from_str(&answers.next().unwrap().unwrap()).unwrap();
        assert_eq!(answer["wrong"], 0, "ten hits, of the tenant alone");
        Measured::Seconds(answer["median"].as_f64().unwrap())
    }))
}
