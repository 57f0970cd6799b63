//! Measures retrieval on a folder with `corpus.jsonl` and `queries.jsonl`: `cargo run -p twig-retrieval --example measure -- FOLDER [CACHE_FOLDER]`.
//! The transformer reads some 20 passages a second, so its vectors are kept in the cache folder.

use serde_json::Value;
use std::{
    collections::{HashMap, HashSet},
    error::Error,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};
use twig_retrieval::{
    BuiltIn, Mode, Passage, Query, SpecIndex, confidence, embedding_texts,
    metrics::{Figures, figures, interval},
    search,
};

/// Ranked this deep, for the reciprocal rank.
const LIMIT: usize = 50;

struct Asked {
    text: String,
    source: String,
    relevant: HashSet<String>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let folder = arguments.next().ok_or("name the folder with corpus.jsonl and queries.jsonl")?;
    let cache = arguments.next().unwrap_or_else(std::env::temp_dir);
    let titled = passages(&folder, true)?;
    let queries = queries(&folder)?;
    for model in BuiltIn::ALL {
        let vectors = vectors(model, &titled, &cache)?;
        let started = Instant::now();
        let index = Arc::new(SpecIndex::build(model.name(), titled.clone(), vectors.clone()));
        println!("{}: {} passages, built in {:.0?}, {} MiB", model.name(), index.len(), started.elapsed(), index.weight() >> 20);
        for (name, mode) in [("keyword", Mode::Keyword), ("vector", Mode::Vector), ("hybrid", Mode::Hybrid)] {
            measure(name, model, &index, &queries, mode);
        }
        refusal(model, &titled, &vectors, &queries);
        speed(model, &titled, &vectors, &queries);
    }
    Ok(())
}

fn measure(name: &str, model: BuiltIn, index: &Arc<SpecIndex>, queries: &[Asked], mode: Mode) {
    let all: Vec<Figures> = queries.iter().map(|asked| figures(&ids(&ask(model, std::slice::from_ref(index), &asked.text, mode)), &asked.relevant)).collect();
    let mean = |of: fn(&Figures) -> f64| interval(&all.iter().map(of).collect::<Vec<_>>());
    let (ndcg, recall, rank) = (mean(|f| f.ndcg), mean(|f| f.recall), mean(|f| f.reciprocal_rank));
    println!("  {name:8} nDCG@10 {:.3} [{:.3}, {:.3}]  recall@10 {:.3}  MRR {:.3}", ndcg.mean, ndcg.low, ndcg.high, recall.mean, rank.mean);
}

fn ask(model: BuiltIn, indexes: &[Arc<SpecIndex>], text: &str, mode: Mode) -> Vec<twig_retrieval::Hit> {
    let vectors = HashMap::from([(model.name().to_owned(), model.embed_query(text))]);
    search(indexes, &Query { text, vectors: &vectors, mode, limit: LIMIT })
}

fn ids(hits: &[twig_retrieval::Hit]) -> Vec<String> {
    hits.iter().map(|hit| hit.passage.chunk_id.clone()).collect()
}

/// Each question to all passages, and to those of every source but its own, which cannot answer it.
fn refusal(model: BuiltIn, passages: &[Passage], vectors: &[Vec<f32>], queries: &[Asked]) {
    let mut without: HashMap<&str, Arc<SpecIndex>> = HashMap::new();
    let mut rows = Vec::new();
    let whole = Arc::new(SpecIndex::build(model.name(), passages.to_vec(), vectors.to_vec()));
    for asked in queries {
        let foreign = without.entry(&asked.source).or_insert_with(|| {
            let kept = passages.iter().zip(vectors).filter(|(passage, _)| passage.data_spec_id != asked.source);
            let (passages, vectors): (Vec<_>, Vec<_>) = kept.map(|(passage, vector)| (passage.clone(), vector.clone())).unzip();
            Arc::new(SpecIndex::build(model.name(), passages, vectors))
        });
        for (index, answerable) in [(&whole, true), (&*foreign, false)] {
            let hits = ask(model, std::slice::from_ref(index), &asked.text, Mode::Hybrid);
            let best = |of: fn(&twig_retrieval::Hit) -> f32| hits.iter().take(3).map(of).fold(0.0, f32::max);
            rows.push((answerable, confidence(&hits).answerable, best(|hit| hit.vector.unwrap_or(0.0)), best(|hit| hit.coverage), asked.text.clone()));
        }
    }
    let count = |answerable: bool, said: bool| rows.iter().filter(|row| row.0 == answerable && row.1 == said).count();
    println!("  answered of the answerable {}/{}, refused of the others {}/{}", count(true, true), queries.len(), count(false, false), queries.len());
    if let Some(path) = std::env::var_os("ROWS") {
        let lines: Vec<String> = rows.iter().map(|row| format!("{}\t{}\t{:.4}\t{:.4}\t{}", row.0, row.1, row.2, row.3, row.4)).collect();
        let _ = fs::write(format!("{}-{}", path.to_string_lossy(), model.name()), lines.join("\n"));
    }
}

/// Passages of a large index.
const MANY: usize = 50_000;
/// The words of each.
const WORDS: usize = 100;

/// Times of a hybrid search over many passages, the question's vector ready; and how many of the ten nearest by exact vectors are found. The passages are
/// each made of two others, so that there are many without being the same.
fn speed(model: BuiltIn, passages: &[Passage], vectors: &[Vec<f32>], queries: &[Asked]) {
    let firsts: Vec<usize> =
        passages.iter().scan(0, |at, passage| Some(std::mem::replace(at, *at + embedding_texts(model.name(), std::slice::from_ref(passage)).len()))).collect();
    let partner = |n: usize| (n * 7919 + n / passages.len() * 104_729) % passages.len();
    let mixed = |n: usize| {
        let (one, other) = (&passages[n % passages.len()], &passages[partner(n)]);
        let words = one.text.split_whitespace().take(WORDS / 2).chain(other.text.split_whitespace().skip(n / passages.len()).take(WORDS / 2));
        Passage { chunk_id: n.to_string(), document_id: n.to_string(), text: words.collect::<Vec<_>>().join(" "), ..one.clone() }
    };
    let vector = |n: usize| -> Vec<f32> {
        let (one, other) = (&vectors[firsts[n % passages.len()]], &vectors[firsts[partner(n)]]);
        let sum: Vec<f32> = one.iter().zip(other).map(|(x, y)| x * 0.6 + y * 0.4).collect();
        let length = sum.iter().map(|x| x * x).sum::<f32>().sqrt();
        sum.into_iter().map(|x| x / length).collect()
    };
    let (many, rows): (Vec<Passage>, Vec<Vec<f32>>) = (0..MANY).map(|n| (mixed(n), vector(n))).unzip();
    let index = [Arc::new(SpecIndex::build(model.name(), many, rows.clone()))];
    for (name, mode) in [("keyword", Mode::Keyword), ("vector", Mode::Vector), ("hybrid", Mode::Hybrid)] {
        let (mut times, mut found) = (Vec::new(), 0);
        for asked in queries {
            let query = model.embed_query(&asked.text);
            let vectors = HashMap::from([(model.name().to_owned(), query.clone())]);
            let started = Instant::now();
            let hits = search(&index, &Query { text: &asked.text, vectors: &vectors, mode, limit: 10 });
            times.push(started.elapsed());
            if mode == Mode::Vector {
                let mut exact: Vec<(f32, usize)> = rows.iter().enumerate().map(|(n, row)| (row.iter().zip(&query).map(|(x, y)| x * y).sum(), n)).collect();
                exact.sort_by(|a, b| b.0.total_cmp(&a.0));
                let nearest: HashSet<String> = exact[..10].iter().map(|(_, n)| n.to_string()).collect();
                found += hits.iter().filter(|hit| nearest.contains(&hit.passage.chunk_id)).count();
            }
        }
        times.sort();
        let recall = if mode == Mode::Vector { format!(", recall@10 of exact {:.3}", found as f64 / (10 * queries.len()) as f64) } else { String::new() };
        println!("  {MANY} passages, {name:8} p50 {:.2?}, p95 {:.2?}{recall}", times[times.len() / 2], times[times.len() * 95 / 100]);
    }
}

fn passages(folder: &Path, titled: bool) -> Result<Vec<Passage>, Box<dyn Error>> {
    let read = |line: &str| -> Result<Passage, Box<dyn Error>> {
        let row: Value = serde_json::from_str(line)?;
        let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let title = if titled { text("title") } else { String::new() };
        Ok(Passage { chunk_id: text("id"), document_id: text("title"), data_spec_id: text("source"), title, text: text("text"), ..Passage::default() })
    };
    fs::read_to_string(folder.join("corpus.jsonl"))?.lines().map(read).collect()
}

fn queries(folder: &Path) -> Result<Vec<Asked>, Box<dyn Error>> {
    let read = |line: &str| -> Result<Asked, Box<dyn Error>> {
        let row: Value = serde_json::from_str(line)?;
        let relevant = row["relevant"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        Ok(Asked { text: row["text"].as_str().unwrap_or_default().to_owned(), source: row["source"].as_str().unwrap_or_default().to_owned(), relevant })
    };
    fs::read_to_string(folder.join("queries.jsonl"))?.lines().map(read).collect()
}

fn vectors(model: BuiltIn, passages: &[Passage], cache: &Path) -> Result<Vec<Vec<f32>>, Box<dyn Error>> {
    let texts = embedding_texts(model.name(), passages);
    if model == BuiltIn::Static {
        return Ok(model.embed_passages(&texts));
    }
    let variant = if passages.iter().any(|passage| !passage.title.is_empty()) { "titled" } else { "plain" };
    let path = cache.join(format!("twig-measure-{}-{variant}-pieces2.bin", model.name()));
    if let Ok(bytes) = fs::read(&path)
        && bytes.len() == texts.len() * model.dimension() * 4
    {
        let numbers: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        return Ok(numbers.chunks(model.dimension()).map(<[f32]>::to_vec).collect());
    }
    // Both lanes at once: each has half of the cores.
    let (one, other) = texts.split_at(texts.len() / 2);
    let vectors = std::thread::scope(|scope| {
        let asked = scope.spawn(|| one.iter().map(|text| model.embed_query(text)).collect::<Vec<_>>());
        let mut rest = model.embed_passages(other);
        let mut vectors = asked.join().unwrap_or_default();
        vectors.append(&mut rest);
        vectors
    });
    fs::write(path, vectors.iter().flatten().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>())?;
    Ok(vectors)
}
