//! Real PostgreSQL, Kafka and ClickHouse for tests, started by `tests/servers/up` once a test process and ended with it. A URL in the environment
//! (`TWIG_TEST_POSTGRES_URL`, `TWIG_TEST_KAFKA_BROKERS`, `TWIG_TEST_CLICKHOUSE_URL`) uses a running one instead.
//!
//! What cannot be had here is `None`, after a line that says why: the test returns, and `tests/run` counts it as skipped.
//!
//! ```ignore
//! let Some(url) = twig_test_servers::postgres_url() else { return };
//! ```
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    env,
    fs::{self, OpenOptions},
    io::{BufRead, BufReader, Lines, Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::OnceLock,
};

use sqlx::{Connection, Executor};

/// What stands in place of an address that cannot be had.
const SKIPPED: &str = "skipped: ";
const POSTGRES: &str = "TWIG_TEST_POSTGRES_URL";
const KAFKA: &str = "TWIG_TEST_KAFKA_BROKERS";
const CLICKHOUSE: &str = "TWIG_TEST_CLICKHOUSE_URL";

/// A fresh, empty database.
pub fn postgres_url() -> Option<String> {
    static SERVER: OnceLock<Shared> = OnceLock::new();
    let url = SERVER.get_or_init(|| Shared::of("postgres", POSTGRES)).address()?;
    Some(fresh_postgres(&url))
}

/// `host:port,…`; a test takes a topic of its own, such as [`unique`] gives.
pub fn kafka_brokers() -> Option<String> {
    static SERVER: OnceLock<Shared> = OnceLock::new();
    SERVER.get_or_init(|| Shared::of("kafka", KAFKA)).address()
}

/// A fresh, empty database, as `http://host:port/database`.
pub fn clickhouse_url() -> Option<String> {
    static SERVER: OnceLock<Shared> = OnceLock::new();
    let url = SERVER.get_or_init(|| Shared::of("clickhouse", CLICKHOUSE)).address()?;
    Some(fresh_clickhouse(&url))
}

/// A name that nobody else has: `prefix_` and 32 digits.
pub fn unique(prefix: &str) -> String {
    let uuid = fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap();
    format!("{prefix}_{}", uuid.trim().replace('-', ""))
}

/// A fresh database beside the one that a URL names.
pub fn fresh_postgres(url: &str) -> String {
    let (url, name) = (url.to_owned(), unique("twig"));
    let fresh = format!("{}/{name}", url.rsplit_once('/').unwrap().0);
    // On a thread of its own: the caller may be inside a runtime.
    let made = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
            connection.execute(format!("CREATE DATABASE {name}").as_str()).await.unwrap();
        });
    });
    made.join().unwrap();
    fresh
}

/// A fresh database on the ClickHouse at a URL without a path.
pub fn fresh_clickhouse(url: &str) -> String {
    let (url, name) = (url.trim_end_matches('/'), unique("twig"));
    let host = url.strip_prefix("http://").expect("TWIG_TEST_CLICKHOUSE_URL is http://host:port");
    let statement = format!("CREATE DATABASE {name}");
    let mut connection = TcpStream::connect(host).unwrap();
    write!(connection, "POST / HTTP/1.0\r\nHost: {host}\r\nContent-Length: {}\r\n\r\n{statement}", statement.len()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.lines().next().is_some_and(|status| status.contains(" 200 ")), "{answer}");
    format!("{url}/{name}")
}

/// A server of the whole test process: from the environment, or started here.
struct Shared {
    address: String,
    /// Its end is the server's.
    _servers: Option<std::sync::Mutex<Servers>>,
}

impl Shared {
    fn of(kind: &str, variable: &str) -> Self {
        if let Ok(address) = env::var(variable) {
            return Self { address, _servers: None };
        }
        let servers = Servers::run(&["--only", kind]);
        Self { address: servers.raw(variable).to_owned(), _servers: Some(std::sync::Mutex::new(servers)) }
    }

    fn address(&self) -> Option<String> {
        told(&self.address)
    }
}

/// The address; where there is none, says why.
fn told(address: &str) -> Option<String> {
    let Some(why) = address.strip_prefix(SKIPPED) else { return Some(address.to_owned()) };
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    eprintln!("SKIPPED {test}: {why}");
    if let Some(file) = env::var_os("TWIG_TEST_SKIPPED") {
        let mut file = OpenOptions::new().create(true).append(true).open(file).unwrap();
        writeln!(file, "{test}: {why}").unwrap();
    }
    None
}

/// Servers of one test's own, which it may stop and kill: `postgres`, `clickhouse`, `kafka1`, `kafka2`, …
pub struct Servers {
    child: Child,
    orders: Option<ChildStdin>,
    answers: Lines<BufReader<ChildStdout>>,
    variables: Vec<(String, String)>,
}

/// `tests/servers/up` of the checkout that the tests run in, which need not be the one they were built in: checkouts share a target folder.
fn program() -> PathBuf {
    let here = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| std::env::current_dir().unwrap(), PathBuf::from);
    here.ancestors().map(|folder| folder.join("tests/servers/up")).find(|file| file.is_file()).expect("tests/servers/up is not above this folder")
}

impl Servers {
    /// Kinds (`postgres`, `kafka`, `clickhouse`) and how many brokers; `None` where one of them cannot be had.
    pub fn start(kinds: &[&str], brokers: usize) -> Option<Self> {
        let servers = Self::run(&["--only", &kinds.join(","), "--brokers", &brokers.to_string()]);
        servers.variables.iter().all(|(_, address)| told(address).is_some()).then_some(servers)
    }

    fn run(arguments: &[&str]) -> Self {
        let mut child = Command::new(program()).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("tests/servers/up needs Python 3");
        let orders = child.stdin.take();
        let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut variables = Vec::new();
        for line in answers.by_ref().map_while(Result::ok).take_while(|line| line != "ready") {
            if let Some((name, value)) = line.strip_prefix("export ").and_then(|line| line.split_once('=')) {
                variables.push((name.to_owned(), value.trim_matches('\'').to_owned()));
            }
        }
        Self { child, orders, answers, variables }
    }

    fn raw(&self, variable: &str) -> &str {
        self.variables.iter().find(|(name, _)| name == variable).map(|(_, value)| value.as_str()).expect("tests/servers/up says how each server is had")
    }

    /// A fresh, empty database.
    pub fn postgres_url(&self) -> String {
        fresh_postgres(self.raw(POSTGRES))
    }

    pub fn kafka_brokers(&self) -> String {
        self.raw(KAFKA).to_owned()
    }

    /// A fresh, empty database, as `http://host:port/database`.
    pub fn clickhouse_url(&self) -> String {
        fresh_clickhouse(self.raw(CLICKHOUSE))
    }

    /// As its operator would; done when its process has ended.
    pub fn stop(&mut self, name: &str) {
        self.order("stop", name);
    }

    /// kill -9 of the server and its children.
    pub fn kill(&mut self, name: &str) {
        self.order("kill", name);
    }

    /// On the same port and data; done when it answers.
    pub fn start_again(&mut self, name: &str) {
        self.order("start", name);
    }

    /// Holds its process where it is.
    pub fn pause(&mut self, name: &str) {
        self.order("pause", name);
    }

    pub fn resume(&mut self, name: &str) {
        self.order("resume", name);
    }

    fn order(&mut self, verb: &str, name: &str) {
        writeln!(self.orders.as_mut().unwrap(), "{verb} {name}").unwrap();
        let answer = self.answers.next().expect("tests/servers/up runs").unwrap();
        assert_eq!(answer, format!("done {verb} {name}"));
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.orders = None;
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use sqlx::{Connection, Executor, Row};

    use super::*;

    #[tokio::test]
    async fn every_test_has_an_empty_database_with_vectors() {
        let (Some(one), Some(two)) = (postgres_url(), postgres_url()) else { return };
        assert_ne!(one, two);
        let mut connection = sqlx::PgConnection::connect(&one).await.unwrap();
        connection.execute("CREATE EXTENSION vector").await.unwrap();
        let row = connection.fetch_one("SELECT '[1,2]'::vector <-> '[1,4]'::vector, current_setting('fsync')").await.unwrap();
        assert_eq!((row.get::<f64, _>(0), row.get::<String, _>(1)), (2.0, "on".to_owned()));
    }

    #[tokio::test]
    async fn a_killed_server_comes_back_with_its_data() {
        let Some(mut servers) = Servers::start(&["postgres"], 1) else { return };
        let url = servers.postgres_url();
        let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
        connection.execute("CREATE TABLE kept AS SELECT 1 AS one").await.unwrap();
        servers.kill("postgres");
        assert!(sqlx::PgConnection::connect(&url).await.is_err());
        servers.start_again("postgres");
        let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
        assert_eq!(connection.fetch_one("SELECT one FROM kept").await.unwrap().get::<i32, _>(0), 1);
    }

    #[test]
    fn the_broker_and_the_analytics_store_answer() {
        if let Some(brokers) = kafka_brokers() {
            TcpStream::connect(brokers.split(',').next().unwrap()).unwrap();
        }
        if let Some(url) = clickhouse_url() {
            assert!(url.contains("/twig_"));
        }
    }
}
