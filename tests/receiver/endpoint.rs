//! One endpoint: how it answers, and what it was sent.

use std::{
    collections::HashSet,
    io::{BufReader, Read, Write},
    net::TcpStream,
    str::FromStr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

use crate::http;

const TEN_GIB: u64 = 10 << 30;
const DRIP_EVERY: Duration = Duration::from_millis(200);

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Manner {
    Healthy,
    /// Healthy, but answers after so many milliseconds.
    Slow(u64),
    /// Answers nothing, ever.
    Hanging,
    /// Answers 500 to every second request.
    Flaky,
    /// Nobody listens, until it is opened.
    Down,
    Gone,
    /// Answers 503 and asks for so many seconds.
    Busy(u64),
    /// Redirects there.
    Redirecting(String),
    /// Answers 10 GiB.
    Huge,
    /// Sends its status at once and its body a byte at a time.
    DrippingBody,
    /// Sends a header that never ends, a byte at a time.
    DrippingHead,
    /// Healthy, by TLS with a certificate of its own, whose PEM `TWIG_RECEIVER_CERT` and `_KEY` name.
    Secure,
    /// An HTTP proxy: answers CONNECT, and keeps what was asked for.
    Proxy,
}

impl FromStr for Manner {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (manner, of) = text.split_once(':').unwrap_or((text, ""));
        Ok(match manner {
            "healthy" => Self::Healthy,
            "slow" => Self::Slow(of.parse().map_err(|_| text.to_owned())?),
            "hanging" => Self::Hanging,
            "flaky" => Self::Flaky,
            "down" => Self::Down,
            "gone" => Self::Gone,
            "busy" => Self::Busy(of.parse().map_err(|_| text.to_owned())?),
            "redirecting" => Self::Redirecting(of.to_owned()),
            "huge" => Self::Huge,
            "dripping-body" => Self::DrippingBody,
            "dripping-head" => Self::DrippingHead,
            "secure" => Self::Secure,
            "proxy" => Self::Proxy,
            _ => return Err(text.to_owned()),
        })
    }
}

pub struct Endpoint {
    manner: Mutex<Manner>,
    messages: Mutex<(HashSet<String>, Vec<Value>)>,
    requests: AtomicU64,
    /// Bytes of bodies that were written, and sends that the other side cut off.
    written: AtomicU64,
    cut_off: AtomicU64,
}

impl Endpoint {
    pub fn new(manner: Manner) -> Self {
        Self { manner: Mutex::new(manner), messages: Mutex::default(), requests: AtomicU64::new(0), written: AtomicU64::new(0), cut_off: AtomicU64::new(0) }
    }

    /// Makes it healthy.
    pub fn mend(&self) {
        *self.manner.lock().unwrap() = Manner::Healthy;
    }

    pub fn different(&self) -> usize {
        self.messages.lock().unwrap().0.len()
    }

    pub fn seen(&self) -> Value {
        let count = |count: &AtomicU64| count.load(Ordering::SeqCst);
        let messages = self.messages.lock().unwrap();
        json!({"requests": count(&self.requests), "different": messages.0.len(), "messages": messages.1, "written": count(&self.written), "cutOff": count(&self.cut_off)})
    }

    pub fn serve(&self, connection: TcpStream) -> Option<()> {
        connection.set_nodelay(true).unwrap();
        let manner = self.manner.lock().unwrap().clone();
        match manner {
            Manner::Secure => {}
            Manner::Proxy => return self.tunnel(connection),
            _ => return self.answer_all(connection),
        }
        let read = |name: &str| std::fs::read(std::env::var_os(name).unwrap()).unwrap();
        let tls = Arc::new(tls(&read("TWIG_RECEIVER_CERT"), &read("TWIG_RECEIVER_KEY")));
        let session = rustls::ServerConnection::new(tls).unwrap();
        self.answer_all(rustls::StreamOwned::new(session, connection))
    }

    fn answer_all(&self, connection: impl Read + Write) -> Option<()> {
        let mut connection = BufReader::new(connection);
        loop {
            let manner = self.manner.lock().unwrap().clone();
            let request = http::read(&mut connection)?;
            let number = self.requests.fetch_add(1, Ordering::SeqCst);
            let out = connection.get_mut();
            match manner {
                Manner::Hanging => loop {
                    thread::park();
                },
                Manner::Flaky if number.is_multiple_of(2) => http::write(out, "500 Internal Server Error", "", b"broken")?,
                Manner::Gone => http::write(out, "410 Gone", "", b"")?,
                Manner::Busy(seconds) => http::write(out, "503 Service Unavailable", &format!("Retry-After: {seconds}\r\n"), b"")?,
                Manner::Redirecting(to) => http::write(out, "302 Found", &format!("Location: {to}\r\n"), b"")?,
                Manner::Huge => self.flood(out),
                Manner::DrippingBody => self.drip(out, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"),
                Manner::DrippingHead => self.drip(out, "HTTP/1.1 200 OK\r\nX-Slow: "),
                Manner::Healthy | Manner::Slow(_) | Manner::Flaky | Manner::Down | Manner::Secure | Manner::Proxy => {
                    if let Manner::Slow(ms) = manner {
                        thread::sleep(Duration::from_millis(ms));
                    }
                    self.keep(&request);
                    http::write(out, "200 OK", "", b"")?;
                }
            }
        }
    }

    /// Keeps a message that is answered with success.
    fn keep(&self, request: &http::Request) {
        let arrived = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let (id, body) = (request.headers["webhook-id"].clone(), serde_json::from_slice::<Value>(&request.body).unwrap());
        let mut messages = self.messages.lock().unwrap();
        messages.0.insert(id.clone());
        messages.1.push(json!([id, body["sequence"], body["type"], body["timestamp"], u64::try_from(arrived).unwrap()]));
    }

    fn flood(&self, out: &mut impl Write) {
        let piece = vec![b'x'; 64 << 10];
        let mut written = out.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {TEN_GIB}\r\n\r\n").as_bytes());
        while written.is_ok() && self.written.load(Ordering::SeqCst) < TEN_GIB {
            written = out.write_all(&piece);
            self.written.fetch_add(piece.len() as u64, Ordering::SeqCst);
        }
        self.cut_off.fetch_add(1, Ordering::SeqCst);
    }

    fn drip(&self, out: &mut impl Write, head: &str) {
        let mut written = out.write_all(head.as_bytes());
        while written.is_ok() {
            thread::sleep(DRIP_EVERY);
            written = out.write_all(b"x");
            self.written.fetch_add(1, Ordering::SeqCst);
        }
        self.cut_off.fetch_add(1, Ordering::SeqCst);
    }

    /// CONNECT, and then bytes both ways.
    fn tunnel(&self, mut client: TcpStream) -> Option<()> {
        let head = http::head(&mut client)?;
        self.requests.fetch_add(1, Ordering::SeqCst);
        self.messages.lock().unwrap().1.push(head.clone().into());
        let mut upstream = TcpStream::connect(head.lines().next()?.split(' ').nth(1)?).ok()?;
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").ok()?;
        let (mut from_client, mut to_upstream) = (client.try_clone().unwrap(), upstream.try_clone().unwrap());
        thread::spawn(move || std::io::copy(&mut from_client, &mut to_upstream));
        std::io::copy(&mut upstream, &mut client).ok().map(drop)
    }
}

fn tls(certificate: &[u8], key: &[u8]) -> rustls::ServerConfig {
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
    let _ = rustls::crypto::ring::default_provider().install_default();
    let certificates = CertificateDer::pem_slice_iter(certificate).map(Result::unwrap).collect();
    rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(certificates, PrivateKeyDer::from_pem_slice(key).unwrap()).unwrap()
}
