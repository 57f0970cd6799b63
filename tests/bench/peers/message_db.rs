//! message-db: its own functions, from its package, in a database of their own.

use std::path::PathBuf;

use sqlx::{Executor, PgPool, Row as _};
use tokio::runtime::Handle;
use twig_bench::rounds::Contender;
use twig_commands::database::MAX_CONNECTIONS;

use crate::{
    ledger::{Enter, Entered, Ledger, meta},
    load::{self, Done, Load},
    postgres::{AMOUNT, pool},
};

/// What its install script runs, in its order. `gen_random_uuid` is PostgreSQL's own today, so pgcrypto is left out.
const FILES: [&str; 16] = [
    "schema/message-store.sql",
    "types/message.sql",
    "tables/messages.sql",
    "functions/hash-64.sql",
    "functions/category.sql",
    "functions/acquire-lock.sql",
    "functions/is-category.sql",
    "functions/id.sql",
    "functions/cardinal-id.sql",
    "functions/stream-version.sql",
    "functions/write-message.sql",
    "functions/get-stream-messages.sql",
    "functions/get-last-stream-message.sql",
    "indexes/messages-id.sql",
    "indexes/messages-stream.sql",
    "indexes/messages-category.sql",
];

/// Where `run` has put the package.
pub fn package() -> Option<PathBuf> {
    std::env::var_os("TWIG_BENCH_MESSAGE_DB").map(PathBuf::from)
}

pub fn message_db(runtime: Handle, load: Load, url: &str) -> Option<Contender> {
    let package = package()?;
    let path = format!("{url}?options=-csearch_path%3Dmessage_store%2Cpublic");
    let pool = runtime.block_on(async {
        let pool = pool(&path, MAX_CONNECTIONS).await;
        for file in FILES {
            pool.execute(std::fs::read_to_string(package.join("database").join(file)).unwrap().as_str()).await.unwrap();
        }
        pool
    });
    let settings = format!("1.3.1, `get_last_stream_message` and `write_message` with the expected version, one category, pool of {MAX_CONNECTIONS}");
    Some(Contender::new("message-db", settings, move || {
        let entering = pool.clone();
        let done = runtime.block_on(load::run(load, move |stream| enter(entering.clone(), format!("ledger-{stream}"))));
        runtime.block_on(check(&pool, &done));
        done.measured(load.figure)
    }))
}

/// Load, decide, write; what was written in between is loaded again.
async fn enter(pool: PgPool, stream: String) {
    loop {
        let last = sqlx::query("SELECT position, data FROM get_last_stream_message($1)").bind(&stream).fetch_optional(&pool).await.unwrap();
        let (version, state) = last.map_or((-1, Ledger::default()), |row| {
            let entered: Entered = serde_json::from_str(row.get(1)).unwrap();
            (row.get::<i64, _>(0), Ledger { entries: entered.number })
        });
        let event = twig_domain::Decide::decide(&state, Enter { amount: AMOUNT }).unwrap().remove(0);
        let write = sqlx::query("SELECT write_message($1, $2, 'Entered', $3::jsonb, $4::jsonb, $5)");
        let write = write.bind(uuid::Uuid::new_v4().to_string()).bind(&stream).bind(event.json());
        match write.bind(serde_json::json!({ "meta": serde_json::to_string(&meta()).unwrap() }).to_string()).bind(version).execute(&pool).await {
            Ok(_) => break,
            Err(error) => assert!(error.to_string().contains("Wrong expected version"), "{error}"),
        }
    }
}

async fn check(pool: &PgPool, done: &Done) {
    let sql = "SELECT count(*), count(*) FILTER (WHERE (data ->> 'number')::bigint <> position + 1) FROM messages WHERE stream_name LIKE $1";
    let row = sqlx::query(sql).bind(format!("ledger-{}%", done.prefix)).fetch_one(pool).await.unwrap();
    assert_eq!((row.get::<i64, _>(0) as u64, row.get::<i64, _>(1)), (done.acknowledged, 0), "acknowledged, stored and numbered");
}
