//! What the binary stands on: files in its data folder or, by `TWIG_TEST_STORES`, servers: with `postgres` a database of its own for each data folder, with
//! `servers` a topic in Kafka and a database in ClickHouse besides. The same tests run on all. A single test may keep its events in EventStoreDB.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Mutex, OnceLock, PoisonError},
};

use twig_test_eventstore_double::Double;

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

/// Data folders whose events are in EventStoreDB, and where.
static EVENT_STORES: Mutex<Option<HashMap<PathBuf, String>>> = Mutex::new(None);

/// Keeps the events of a data folder in the EventStoreDB of `TWIG_TEST_EVENTSTOREDB_URL`, else in its protocol double; all else stays in the folder.
pub fn on_eventstore(folder: &Path) {
    static DOUBLE: OnceLock<Double> = OnceLock::new();
    let url = std::env::var("TWIG_TEST_EVENTSTOREDB_URL").unwrap_or_else(|_| DOUBLE.get_or_init(Double::start).url());
    let url = format!("{url}#{}", twig_test_servers::unique("twig"));
    EVENT_STORES.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default().insert(folder.to_owned(), url);
}

/// What the binary needs in its environment.
#[must_use]
pub fn variables(folder: &Path) -> Vec<(&'static str, String)> {
    let event_store = EVENT_STORES.lock().unwrap_or_else(PoisonError::into_inner).as_ref().and_then(|known| known.get(folder).cloned());
    if let Some(url) = event_store {
        return vec![("TWIG_EVENTS_URL", url)];
    }
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
