//! The tests' language model: an HTTP server that speaks OpenAI's streamed chat protocol, with faults on demand. The fault is the name of the model that
//! is asked for, so that one server serves every test of a file at once. The model "scripted" says what it was told to say last.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};

/// Words of a whole answer; the last one cites the first source.
pub const WORDS: usize = 30;
const SLOW_WORD: Duration = Duration::from_millis(60);
/// Longer than any test waits.
const SILENCE: Duration = Duration::from_secs(60);

pub struct Model {
    /// With `/v1`, as `--model-base-url` takes it.
    pub url: String,
    answers: Arc<AtomicUsize>,
    script: Script,
}

/// What the scripted model says.
type Script = Arc<Mutex<String>>;

impl Model {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let answers = Arc::new(AtomicUsize::new(0));
        let script = Script::default();
        let (count, says) = (answers.clone(), script.clone());
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                count.fetch_add(1, Ordering::SeqCst);
                let says = says.clone();
                // A client that goes away is no fault of ours.
                std::thread::spawn(move || answer(connection, &says));
            }
        });
        Self { url, answers, script }
    }

    /// How many requests it was sent.
    pub fn asked(&self) -> usize {
        self.answers.load(Ordering::SeqCst)
    }

    /// From now on the model "scripted" answers with this.
    pub fn say(&self, text: &str) {
        text.clone_into(&mut self.script.lock().unwrap());
    }

    /// The text of a whole answer.
    pub fn text() -> String {
        (0..WORDS).map(word).collect()
    }
}

fn word(n: usize) -> String {
    if n + 1 == WORDS { "[1].".into() } else { format!("word{n} ") }
}

fn answer(mut connection: TcpStream, script: &Script) -> std::io::Result<()> {
    let asked = read(&connection)?;
    match asked["model"].as_str().unwrap_or_default() {
        "refusing" => connection.write_all(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"),
        "limited" => connection.write_all(b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"),
        "silent" => {
            std::thread::sleep(SILENCE);
            Ok(())
        }
        "malformed" => {
            head(&mut connection)?;
            connection.write_all(b"data: {this is no JSON\n\n")
        }
        "cut-off" => {
            head(&mut connection)?;
            say(&mut connection, &word(0))
        }
        "scripted" => {
            head(&mut connection)?;
            let script = script.lock().unwrap().clone();
            for piece in script.split_inclusive(' ') {
                say(&mut connection, piece)?;
            }
            end(&mut connection)
        }
        pace => {
            head(&mut connection)?;
            for n in 0..WORDS {
                say(&mut connection, &word(n))?;
                if pace == "slow" {
                    std::thread::sleep(SLOW_WORD);
                }
            }
            end(&mut connection)
        }
    }
}

fn end(connection: &mut TcpStream) -> std::io::Result<()> {
    event(connection, &json!({"choices": [{"delta": {}, "finish_reason": "stop"}]}))?;
    event(connection, &json!({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": WORDS}}))?;
    connection.write_all(b"data: [DONE]\n\n")
}

/// A request's JSON body.
fn read(connection: &TcpStream) -> std::io::Result<Value> {
    let mut reader = BufReader::new(connection);
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
    Ok(serde_json::from_slice(&body).unwrap_or_default())
}

fn head(connection: &mut TcpStream) -> std::io::Result<()> {
    connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
}

fn say(connection: &mut TcpStream, text: &str) -> std::io::Result<()> {
    event(connection, &json!({"choices": [{"delta": {"content": text}}]}))
}

fn event(connection: &mut TcpStream, event: &Value) -> std::io::Result<()> {
    connection.write_all(format!("data: {event}\n\n").as_bytes())
}
