//! The rows of the suite. `./tests/bench/run` builds what they need and names what is not there; by hand:
//!
//! `peers [--rounds N] [--seconds S] [ROW…]` measures, `peers --list` names the rows, `peers --document` writes the document anew,
//! `peers --growth [--events N] [--chunks N] [--data FOLDER]` measures what should be flat; a folder is gone on with,
//! `peers --leak MINUTES` watches the memory of the binary under a steady load,
//! `peers --profile ROW CONTENDER` prints what `perf` says of one contender,
//! `peers --once ROW CONTENDER` makes a single pass (under `strace -c`, for the counts of syncs).
#![expect(clippy::unwrap_used, reason = "benchmarks")]

mod chat;
mod dashboard;
mod documents;
mod embedded;
mod growth;
mod http;
mod ingest;
mod interactions;
mod kafka_clickhouse;
mod leak;
mod ledger;
mod load;
mod message_db;
mod pgbench;
mod postgres;
mod profile;
mod read_agent;
mod rebuild;
mod relay;
mod retrieval;
mod rows;
mod syncs;
mod through_http;
mod topic;
mod twig;
mod umadb;
mod webhooks;

use std::{path::PathBuf, time::Duration};

use twig_bench::{document, rounds::MIN_ROUNDS};

/// What every row is given.
pub struct Bench {
    pub runtime: tokio::runtime::Runtime,
    /// How long a pass lasts.
    pub pass: Duration,
    /// A folder on the disk that is measured.
    pub folder: PathBuf,
    /// Whether this process only makes a single pass.
    pub once: bool,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let option = |name: &str| arguments.iter().position(|argument| argument == name).and_then(|place| arguments.get(place + 1));
    let names: Vec<&str> = rows::ROWS.iter().map(|(name, _)| *name).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        return println!("{}", names.join("\n"));
    }
    if arguments.iter().any(|argument| argument == "--document") {
        return document::write(&names);
    }
    if let Some(bytes) = option("--actix") {
        return read_agent::actix(bytes.parse().unwrap()).unwrap();
    }
    if arguments.iter().any(|argument| argument == "--receiver") {
        return webhooks::serve_receiver().unwrap();
    }
    if arguments.iter().any(|argument| argument == "--provider") {
        return chat::serve_provider().unwrap();
    }
    let seconds = option("--seconds").map_or(1.0, |seconds| seconds.parse().unwrap());
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let bench = Bench {
        runtime: tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap(),
        pass: Duration::from_secs_f64(seconds),
        folder: folder.path().to_owned(),
        once: arguments.iter().any(|argument| ["--once", "--profile"].contains(&argument.as_str())),
    };
    if let Some(place) = arguments.iter().position(|argument| argument == "--once") {
        return syncs::once(&bench, &arguments[place + 1], &arguments[place + 2]);
    }
    if let Some(place) = arguments.iter().position(|argument| argument == "--profile") {
        return profile::profile(&bench, &arguments[place + 1], &arguments[place + 2]);
    }
    if arguments.iter().any(|argument| argument == "--growth") {
        let most = |name, standard: u64| option(name).map_or(standard, |most| most.parse().unwrap());
        let data = option("--data").map_or_else(|| bench.folder.join("growth"), PathBuf::from);
        growth::measure(&bench, &data, most("--events", 1_000_000), most("--chunks", 100_000) as usize);
        return document::write(&names);
    }
    if let Some(minutes) = option("--leak") {
        leak::check(&bench, minutes.parse().unwrap());
        return document::write(&names);
    }
    let rounds = option("--rounds").map_or(MIN_ROUNDS, |rounds| rounds.parse().unwrap());
    let asked: Vec<&String> = arguments.iter().filter(|argument| names.contains(&argument.as_str())).collect();
    for (name, make) in &rows::ROWS {
        if !asked.is_empty() && !asked.iter().any(|asked| asked.as_str() == *name) {
            continue;
        }
        match make(&bench) {
            Some(row) => {
                row.run(rounds, &bench.folder);
                document::write(&names);
            }
            None => println!("SKIPPED {name}"),
        }
    }
}
