//! The append as a client has it: an agent created by a request, on the same PostgreSQL.

use serde_json::json;
use sqlx::{Connection, PgConnection};
use tokio::task::JoinSet;
use twig_bench::rounds::{Contender, Measured};

use crate::{
    Bench,
    http::{Connection as Http, post},
    twig::Twig,
};

/// Base64 of 32 bytes.
pub const MASTER_KEY: &str = "dHdpZyBiZW5jaCB0d2lnIGJlbmNoIHR3aWcgYmVuY2g=";

pub fn twig(bench: &Bench, connections: usize, url: &str) -> Option<Contender> {
    let twig = Twig::start(&bench.folder.join("http"), &[("TWIG_EVENTS_URL", url), ("TWIG_VIEWS_URL", url), ("TWIG_MASTER_KEY", MASTER_KEY)], &[])?;
    let (runtime, pass) = (bench.runtime.handle().clone(), bench.pass);
    let mut database = runtime.block_on(PgConnection::connect(url)).unwrap();
    let request = post(&twig.server.url, "/api/agents", &twig.key, &json!({ "name": "Ada", "fallbackMessage": "No." }).to_string());
    Some(Contender::new("twig over HTTP", "`POST /api/agents` to `twig serve`, which also folds the views", move || {
        runtime.block_on(async {
            let before = created(&mut database).await;
            let mut opened = Vec::new();
            for _ in 0..connections {
                opened.push(Http::open(&twig.server.url).await);
            }
            let (started, mut running) = (std::time::Instant::now(), JoinSet::new());
            for mut connection in opened {
                let request = request.clone();
                running.spawn(async move {
                    let mut acknowledged = 0;
                    while started.elapsed() < pass {
                        let answer = connection.send(&request).await;
                        assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(answer.body));
                        acknowledged += 1;
                    }
                    acknowledged
                });
            }
            let operations: u64 = running.join_all().await.into_iter().sum();
            let seconds = started.elapsed().as_secs_f64();
            assert_eq!(created(&mut database).await - before, operations, "an event for each request that was acknowledged");
            Measured::Rate { operations, seconds }
        })
    }))
}

async fn created(database: &mut PgConnection) -> u64 {
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM events WHERE event_type = 'AgentCreated'").fetch_one(database).await.unwrap();
    count.unsigned_abs()
}
