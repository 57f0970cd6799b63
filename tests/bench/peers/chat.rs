//! What a gateway adds to the time until a model's first token. The provider is a double that streams at once.

use std::{
    net::TcpListener,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use actix_web::{App, HttpResponse, HttpServer, web};
use serde_json::{Value, json};
use tokio::{io::AsyncReadExt, io::AsyncWriteExt, net::TcpStream};
use twig_bench::{
    figures::Unit,
    rounds::{Contender, Measured, Row},
    statistics::median,
};

use crate::{
    Bench,
    http::post,
    twig::{Server, Twig, python, script},
};

const WORDS: usize = 20;
/// How long a peer may take to begin.
const BEGINS_WITHIN: Duration = Duration::from_secs(120);
const QUESTION: &str = "Within how many days are refunds granted?";

pub fn row(bench: &Bench) -> Option<Row> {
    let workload = "One client asks a question; the time until the first word of the answer, less that of the direct call measured in turn with it. Ours also searches a data spec, records question and answer in the log, synced, and checks citations.".to_owned();
    let mut row = Row::new("chat-overhead", "Chat overhead", Unit::Seconds, workload);
    let provider = || Server::start(Command::new(std::env::current_exe().unwrap()).arg("--provider"));
    row = row.with(twig(bench, provider())?);
    match litellm(bench, provider()) {
        Some(contender) => row = row.with(contender).at_most(0.1, "twig", "LiteLLM"),
        None => println!("  SKIPPED LiteLLM: it does not answer"),
    }
    match portkey(bench, provider()) {
        Some(contender) => row = row.with(contender).at_most(0.2, "twig", "Portkey"),
        None => println!("  SKIPPED Portkey: it does not answer"),
    }
    Some(row)
}

/// A request, and what the first piece of its answer holds.
struct Call {
    url: String,
    request: Vec<u8>,
    first: &'static str,
}

impl Call {
    /// Seconds until the first piece of the answer; the whole of it is read. What else came is the error.
    async fn first_token(&self) -> Result<f64, String> {
        let begun = Instant::now();
        let mut stream = TcpStream::connect(self.url.strip_prefix("http://").unwrap()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(&self.request).await.unwrap();
        let (mut bytes, mut first) = (Vec::new(), None);
        while stream.read_buf(&mut bytes).await.unwrap() > 0 {
            let text = String::from_utf8_lossy(&bytes);
            if first.is_none() && text.contains(self.first) {
                first = Some(begun.elapsed().as_secs_f64());
            }
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        first.filter(|_| text.contains(&format!("word{}", WORDS - 1))).ok_or(text)
    }
}

/// OpenAI's chat request; the connection is closed after it.
fn completions(url: &str, path: &str, key: &str, headers: &str, model: &str) -> Call {
    let body = json!({ "model": model, "stream": true, "messages": [{ "role": "user", "content": QUESTION }] }).to_string();
    let text = String::from_utf8(post(url, path, key, &body)).unwrap();
    let request = text.replacen("\r\n", &format!("\r\nconnection: close\r\n{headers}"), 1).into_bytes();
    Call { url: url.to_owned(), request, first: "word0" }
}

/// The gateway's and the direct call, in turn. The servers live as long as the contender.
/// `None` where the gateway does not answer.
fn contender(bench: &Bench, name: &str, settings: &str, call: Call, provider: Server, gateway: impl Sized + 'static) -> Option<Contender> {
    let (runtime, pass) = (bench.runtime.handle().clone(), bench.pass);
    if let Err(answer) = runtime.block_on(call.first_token()) {
        println!("  {name}: {answer}");
        return None;
    }
    let direct = completions(&provider.url, "/v1/chat/completions", "-", "", "double");
    Some(Contender::new(name, settings, move || {
        let _alive = (&gateway, &provider);
        runtime.block_on(async {
            let (started, mut through, mut directly) = (Instant::now(), Vec::new(), Vec::new());
            while started.elapsed() < pass || through.len() < 10 {
                through.push(call.first_token().await.unwrap());
                directly.push(direct.first_token().await.unwrap());
            }
            Measured::Seconds((median(&through) - median(&directly)).max(1e-6))
        })
    }))
}

fn twig(bench: &Bench, provider: Server) -> Option<Contender> {
    let base = format!("{}/v1", provider.url);
    let twig = Twig::start(&bench.folder.join("chat"), &[], &["--model-base-url", &base, "--embeddings", "static"])?;
    let config = json!({ "title": "Refund policy", "content": "Refunds are granted within thirty days of purchase." });
    let spec = twig.process(&json!({ "name": "refunds", "type": "text", "config": config }));
    let agent = twig.call("POST", "/api/agents", Some(&json!({ "name": "a", "model": "double", "dataSpecIds": [spec] })));
    let call = completions(&twig.server.url, "/v1/chat/completions", &twig.key, "", agent["id"].as_str().unwrap());
    contender(bench, "twig", "`POST /v1/chat/completions`, embedded, one data spec, static embeddings", call, provider, twig.server)
}

/// A child that listens on a port that it was told.
pub struct Child(std::process::Child);

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Begins a gateway and waits until it listens.
pub fn begin(mut command: Command, port: u16) -> Option<(Child, String)> {
    let mut child = Child(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?);
    let begun = Instant::now();
    while begun.elapsed() < BEGINS_WITHIN {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Some((child, format!("http://127.0.0.1:{port}")));
        }
        if child.0.try_wait().ok()?.is_some() {
            return None;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    None
}

fn litellm(bench: &Bench, provider: Server) -> Option<Contender> {
    let (port, config) = (free_port(), bench.folder.join("litellm.yaml"));
    let text = format!(
        "model_list:\n  - model_name: double\n    litellm_params:\n      model: openai/double\n      api_base: {}/v1\n      api_key: none\n",
        provider.url
    );
    std::fs::write(&config, text).unwrap();
    let mut command = Command::new(python()?.with_file_name("litellm"));
    command.arg("--config").arg(&config).args(["--host", "127.0.0.1", "--port", &port.to_string()]).envs([
        ("LITELLM_LOG", "ERROR"),
        ("LITELLM_LOCAL_MODEL_COST_MAP", "True"),
        ("LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY", "true"),
    ]);
    let (child, url) = begin(command, port)?;
    let call = completions(&url, "/v1/chat/completions", "-", "", "double");
    contender(bench, "LiteLLM", "`litellm --config`, one worker, no database: nothing is recorded", call, provider, child)
}

fn portkey(bench: &Bench, provider: Server) -> Option<Contender> {
    let port = free_port();
    let gateway = std::path::Path::new(&std::env::var_os("TWIG_BENCH_NODE")?).join("@portkey-ai/gateway/build/start-server.js");
    let mut command = Command::new("node");
    command.arg("--require").arg(script("mutable_headers.cjs")).arg(gateway).args(["--headless", &format!("--port={port}")]);
    let (child, url) = begin(command, port)?;
    let headers = format!("x-portkey-provider: openai\r\nx-portkey-custom-host: {}/v1\r\n", provider.url);
    let call = completions(&url, "/v1/chat/completions", "-", &headers, "double");
    contender(
        bench,
        "Portkey",
        "the open-source gateway 1.15 on Node 20, its fetched answers given headers that it may change: nothing is recorded",
        call,
        provider,
        child,
    )
}

/// The double: OpenAI's streamed chat protocol, all words at once.
#[actix_web::main]
pub async fn serve_provider() -> std::io::Result<()> {
    let chunk = |value: Value| format!("data: {value}\n\n");
    let delta = |delta: Value, end: Value| json!({ "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "double", "choices": [{ "index": 0, "delta": delta, "finish_reason": end }] });
    let mut answer = chunk(delta(json!({ "role": "assistant", "content": "" }), Value::Null));
    (0..WORDS).for_each(|word| answer += &chunk(delta(json!({ "content": format!("word{word} ") }), Value::Null)));
    answer += &chunk(delta(json!({}), json!("stop")));
    answer += &chunk(
        json!({ "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "double", "choices": [], "usage": { "prompt_tokens": 7, "completion_tokens": WORDS, "total_tokens": 7 + WORDS } }),
    );
    answer += "data: [DONE]\n\n";
    let answer = web::Bytes::from(answer);
    let server = HttpServer::new(move || {
        let answer = answer.clone();
        App::new().app_data(web::PayloadConfig::new(1 << 20)).default_service(web::to(move |_body: web::Bytes| {
            let pieces = futures_util::stream::iter([Ok::<_, actix_web::Error>(answer.clone())]);
            async move { HttpResponse::Ok().content_type("text/event-stream").streaming(pieces) }
        }))
    });
    let server = server.workers(1).bind("127.0.0.1:0")?;
    println!("listening on http://{}", server.addrs()[0]);
    server.run().await
}
