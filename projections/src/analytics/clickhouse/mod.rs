//! The analytics store: the same cells in ClickHouse, for those whose view store should not carry them all.
//!
//! Interactions and feedback are append-only wide tables; materialized views keep the cells as aggregate states, and no query says `FINAL`. It is optional:
//! without it, and when it fails, the figures are the view store's, which alone holds words.

mod query;
pub(super) mod ranges;
mod rows;
mod sink;

use std::time::Duration;

use clickhouse::Client;
use twig_commands::database::StoreError;
use url::Url;

pub(super) use ranges::create;
pub use sink::ClickHouseSink;

/// Files are applied once, in order; a statement ends with a semicolon at a line's end.
const MIGRATIONS: [(u32, &str); 2] =
    [(1, include_str!("../../../../schemas/clickhouse/0001_interactions.sql")), (2, include_str!("../../../../schemas/clickhouse/0002_rollups.sql"))];
const DEFAULT_DATABASE: &str = "twig";
const SYSTEM_LOGS_DAYS: u32 = 7;
const QUERY_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
pub enum ClickHouseError {
    #[error("the URL of ClickHouse is not http://[user:password@]host:port[/database]")]
    Url,
    #[error("ClickHouse failed: {0}")]
    Server(#[from] clickhouse::error::Error),
    #[error("ClickHouse did not answer in {} s", QUERY_TIMEOUT.as_secs())]
    Late,
    #[error(transparent)]
    View(#[from] crate::ViewError),
}

impl From<StoreError> for ClickHouseError {
    fn from(error: StoreError) -> Self {
        Self::View(error.into())
    }
}

#[derive(Clone)]
pub struct ClickHouse {
    client: Client,
    database: String,
}

impl ClickHouse {
    /// A store at a URL, whose path is the database. Nothing is asked of it yet.
    pub fn at(url: &str) -> Result<Self, ClickHouseError> {
        let mut url = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host()).ok_or(ClickHouseError::Url)?;
        let database = url.path().trim_matches('/').to_owned();
        let database = if database.is_empty() { DEFAULT_DATABASE.to_owned() } else { database };
        if !database.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_') {
            return Err(ClickHouseError::Url);
        }
        let decoded = |text: &str| percent_decoded(text);
        let (user, password) = (decoded(url.username()), url.password().map(decoded));
        url.set_path("");
        let (Ok(()), Ok(())) = (url.set_username(""), url.set_password(None)) else { return Err(ClickHouseError::Url) };
        let mut client = Client::default().with_url(url.as_str());
        if !user.is_empty() {
            client = client.with_user(user).with_password(password.unwrap_or_default());
        }
        Ok(Self { client, database })
    }

    /// The database, where there is one.
    fn client(&self) -> Client {
        self.client.clone().with_database(&self.database)
    }

    /// Makes the database and its tables, or brings them to this version's.
    pub async fn migrate(&self) -> Result<(), ClickHouseError> {
        self.client.query(&format!("CREATE DATABASE IF NOT EXISTS {}", self.database)).execute().await?;
        let client = self.client();
        client
            .query("CREATE TABLE IF NOT EXISTS migrations (version UInt32, applied_at DateTime DEFAULT now()) ENGINE = MergeTree ORDER BY version")
            .execute()
            .await?;
        client
            .query("CREATE TABLE IF NOT EXISTS installations (generation String, made_at DateTime64(6) DEFAULT now64(6)) ENGINE = MergeTree ORDER BY made_at")
            .execute()
            .await?;
        let applied: u32 = client.query("SELECT max(version) FROM migrations").fetch_one().await?;
        for (version, statements) in MIGRATIONS.into_iter().filter(|(version, _)| *version > applied) {
            for statement in statements.split(";\n").filter(|statement| !statement.trim().is_empty()) {
                client.query_raw(statement).execute().await?;
            }
            client.query("INSERT INTO migrations (version) VALUES (?)").bind(version).execute().await?;
        }
        self.age_system_logs().await;
        Ok(())
    }

    /// The server's logs about itself would grow for ever. Somebody else's server may not let us.
    async fn age_system_logs(&self) {
        let logs = "SELECT name FROM system.tables WHERE database = 'system' AND name LIKE '%\\_log' AND engine LIKE '%MergeTree' AND create_table_query NOT LIKE '% TTL %'";
        let logs: Vec<String> = match self.client.query_raw(logs).fetch_all().await {
            Ok(logs) => logs,
            Err(error) => return tracing::debug!(%error, "ClickHouse's system tables could not be read"),
        };
        for log in logs {
            let statement = format!("ALTER TABLE system.{log} MODIFY TTL event_date + INTERVAL {SYSTEM_LOGS_DAYS} DAY");
            if let Err(error) = self.client.query(&statement).execute().await {
                tracing::debug!(%error, log, "a system log of ClickHouse could not be given a TTL");
            }
        }
    }

    /// Whether it answers, and how many interactions it has.
    pub async fn check(&self) -> Result<i64, ClickHouseError> {
        let counted = self.client().query("SELECT sum(toInt64(sign)) FROM interactions").fetch_one();
        Ok(tokio::time::timeout(QUERY_TIMEOUT, counted).await.map_err(|_| ClickHouseError::Late)??)
    }
}

impl crate::Views {
    /// The position that ClickHouse has reached, as this store knows it.
    pub(super) async fn clickhouse_position(&self) -> Result<u64, crate::ViewError> {
        self.read(crate::views::Tenant::All, |session, _| Ok(ranges::read(session, ranges::LOG_PARTITION)?.map_or(0, |reached| reached.offset))).await
    }
}

fn percent_decoded(text: &str) -> String {
    url::form_urlencoded::parse(format!("v={}", text.replace('+', "%2B")).as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_database_is_the_path_of_the_url() {
        assert_eq!(ClickHouse::at("http://127.0.0.1:8123").unwrap().database, "twig");
        assert_eq!(ClickHouse::at("http://u:p%40@127.0.0.1:8123/figures").unwrap().database, "figures");
        for url in ["", "127.0.0.1:8123", "tcp://127.0.0.1:9000", "http://127.0.0.1:8123/a`b", "http://127.0.0.1/a/b"] {
            assert!(matches!(ClickHouse::at(url), Err(ClickHouseError::Url)), "{url}");
        }
        assert_eq!(percent_decoded("p%40+"), "p@+");
    }
}
