//! Equal durability, counted: how many times a contender has the disk sync, an operation.

use std::{process::Command, time::Duration};

use sqlx::{Connection, PgConnection, Row as _};
use tokio::runtime::Handle;
use twig_bench::rounds::{Contender, Measured, Row};

use crate::{Bench, rows::ROWS};

/// Long enough that the syncs of opening a store do not weigh.
const COUNTED_SECONDS: &str = "4";

/// A single pass of one contender; what it did stands on standard output.
pub fn once(bench: &Bench, row: &str, contender: &str) {
    let (_, make) = ROWS.iter().find(|(name, _)| *name == row).unwrap();
    let mut row = make(bench).unwrap();
    let contender = row.contenders.iter_mut().find(|known| known.name == contender).unwrap();
    let Measured::Rate { operations, .. } = (contender.pass)() else { panic!("syncs are counted of rates") };
    println!("operations {operations}");
}

/// `fdatasync` and `fsync` an operation, as `strace -c` counts them in a process of its own; `None` where there is no strace.
pub fn by_strace(row: &Row, contender: &str) -> Option<f64> {
    let counts = tempfile::NamedTempFile::new().unwrap();
    let mut strace = Command::new("strace");
    strace.args(["-f", "-c", "-e", "trace=fdatasync,fsync", "-o"]).arg(counts.path()).arg(std::env::current_exe().unwrap());
    let output = strace.args(["--seconds", COUNTED_SECONDS, "--once", row.name, contender]).output().ok()?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let operations: f64 = printed.lines().find_map(|line| line.strip_prefix("operations "))?.parse().unwrap();
    // % time, seconds, usecs/call, calls, errors where there are any, syscall
    let calls =
        |line: &str| ["fdatasync", "fsync"].iter().any(|call| line.ends_with(call)).then(|| line.split_whitespace().nth(3)?.parse::<f64>().ok()).flatten();
    let syncs: f64 = std::fs::read_to_string(counts.path()).unwrap().lines().filter_map(calls).sum();
    Some(syncs / operations)
}

/// `wal_sync` of the server's statistics an operation. The contender's connections are ended first: a backend tells what it did at its end.
pub fn by_wal(runtime: &Handle, url: &str, contender: Contender) -> f64 {
    let mut connection = runtime.block_on(PgConnection::connect(url)).unwrap();
    let before = runtime.block_on(wal_syncs(&mut connection));
    let mut contender = contender;
    let Measured::Rate { operations, .. } = (contender.pass)() else { panic!("syncs are counted of rates") };
    drop(contender);
    runtime.block_on(async {
        let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
        while sqlx::query_scalar::<_, i64>(others).fetch_one(&mut connection).await.unwrap() > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        (wal_syncs(&mut connection).await - before) / operations as f64
    })
}

async fn wal_syncs(connection: &mut PgConnection) -> f64 {
    sqlx::query("SELECT wal_sync FROM pg_stat_wal").fetch_one(connection).await.unwrap().get::<i64, _>(0) as f64
}
