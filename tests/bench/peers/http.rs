//! A small HTTP/1.1 client for the loads: it keeps its connection, writes bytes that were made before, and reads as far as `content-length` says. What it
//! saves of the processor is left to the servers that are measured.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};
use twig_bench::rounds::Measured;

const BUFFER_BYTES: usize = 64 << 10;

pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

pub struct Answer<'a> {
    pub status: u16,
    pub body: &'a [u8],
}

impl Connection {
    /// To `http://host:port…`.
    pub async fn open(url: &str) -> Self {
        let stream = TcpStream::connect(authority(url)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::with_capacity(BUFFER_BYTES) }
    }

    pub async fn send(&mut self, request: &[u8]) -> Answer<'_> {
        self.stream.write_all(request).await.unwrap();
        self.buffer.clear();
        let (status, head, length) = loop {
            assert_ne!(self.stream.read_buf(&mut self.buffer).await.unwrap(), 0, "the server closed the connection");
            if let Some(told) = head(&self.buffer) {
                break told;
            }
        };
        while self.buffer.len() < head + length {
            assert_ne!(self.stream.read_buf(&mut self.buffer).await.unwrap(), 0, "the server closed the connection");
        }
        Answer { status, body: &self.buffer[head..head + length] }
    }
}

fn authority(url: &str) -> &str {
    let rest = url.strip_prefix("http://").unwrap();
    rest.split('/').next().unwrap()
}

/// Status, length of the head and of the body.
fn head(bytes: &[u8]) -> Option<(u16, usize, usize)> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&bytes[..end]).unwrap();
    let status = text[9..12].parse().unwrap();
    let length =
        text.lines().find_map(|line| line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("content-length")).map(|(_, value)| value.trim()));
    Some((status, end, length.map_or(0, |length| length.parse().unwrap())))
}

pub fn get(url: &str, path: &str, key: &str) -> Vec<u8> {
    request("GET", url, path, key, "")
}

pub fn post(url: &str, path: &str, key: &str, body: &str) -> Vec<u8> {
    request("POST", url, path, key, body)
}

pub fn request(method: &str, url: &str, path: &str, key: &str, body: &str) -> Vec<u8> {
    let (host, length) = (authority(url), body.len());
    let content = if body.is_empty() { String::new() } else { format!("content-type: application/json\r\ncontent-length: {length}\r\n") };
    format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\n{content}\r\n{body}").into_bytes()
}

/// The same request over so many connections until the pass is over; every answer is checked.
pub async fn load(url: &str, connections: usize, pass: Duration, request: Vec<u8>, check: impl Fn(&Answer) -> bool + Copy + Send + 'static) -> Measured {
    let mut opened = Vec::new();
    for _ in 0..connections {
        opened.push(Connection::open(url).await);
    }
    let (started, mut running) = (Instant::now(), JoinSet::new());
    for mut connection in opened {
        let request = request.clone();
        running.spawn(async move {
            let mut answered = 0;
            while started.elapsed() < pass {
                let answer = connection.send(&request).await;
                assert!(check(&answer), "{}: {}", answer.status, String::from_utf8_lossy(answer.body));
                answered += 1;
            }
            answered
        });
    }
    let operations = running.join_all().await.into_iter().sum();
    Measured::Rate { operations, seconds: started.elapsed().as_secs_f64() }
}
