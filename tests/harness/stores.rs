//! What the binary stands on: files in its data folder or, by `TWIG_TEST_STORES`, servers: with `postgres` a database of its own for each data folder, with
//! `servers` a topic in Kafka and a database in ClickHouse besides. The same tests run on all.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// Base64 of 32 bytes, the same for all nodes on a database.
const MASTER_KEY: &str = "dHdpZyB0ZXN0cyB0d2lnIHRlc3RzIHR3aWcgdGVzdHM=";

/// Few, so that a broker has room for the topics of a whole test run.
const PARTITIONS: &str = "3";

/// Whether a test of the files themselves has any here.
#[must_use]
pub fn on_files() -> bool {
    std::env::var_os("TWIG_TEST_STORES").is_none()
}

fn on_all_servers() -> bool {
    std::env::var("TWIG_TEST_STORES").is_ok_and(|stores| stores == "servers")
}

/// What stands for one data folder.
#[derive(Clone)]
struct Servers {
    database: String,
    analytics: Option<Analytics>,
}

#[derive(Clone)]
struct Analytics {
    brokers: String,
    topic: String,
    clickhouse: String,
}

fn servers(folder: &Path) -> Servers {
    static KNOWN: Mutex<Option<HashMap<PathBuf, Servers>>> = Mutex::new(None);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let had = "tests/run asks for servers only where they are to be had";
    let analytics = || Analytics {
        brokers: twig_test_servers::kafka_brokers().expect(had),
        topic: twig_test_servers::unique("twig.events"),
        clickhouse: twig_test_servers::clickhouse_url().expect(had),
    };
    let fresh = || Servers { database: twig_test_servers::postgres_url().expect(had), analytics: on_all_servers().then(analytics) };
    known.get_or_insert_default().entry(folder.to_owned()).or_insert_with(fresh).clone()
}

/// The database that stands for a data folder.
#[must_use]
pub fn database(folder: &Path) -> String {
    servers(folder).database
}

/// The analytics database that stands beside it, as `http://host:port/database`.
#[must_use]
pub fn clickhouse(folder: &Path) -> Option<String> {
    servers(folder).analytics.map(|analytics| analytics.clickhouse)
}

/// What the binary needs in its environment.
#[must_use]
pub fn variables(folder: &Path) -> Vec<(&'static str, String)> {
    if on_files() {
        return Vec::new();
    }
    let Servers { database, analytics } = servers(folder);
    let mut variables = vec![("TWIG_EVENTS_URL", database.clone()), ("TWIG_VIEWS_URL", database), ("TWIG_MASTER_KEY", MASTER_KEY.to_owned())];
    if let Some(Analytics { brokers, topic, clickhouse }) = analytics {
        variables.extend([
            ("TWIG_KAFKA_BROKERS", brokers),
            ("TWIG_KAFKA_TOPIC", topic),
            ("TWIG_KAFKA_PARTITIONS", PARTITIONS.to_owned()),
            ("TWIG_CLICKHOUSE_URL", clickhouse),
        ]);
    }
    variables
}
