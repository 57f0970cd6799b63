//! The HTTP path: a key is known, a request counted, an agent read.

use std::process::Command;

use serde_json::json;
use twig_bench::{
    figures::Unit,
    rounds::{Contender, Row},
};

use crate::{
    Bench, http,
    twig::{Server, Twig, python, script},
};

const CONNECTIONS: usize = 32;

pub fn row(bench: &Bench) -> Option<Row> {
    let twig = Twig::start(&bench.folder.join("twig"), &[], &[])?;
    let agent = twig.call("POST", "/api/agents", Some(&json!({ "name": "Ada" })));
    let path = format!("/api/agents/{}", agent["id"].as_str().unwrap());
    let bytes = json!({ "data": agent, "status": "success" }).to_string().len();
    let workload = format!(
        "GET of one agent ({bytes} bytes) over {CONNECTIONS} connections that are kept: the key is looked up, the request counted, the agent read from `views.db`."
    );
    let mut row = Row::new("http-path", "HTTP path", Unit::PerSecond, workload);
    let (key, fastapi) = (twig.key.clone(), fastapi(&twig));
    row = row.with(contender(bench, "twig", "`twig serve`, two HTTP workers", twig.server, path.clone(), &key, bytes));
    if let Some(server) = fastapi {
        let settings = "uvicorn, two processes, uvloop and httptools; the same tables by sqlite3, `orjson`; counts in memory";
        row = row.with(contender(bench, "FastAPI", settings, server, path.clone(), &key, bytes)).at_least(15.0, "twig", "FastAPI");
    }
    let actix = Server::start(Command::new(std::env::current_exe().unwrap()).args(["--actix", &bytes.to_string()]));
    row = row.with(contender(bench, "actix", "a handler that answers the same bytes and does nothing else, two workers", actix, path, &key, bytes));
    Some(row.at_least(0.8, "twig", "actix"))
}

fn contender(bench: &Bench, name: &str, settings: &str, server: Server, path: String, key: &str, bytes: usize) -> Contender {
    let (runtime, pass) = (bench.runtime.handle().clone(), bench.pass);
    let request = http::get(&server.url, &path, key);
    Contender::new(name, settings, move || {
        runtime.block_on(http::load(&server.url, CONNECTIONS, pass, request.clone(), move |answer| answer.status == 200 && answer.body.len() == bytes))
    })
}

fn fastapi(twig: &Twig) -> Option<Server> {
    Some(Server::start(Command::new(python()?).arg(script("fastapi_agent.py")).arg(twig.folder.join("views.db"))))
}

/// The limit: an actix handler of so many bytes, in a process of its own.
#[actix_web::main]
pub async fn actix(bytes: usize) -> std::io::Result<()> {
    use actix_web::{App, HttpResponse, HttpServer, web};
    let body = actix_web::web::Bytes::from("x".repeat(bytes));
    let server = HttpServer::new(move || {
        let body = body.clone();
        App::new().default_service(web::to(move || {
            let body = body.clone();
            async move { HttpResponse::Ok().content_type("application/json").body(body) }
        }))
    });
    let server = server.workers(2).bind("127.0.0.1:0")?;
    println!("listening on http://{}", server.addrs()[0]);
    server.run().await
}
