//! The contenders on one SQLite file with `synchronous=FULL`, on the log's own table.

use std::{path::Path, time::Instant};

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use tokio::runtime::Handle;
use twig_bench::rounds::{Contender, Measured};
use twig_commands::{
    bus::{CommandBus, CommandContext},
    clock::Clock,
    ids::new_id,
    log::EventLog,
};
use twig_domain::{Decide, id::EventId};

use crate::{
    ledger::{Enter, Entered, Ledger, TYPE, meta},
    load::{self, Done, Load, Names},
    postgres::AMOUNT,
};

const BATCH_ROWS: u64 = 1024;
const CHECK: &str = "SELECT count(*), count(*) FILTER (WHERE json_extract(payload, '$.number') <> sequence) FROM events WHERE aggregate_type = 'Ledger' AND aggregate_id GLOB ?1";

/// The log's own table and settings, written by hand.
fn open(file: &Path) -> Connection {
    drop(EventLog::open(file, Clock::system(0)).unwrap());
    let connection = Connection::open(file).unwrap();
    for (pragma, value) in [("journal_mode", "WAL"), ("synchronous", "FULL"), ("wal_autocheckpoint", "4000"), ("secure_delete", "1")] {
        connection.pragma_update(None, pragma, value).unwrap();
    }
    connection
}

fn check(file: &Path, done: &Done) {
    let connection = Connection::open(file).unwrap();
    let row = |row: &rusqlite::Row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
    let (events, misnumbered) = connection.query_row(CHECK, [format!("{}*", done.prefix)], row).unwrap();
    assert_eq!((events as u64, misnumbered), (done.acknowledged, 0), "acknowledged, stored and numbered");
    let gaps: i64 = connection.query_row("SELECT max(position) - count(*) FROM events", [], |row| row.get(0)).unwrap();
    assert_eq!(gaps, 0, "positions have no gap");
}

pub fn twig(runtime: Handle, load: Load, folder: &Path) -> Contender {
    let file = folder.join("twig.db");
    let bus = CommandBus::new(EventLog::open(&file, Clock::system(0)).unwrap(), runtime.clone());
    Contender::new("twig", "the command bus on `EventLog::open`: WAL, FULL", move || {
        let bus = bus.clone();
        let enter = move |stream| {
            let bus = bus.clone();
            async move { drop(bus.execute::<Ledger>(stream, vec![Enter { amount: AMOUNT }], CommandContext::of(meta())).await.unwrap()) }
        };
        let done = runtime.block_on(load::run(load, enter));
        check(&file, &done);
        done.measured(load.figure)
    })
}

/// Load, decide, insert and commit, one command after the other: the fastest that this can be, since nobody waits for a lock.
pub fn transaction_a_command(load: Load, folder: &Path) -> Contender {
    let file = folder.join("single.db");
    let mut connection = open(&file);
    Contender::new("a transaction a command", "one thread: load, decide, insert, commit; WAL, FULL, prepared statements", move || {
        let mut names = Names::of(load.streams, &load::pass_prefix(), 0);
        let (started, mut each) = (Instant::now(), Vec::new());
        while started.elapsed() < load.pass {
            let begun = Instant::now();
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
            let position = position(&transaction) + 1;
            enter(&transaction, position, &names.next());
            transaction.commit().unwrap();
            each.push(begun.elapsed().as_secs_f64());
        }
        let done = Done { prefix: names.prefix().to_owned(), acknowledged: each.len() as u64, seconds: started.elapsed().as_secs_f64(), each };
        check(&file, &done);
        done.measured(load.figure)
    })
}

/// Inserts without loading or deciding, a commit for each 1,024.
pub fn batches(load: Load, folder: &Path) -> Contender {
    let file = folder.join("batches.db");
    let mut connection = open(&file);
    Contender::new("1,024-row batches", "one thread that only inserts: WAL, FULL, prepared statements", move || {
        let prefix = load::pass_prefix();
        let (started, mut rows) = (Instant::now(), 0);
        let event = Entered::of(1, AMOUNT);
        while started.elapsed() < load.pass {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
            let before = position(&transaction);
            for place in 1..=BATCH_ROWS {
                rows += 1;
                insert(&transaction, before + place, &format!("{prefix}{rows}"), &event);
            }
            transaction.commit().unwrap();
        }
        let done = Done { prefix, acknowledged: rows, seconds: started.elapsed().as_secs_f64(), each: Vec::new() };
        check(&file, &done);
        Measured::Rate { operations: rows, seconds: done.seconds }
    })
}

fn position(transaction: &Transaction) -> u64 {
    let mut newest = transaction.prepare_cached("SELECT position FROM events ORDER BY position DESC LIMIT 1").unwrap();
    newest.query_row([], |row| row.get::<_, i64>(0)).optional().unwrap().unwrap_or(0) as u64
}

fn enter(transaction: &Transaction, position: u64, stream: &str) {
    let mut last =
        transaction.prepare_cached("SELECT payload FROM events WHERE aggregate_type = ?1 AND aggregate_id = ?2 ORDER BY sequence DESC LIMIT 1").unwrap();
    let last: Option<String> = last.query_row([TYPE, stream], |row| row.get(0)).optional().unwrap();
    let state = last.map_or_else(Ledger::default, |payload| Ledger { entries: serde_json::from_str::<Entered>(&payload).unwrap().number });
    let event = state.decide(Enter { amount: AMOUNT }).unwrap().remove(0);
    insert(transaction, position, stream, &event);
}

fn insert(transaction: &Transaction, position: u64, stream: &str, event: &Entered) {
    let mut insert = transaction
        .prepare_cached(
            "INSERT INTO events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata, position, event_id, recorded_at, organization) \
             VALUES (?1, ?2, ?3, 'Entered', '1', ?4, ?5, ?6, ?7, ?8, ?9)",
        )
        .unwrap();
    let (meta, now) = (meta(), Clock::system(0).now());
    let id: EventId = new_id(now);
    let metadata = serde_json::to_string(&meta).unwrap();
    let values =
        params![TYPE, stream, event.number as i64, event.json(), metadata, position as i64, id.to_string(), now.millis(), meta.organization.to_string()];
    insert.execute(values).unwrap();
}
