//! pgbench: one-row inserts into the log's own table, as fast as one client can.

use std::{fs, path::PathBuf, process::Command};

use sqlx::{Connection, Executor, PgConnection};
use tokio::runtime::Handle;
use twig_bench::{
    rounds::{Contender, Measured},
    statistics::median,
};
use twig_commands::{clock::Clock, log::EventLog};

use crate::{
    ledger::{Entered, TYPE, meta},
    load::Load,
    postgres::AMOUNT,
};

pub fn pgbench(runtime: Handle, load: Load, url: &str, folder: PathBuf) -> Option<Contender> {
    Command::new("pgbench").arg("--version").output().ok()?;
    drop(EventLog::postgres(url, Clock::system(0)).unwrap());
    let mut connection = runtime.block_on(PgConnection::connect(url)).unwrap();
    runtime.block_on(connection.execute("CREATE SEQUENCE positions")).unwrap();
    let metadata = serde_json::json!({ "meta": serde_json::to_string(&meta()).unwrap() });
    let insert = format!(
        "INSERT INTO events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata, position, event_id, recorded_at, organization) \
         VALUES ('{TYPE}', 'pgbench.' || gen_random_uuid(), 1, 'Entered', '1', '{}', '{metadata}', nextval('positions'), 'evt_01arz3ndektsv4rrffq69g5fav', 1, '{}');\n",
        Entered::of(1, AMOUNT).json(),
        meta().organization
    );
    fs::write(folder.join("insert.sql"), insert).unwrap();
    let url = url.to_owned();
    Some(Contender::new("pgbench", "`pgbench -c 1 -M prepared`, a one-row INSERT into the log's own table", move || {
        let before: i64 = runtime.block_on(sqlx::query_scalar("SELECT count(*) FROM events").fetch_one(&mut connection)).unwrap();
        // A log a pass, so that each has its own latencies.
        let logs = tempfile::tempdir_in(&folder).unwrap();
        let seconds = load.pass.as_secs().max(1).to_string();
        let arguments = ["-n", "-c", "1", "-M", "prepared", "-T", &seconds, "-l", "--log-prefix", "log", "-f"];
        let output = Command::new("pgbench").current_dir(logs.path()).args(arguments).arg(folder.join("insert.sql")).arg(&url).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let log: String = fs::read_dir(logs.path()).unwrap().map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect();
        let each: Vec<f64> = log.lines().map(|line| line.split(' ').nth(2).unwrap().parse::<f64>().unwrap() / 1e6).collect();
        let after: i64 = runtime.block_on(sqlx::query_scalar("SELECT count(*) FROM events").fetch_one(&mut connection)).unwrap();
        assert_eq!(after - before, each.len() as i64, "as many rows as transactions");
        Measured::Seconds(median(&each))
    }))
}
