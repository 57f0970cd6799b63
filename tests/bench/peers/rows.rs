//! The rows of the issue that asked for them: workload, contenders, goals.

use std::collections::BTreeMap;

use twig_bench::{
    figures::{Bound, Unit},
    machine::told,
    rounds::Row,
};

use crate::{
    Bench, chat, dashboard, embedded, ingest, kafka_clickhouse,
    ledger::EVENT_BYTES,
    load::{Figure, Load, Streams},
    message_db::message_db,
    pgbench::pgbench,
    postgres, read_agent, rebuild, relay, retrieval, syncs, through_http, umadb, webhooks,
};

type Make = fn(&Bench) -> Option<Row>;

pub const ROWS: [(&str, Make); 14] = [
    ("append-embedded", append_embedded),
    ("append-postgres", append_postgres),
    ("append-one-client", append_one_client),
    ("hot-aggregate", hot_aggregate),
    ("http-path", read_agent::row),
    ("relay", relay::throughput),
    ("relay-latency", relay::latency),
    ("rebuild", rebuild::row),
    ("kafka-clickhouse", kafka_clickhouse::row),
    ("dashboard", dashboard::row),
    ("webhooks", webhooks::row),
    ("retrieval", retrieval::row),
    ("chat-overhead", chat::row),
    ("ingest", ingest::row),
];

const IN_FLIGHT: usize = 64;

fn load(bench: &Bench, clients: usize, streams: Streams, figure: Figure) -> Load {
    Load { clients, streams, figure, pass: bench.pass }
}

fn append_embedded(bench: &Bench) -> Option<Row> {
    let load = load(bench, IN_FLIGHT, Streams::Mixed, Figure::Rate);
    let workload = format!("{IN_FLIGHT} in flight; load, decide and append one event of {EVENT_BYTES} bytes to SQLite, one of ten on 100 Zipf-hot streams.");
    let mut row = Row::new("append-embedded", "Append, embedded", Unit::PerSecond, workload)
        .with(embedded::twig(bench.runtime.handle().clone(), load, &bench.folder))
        .with(embedded::transaction_a_command(load, &bench.folder))
        .with(embedded::batches(load, &bench.folder))
        .at_least(20.0, "twig", "a transaction a command")
        .at_least(0.6, "twig", "1,024-row batches");
    row.versions = BTreeMap::from([("SQLite".to_owned(), rusqlite::version().to_owned())]);
    match umadb::umadb(bench.runtime.handle().clone(), load, &bench.folder) {
        Some(contender) => {
            row = row.with(contender).at_least(1.3, "twig", "UmaDB");
            row.versions.insert("UmaDB".to_owned(), umadb::VERSION.to_owned());
        }
        None => println!("  SKIPPED UmaDB: its package is not there"),
    }
    if !bench.once {
        for (contender, bound) in [("twig", Some(Bound::AtMost(1.0 / 32.0))), ("a transaction a command", None), ("1,024-row batches", None)] {
            if let Some(syncs) = syncs::by_strace(&row, contender) {
                row.count(format!("syncs an event, {contender} (`strace -c`)"), syncs, bound);
            }
        }
    }
    Some(row)
}

fn append_postgres(bench: &Bench) -> Option<Row> {
    let load = load(bench, IN_FLIGHT, Streams::Mixed, Figure::Rate);
    let workload = format!("{IN_FLIGHT} in flight; load, decide and append one event of {EVENT_BYTES} bytes, one of ten on 100 Zipf-hot streams.");
    let runtime = bench.runtime.handle();
    let fresh = twig_test_servers::postgres_url;
    let mut row = Row::new("append-postgres", "Append, PostgreSQL", Unit::PerSecond, workload);
    row = row.with(postgres::twig(runtime.clone(), load, &fresh()?)).with(postgres::postgres_es(runtime.clone(), load, &fresh()?));
    if let Some(contender) = message_db(runtime.clone(), load, &fresh()?) {
        row = row.with(contender).at_least(50.0, "twig", "message-db");
    }
    if let Some(contender) = through_http::twig(bench, IN_FLIGHT, &fresh()?) {
        row = row.with(contender).at_least(4.0, "twig over HTTP", "postgres-es");
    }
    row = row.with(postgres::copy(runtime.clone(), load, &fresh()?)).at_least(10.0, "twig", "postgres-es").at_least(0.4, "twig", "COPY");
    row.versions = postgres_versions();
    for make in [postgres::twig, postgres::postgres_es] {
        let url = fresh()?;
        let contender = make(runtime.clone(), load, &url);
        let name = format!("syncs an event, {} (`pg_stat_wal`)", contender.name);
        row.count(name, syncs::by_wal(runtime, &url, contender), None);
    }
    let url = fresh()?;
    if let Some(contender) = message_db(runtime.clone(), load, &url) {
        row.count("syncs an event, message-db (`pg_stat_wal`)", syncs::by_wal(runtime, &url, contender), None);
    }
    Some(row)
}

fn append_one_client(bench: &Bench) -> Option<Row> {
    let load = load(bench, 1, Streams::Mixed, Figure::P50);
    let workload = format!("One in flight; load, decide and append one event of {EVENT_BYTES} bytes, one of ten on 100 Zipf-hot streams.");
    let runtime = bench.runtime.handle();
    let fresh = twig_test_servers::postgres_url;
    let mut row = Row::new("append-one-client", "Append, one client", Unit::Seconds, workload)
        .with(postgres::twig(runtime.clone(), load, &fresh()?))
        .with(postgres::postgres_es(runtime.clone(), load, &fresh()?))
        .at_most(0.75, "twig", "postgres-es");
    if let Some(contender) = pgbench(runtime.clone(), load, &fresh()?, bench.folder.clone()) {
        row = row.with(contender).at_most(1.25, "twig", "pgbench");
    }
    row.versions = postgres_versions();
    Some(row)
}

fn hot_aggregate(bench: &Bench) -> Option<Row> {
    let load = load(bench, IN_FLIGHT, Streams::One, Figure::Rate);
    let workload = format!("{IN_FLIGHT} clients on one aggregate, a new one each pass; load, decide and append one event of {EVENT_BYTES} bytes.");
    let runtime = bench.runtime.handle();
    let fresh = twig_test_servers::postgres_url;
    let row = Row::new("hot-aggregate", "Hot aggregate", Unit::PerSecond, workload)
        .with(postgres::twig(runtime.clone(), load, &fresh()?))
        .with(postgres::postgres_es(runtime.clone(), load, &fresh()?))
        .at_least(30.0, "twig", "postgres-es");
    Some(Row { versions: postgres_versions(), ..row })
}

fn postgres_versions() -> BTreeMap<String, String> {
    let versions = [("PostgreSQL", "16 (`tests/servers`)"), ("postgres-es", "0.5.0"), ("cqrs-es", "0.5.0"), ("sqlx", "0.8.6")];
    let mut versions: BTreeMap<String, String> = versions.into_iter().map(|(name, version)| (name.to_owned(), version.to_owned())).collect();
    versions.insert("pgbench".to_owned(), told("pgbench", &["--version"]));
    versions
}
