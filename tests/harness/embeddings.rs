//! The tests' embedding and reranking provider: OpenAI's `/v1/embeddings` and a Cohere-compatible `/v1/rerank`, with models of one dimension whose vectors
//! have nothing to do with each other, and faults on demand.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};

const DIMENSION: usize = 64;

#[derive(Default)]
struct State {
    /// Milliseconds that a batch of texts takes; a single text, as a question is, takes none.
    batch_ms: AtomicU64,
    failing: AtomicBool,
    reranked: AtomicU64,
}

pub struct Embeddings {
    /// With `/v1`.
    pub url: String,
    state: Arc<State>,
}

impl Embeddings {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let state = Arc::new(State::default());
        let shared = state.clone();
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let state = shared.clone();
                // A client that goes away is no fault of ours.
                std::thread::spawn(move || serve(connection, &state));
            }
        });
        Self { url, state }
    }

    /// Makes a batch of texts take this long, so that there is time to watch.
    pub fn slow_batches(&self, by: Duration) {
        self.state.batch_ms.store(u64::try_from(by.as_millis()).unwrap(), Ordering::Relaxed);
    }

    pub fn fail(&self, failing: bool) {
        self.state.failing.store(failing, Ordering::Relaxed);
    }

    /// How often the reranker was asked.
    pub fn reranked(&self) -> u64 {
        self.state.reranked.load(Ordering::Relaxed)
    }
}

/// Requests of one connection, until it closes.
fn serve(mut connection: TcpStream, state: &State) -> std::io::Result<()> {
    let mut reader = BufReader::new(connection.try_clone()?);
    while let Some((path, asked)) = read(&mut reader)? {
        let (status, answer) = if state.failing.load(Ordering::Relaxed) {
            ("500 Internal Server Error", json!({}))
        } else if path.ends_with("/rerank") {
            state.reranked.fetch_add(1, Ordering::Relaxed);
            ("200 OK", rerank(&asked))
        } else {
            let texts = asked["input"].as_array().cloned().unwrap_or_default();
            if texts.len() > 1 {
                std::thread::sleep(Duration::from_millis(state.batch_ms.load(Ordering::Relaxed)));
            }
            let model = asked["model"].as_str().unwrap_or_default();
            let row = |(index, text): (usize, &Value)| json!({"index": index, "embedding": vector(model, text.as_str().unwrap_or_default())});
            ("200 OK", json!({"data": texts.iter().enumerate().map(row).collect::<Vec<_>>(), "model": model}))
        };
        let body = answer.to_string();
        connection.write_all(format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len()).as_bytes())?;
    }
    Ok(())
}

/// The path and the JSON body of the next request.
fn read(reader: &mut BufReader<TcpStream>) -> std::io::Result<Option<(String, Value)>> {
    let mut first = String::new();
    if reader.read_line(&mut first)? == 0 {
        return Ok(None);
    }
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some((path, serde_json::from_slice(&body).unwrap_or_default())))
}

/// A word's direction is made from its letters and the model's name: texts in the same words are near in one model and unrelated between two.
fn vector(model: &str, text: &str) -> Vec<f32> {
    let mut sum = vec![0.0f32; DIMENSION];
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let mut state = format!("{model}/{}", word.to_lowercase())
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
            | 1;
        for x in &mut sum {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *x += (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0;
        }
    }
    sum
}

/// Documents that say "last" come first, whatever else they say.
fn rerank(asked: &Value) -> Value {
    let documents = asked["documents"].as_array().cloned().unwrap_or_default();
    let score = |text: &Value| if text.as_str().unwrap_or_default().contains("last") { 0.9 } else { 0.1 };
    json!({"results": documents.iter().enumerate().map(|(index, text)| json!({"index": index, "relevance_score": score(text)})).collect::<Vec<_>>()})
}
