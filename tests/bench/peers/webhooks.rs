//! Webhook fan-out: one event goes to a hundred endpoints, of which five never answer.

use std::{
    cell::Cell,
    collections::HashSet,
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use twig_bench::{
    figures::Unit,
    rounds::{Contender, Measured, Row},
};

use crate::{
    Bench,
    http::{Connection, get, post},
    twig::{Server, Twig, script},
};

const ENDPOINTS: usize = 100;
const HANGING: usize = 5;
const EVENTS: usize = 10;
const LIMIT_CONNECTIONS: usize = 64;
/// What a pass may take before it counts as lost.
const WITHIN: Duration = Duration::from_secs(60);
/// As long as an event of ours is.
const BODY_BYTES: usize = 700;

pub fn row(bench: &Bench) -> Option<Row> {
    let workload =
        format!("{EVENTS} events, each to {ENDPOINTS} endpoints, of which {HANGING} never answer; measured until every other endpoint has every event, once.");
    let mut row = Row::new("webhooks", "Webhook fan-out", Unit::PerSecond, workload).with(twig(bench)?);
    match bullmq(bench) {
        Some(contender) => row = row.with(contender).at_least(8.0, "twig", "BullMQ"),
        None => println!("  SKIPPED BullMQ: Redis or its packages are not there"),
    }
    Some(row.with(posts(bench)).at_least(0.5, "twig", "POST loop"))
}

pub fn receiver() -> Server {
    Server::start(Command::new(std::env::current_exe().unwrap()).arg("--receiver"))
}

/// What the receiver has seen: deliveries, and how many of them more than once.
async fn seen(connection: &mut Connection, request: &[u8]) -> (usize, u64) {
    let answer: Value = serde_json::from_slice(connection.send(request).await.body).unwrap();
    (answer["seen"].as_u64().unwrap() as usize, answer["repeated"].as_u64().unwrap())
}

/// Waits until so many deliveries more than before are there.
pub async fn arrived(receiver: &Server, before: usize, more: usize) {
    let mut connection = Connection::open(&receiver.url).await;
    let (request, begun) = (get(&receiver.url, "/seen", "-"), Instant::now());
    loop {
        let (deliveries, repeated) = seen(&mut connection, &request).await;
        assert_eq!(repeated, 0, "nothing is delivered twice");
        if deliveries == before + more {
            return;
        }
        assert!(deliveries < before + more && begun.elapsed() < WITHIN, "{deliveries} of {}", before + more);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn path(endpoint: usize) -> String {
    if endpoint < HANGING { format!("/hang/{endpoint}") } else { format!("/hook/{endpoint}") }
}

fn measured(seconds: f64) -> Measured {
    Measured::Rate { operations: (EVENTS * (ENDPOINTS - HANGING)) as u64, seconds }
}

fn twig(bench: &Bench) -> Option<Contender> {
    let (twig, receiver) = (Twig::start(&bench.folder.join("webhooks"), &[], &["--webhook-allow-http", "true"])?, receiver());
    for endpoint in 0..ENDPOINTS {
        twig.call("POST", "/api/webhooks", Some(&json!({ "url": format!("{}{}", receiver.url, path(endpoint)), "events": ["agent.created"] })));
    }
    let (runtime, delivered) = (bench.runtime.handle().clone(), Cell::new(0));
    let request = post(&twig.server.url, "/api/agents", &twig.key, &json!({ "name": "Ada" }).to_string());
    Some(Contender::new("twig", "`twig serve`, embedded; signed, queued in `webhooks.db`, each attempt recorded", move || {
        runtime.block_on(async {
            let mut connection = Connection::open(&twig.server.url).await;
            let started = Instant::now();
            for _ in 0..EVENTS {
                assert_eq!(connection.send(&request).await.status, 201);
            }
            arrived(&receiver, delivered.get(), EVENTS * (ENDPOINTS - HANGING)).await;
            delivered.set(delivered.get() + EVENTS * (ENDPOINTS - HANGING));
            measured(started.elapsed().as_secs_f64())
        })
    }))
}

/// A Node process with the queue and its worker. What hangs of one pass is dropped before the next, outside of what is measured.
fn bullmq(bench: &Bench) -> Option<Contender> {
    let (node, redis) = (std::env::var_os("TWIG_BENCH_NODE")?, std::env::var_os("TWIG_BENCH_REDIS")?);
    let receiver = receiver();
    let mut child = Command::new("node")
        .arg(script("bullmq.cjs"))
        .args([&receiver.url, &EVENTS.to_string(), &ENDPOINTS.to_string(), &HANGING.to_string(), &BODY_BYTES.to_string()])
        .env("NODE_PATH", node)
        .env("REDIS_SERVER", redis)
        .env("REDIS_FOLDER", &bench.folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let (mut orders, mut lines) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()).lines());
    if lines.next()?.ok()? != "ready" {
        return None;
    }
    let (runtime, delivered) = (bench.runtime.handle().clone(), Cell::new(0));
    Some(Contender::new(
        "BullMQ",
        "a job a delivery by `addBulk`, one worker of concurrency 256, undici, 15 s timeout; Redis with `appendfsync always`",
        move || {
            writeln!(orders, "clear").unwrap();
            assert_eq!(lines.next().unwrap().unwrap(), "ready");
            let started = Instant::now();
            writeln!(orders, "go").unwrap();
            runtime.block_on(arrived(&receiver, delivered.get(), EVENTS * (ENDPOINTS - HANGING)));
            delivered.set(delivered.get() + EVENTS * (ENDPOINTS - HANGING));
            measured(started.elapsed().as_secs_f64())
        },
    ))
}

/// The limit: as many requests of that size, and nothing kept.
fn posts(bench: &Bench) -> Contender {
    let (runtime, receiver, pass) = (bench.runtime.handle().clone(), receiver(), Cell::new(0));
    let mut delivered = 0;
    Contender::new(
        "POST loop",
        format!("{LIMIT_CONNECTIONS} connections that are kept, a body of {BODY_BYTES} bytes, nothing stored, nobody hangs"),
        move || {
            pass.set(pass.get() + 1);
            runtime.block_on(async {
                let (started, mut running) = (Instant::now(), JoinSet::new());
                for client in 0..LIMIT_CONNECTIONS {
                    let (url, pass) = (receiver.url.clone(), pass.get());
                    running.spawn(async move {
                        let mut connection = Connection::open(&url).await;
                        for delivery in (client..EVENTS * (ENDPOINTS - HANGING)).step_by(LIMIT_CONNECTIONS) {
                            let endpoint = HANGING + delivery % (ENDPOINTS - HANGING);
                            let plain = post(&url, &path(endpoint), "-", &"x".repeat(BODY_BYTES));
                            let named = String::from_utf8(plain).unwrap().replacen("\r\n", &format!("\r\nwebhook-id: {pass}.{delivery}\r\n"), 1);
                            assert_eq!(connection.send(named.as_bytes()).await.status, 200);
                        }
                    });
                }
                running.join_all().await;
                let seconds = started.elapsed().as_secs_f64();
                arrived(&receiver, delivered, EVENTS * (ENDPOINTS - HANGING)).await;
                delivered += EVENTS * (ENDPOINTS - HANGING);
                measured(seconds)
            })
        },
    )
}

#[derive(Default)]
struct Seen {
    deliveries: HashSet<(String, String)>,
    repeated: u64,
}

/// Takes what is sent to `/hook/N`, leaves `/hang/N` without an answer, and says what it has seen.
#[actix_web::main]
pub async fn serve_receiver() -> std::io::Result<()> {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let server = HttpServer::new(move || {
        let (told, taken) = (seen.clone(), seen.clone());
        let tell = move || {
            let seen = told.lock().unwrap();
            let answer = json!({ "seen": seen.deliveries.len(), "repeated": seen.repeated });
            async move { HttpResponse::Ok().json(answer) }
        };
        let take = move |request: HttpRequest, _body: web::Bytes| {
            let id = request.headers().get("webhook-id").map(|id| id.to_str().unwrap().to_owned()).unwrap_or_default();
            let mut seen = taken.lock().unwrap();
            if !seen.deliveries.insert((request.path().to_owned(), id)) {
                seen.repeated += 1;
            }
            async move { HttpResponse::Ok().finish() }
        };
        let hang = || async {
            std::future::pending::<()>().await;
            HttpResponse::Ok().finish()
        };
        App::new().route("/seen", web::get().to(tell)).route("/hook/{endpoint}", web::post().to(take)).route("/hang/{endpoint}", web::post().to(hang))
    });
    let server = server.workers(1).bind("127.0.0.1:0")?;
    println!("listening on http://{}", server.addrs()[0]);
    server.run().await
}
