//! Settings: one name each in `twig.toml`, `TWIG_…` and `--…`. A bad value stops the start with its name and what is allowed; a secret's value is never shown.

use std::path::{Path, PathBuf};

use figment::{
    Figment,
    providers::{Env, Format, Serialized, Toml},
};
use serde::{Deserialize, Serialize};
use twig_commands::database::DatabaseUrl;
use twig_commands::log::HAS_EVENTSTOREDB;
use twig_domain::data_spec::RunStage;
use twig_generation::RerankerSettings;
use twig_knowledge::Embeddings;
use twig_workers::TargetSettings;

/// A topic's partitions share the work; more than this only cost.
const MAX_KAFKA_PARTITIONS: u32 = 256;
/// Longer than any load balancer needs to see that a process is not ready.
const MAX_DRAIN_S: u64 = 120;
const EVENT_STORE_SCHEMES: [&str; 4] = ["esdb", "esdb+discover", "kurrentdb", "kurrentdb+discover"];
pub const DEFAULT_FILE: &str = include_str!("twig.default.toml");

/// Settings given as flags; what is missing comes from elsewhere.
#[derive(Clone, Debug, Default, clap::Args, Serialize)]
pub struct Flags {
    /// The folder that everything is kept in
    #[arg(long, global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_dir: Option<PathBuf>,
    /// Where to listen, such as 127.0.0.1:8080; port 0 takes a free one
    #[arg(long, global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<String>,
    /// How logs are written: text or json
    #[arg(long, global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    #[arg(long, global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_level: Option<String>,
    /// The OpenTelemetry collector that traces go to, such as http://127.0.0.1:4318
    #[arg(long, global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otlp_endpoint: Option<String>,
    /// What this process does: all, or some of api, projector, relay, ingester and deliverer, with commas between
    #[arg(long, global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// How long a stopping process, one of several, goes on answering for the load balancer to see it, in seconds
    #[arg(long, global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain_s: Option<u64>,
    /// The event log: sqlite:FILE, postgres://… or esdb://…
    #[arg(long, global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events_url: Option<String>,
    /// The views: sqlite:FILE or postgres://…
    #[arg(long, global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub views_url: Option<String>,
    /// Kafka's brokers: HOST:PORT, with commas between
    #[arg(long, global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kafka_brokers: Option<String>,
    #[arg(long, global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kafka_topic: Option<String>,
    #[arg(long, global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kafka_partitions: Option<u32>,
    #[arg(long, global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kafka_retention_hours: Option<u64>,
    /// The analytics store: http://USER:PASSWORD@HOST:PORT/DATABASE
    #[arg(long, global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clickhouse_url: Option<String>,
    #[arg(long, global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_cert: Option<PathBuf>,
    #[arg(long, global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_key: Option<PathBuf>,
    #[arg(long, global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect_listen: Option<String>,
    #[arg(long, global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_base_url: Option<String>,
    #[arg(long, global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_timeout_s: Option<u64>,
    #[arg(long, global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embeddings: Option<String>,
    #[arg(long, global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search_index: Option<String>,
    #[arg(long, global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rerank_url: Option<String>,
    #[arg(long, global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rerank_model: Option<String>,
    #[arg(long, global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crawl_requests_per_second: Option<f64>,
    /// Private networks that webhooks may be sent to (CIDRs, with commas between)
    #[arg(long, global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_allow_networks: Option<String>,
    /// Allow webhooks over http to loopback (development)
    #[arg(long, global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_allow_http: Option<bool>,
    /// How long a claimed webhook message is left to its deliverer, in seconds
    #[arg(long, global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_lease_s: Option<i64>,
    /// The HTTP proxy that webhooks go through, such as http://user:password@proxy:3128
    #[arg(long, global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_proxy: Option<String>,
    /// Allow the settings that are for development
    #[arg(long, global = true)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dev: bool,
    #[arg(long, global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dev_clock_offset_s: Option<i64>,
}

#[derive(Clone, Deserialize)]
pub struct Settings {
    pub data_dir: PathBuf,
    pub listen: String,
    pub log: String,
    pub log_level: String,
    pub role: String,
    pub drain_s: u64,
    #[serde(default)]
    pub events_url: Option<String>,
    #[serde(default)]
    pub views_url: Option<String>,
    #[serde(default)]
    pub kafka_brokers: Option<String>,
    pub kafka_topic: String,
    pub kafka_partitions: u32,
    pub kafka_retention_hours: u64,
    #[serde(default)]
    pub clickhouse_url: Option<String>,
    #[serde(default)]
    pub tls_cert: Option<PathBuf>,
    #[serde(default)]
    pub tls_key: Option<PathBuf>,
    #[serde(default)]
    pub redirect_listen: Option<String>,
    #[serde(default)]
    pub master_key: Option<String>,
    #[serde(default)]
    pub model_base_url: Option<String>,
    #[serde(default)]
    pub model_api_key: Option<String>,
    pub model_timeout_s: u64,
    pub embeddings: String,
    pub search_index: String,
    #[serde(default)]
    pub rerank_url: Option<String>,
    #[serde(default)]
    pub rerank_model: Option<String>,
    #[serde(default)]
    pub rerank_api_key: Option<String>,
    #[serde(deserialize_with = "list")]
    pub crawl_allow_networks: Vec<String>,
    #[serde(deserialize_with = "list")]
    pub bucket_roots: Vec<String>,
    pub crawl_requests_per_second: f64,
    #[serde(deserialize_with = "list")]
    pub webhook_allow_networks: Vec<String>,
    #[serde(deserialize_with = "boolean")]
    pub webhook_allow_http: bool,
    pub webhook_lease_s: i64,
    #[serde(default)]
    pub otlp_endpoint: Option<String>,
    #[serde(default)]
    pub webhook_proxy: Option<String>,
    #[serde(deserialize_with = "boolean")]
    pub dev: bool,
    pub dev_clock_offset_s: i64,
    #[serde(default)]
    pub dev_stall_stage: Option<RunStage>,
}

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    Api,
    Projector,
    Relay,
    Ingester,
    Deliverer,
}

impl Role {
    pub const ALL: [Self; 5] = [Self::Api, Self::Projector, Self::Relay, Self::Ingester, Self::Deliverer];

    fn named(name: &str) -> Option<Self> {
        match name {
            "api" => Some(Self::Api),
            "projector" => Some(Self::Projector),
            "relay" => Some(Self::Relay),
            "ingester" => Some(Self::Ingester),
            "deliverer" => Some(Self::Deliverer),
            _ => None,
        }
    }
}

/// Where the event log is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventsUrl {
    Database(DatabaseUrl),
    EventStore(String),
}

/// A list, or its items with commas between, as a variable has them.
fn list<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Given {
        Many(Vec<String>),
        One(String),
    }
    Ok(match Given::deserialize(from)? {
        Given::Many(items) => items,
        Given::One(text) => text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect(),
    })
}

fn boolean<'de, D: serde::Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Given {
        Bool(bool),
        Number(u64),
    }
    match Given::deserialize(from)? {
        Given::Bool(value) => Ok(value),
        Given::Number(0) => Ok(false),
        Given::Number(1) => Ok(true),
        Given::Number(_) => Err(serde::de::Error::custom("allowed are true, false, 1 and 0")),
    }
}

impl Settings {
    pub fn load(flags: &Flags) -> Result<Self, String> {
        let folder = flags.data_dir.clone().or_else(|| std::env::var_os("TWIG_DATA_DIR").map(PathBuf::from)).unwrap_or_else(|| "data".into());
        let file = [PathBuf::from("twig.toml"), folder.join("twig.toml")].into_iter().find(|file| file.exists());
        let mut figment = Figment::from(Toml::string(DEFAULT_FILE));
        if let Some(file) = file {
            figment = figment.merge(Toml::file(file));
        }
        let settings: Self = figment.merge(Env::prefixed("TWIG_")).merge(Serialized::defaults(flags)).extract().map_err(|error| explain(&error))?;
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), String> {
        if !["text", "json"].contains(&self.log.as_str()) {
            return Err(format!("log is {:?}; allowed are text and json", self.log));
        }
        let roles = self.roles()?;
        let events = self.events()?;
        if matches!(events, EventsUrl::EventStore(_)) && !HAS_EVENTSTOREDB {
            return Err("events_url names EventStoreDB, but this build has none (its feature `eventstoredb` is off)".into());
        }
        if let (DatabaseUrl::Sqlite(_), false) = (self.beside_log()?, roles == Role::ALL) {
            return Err("role is not all; what stands in SQLite has one process that serves: set events_url and views_url to postgres://…".into());
        }
        if std::mem::discriminant(&self.beside_log()?) != std::mem::discriminant(&self.views()?) {
            return Err("events_url and views_url are allowed to name PostgreSQL both, or SQLite both; events_url may name EventStoreDB with either".into());
        }
        if roles.contains(&Role::Relay) && roles != Role::ALL && self.kafka_brokers.is_none() {
            return Err("role has relay, which needs kafka_brokers".into());
        }
        if self.kafka_brokers.is_some() && cfg!(not(feature = "kafka")) {
            return Err("kafka_brokers is set, but this build has no Kafka (its feature `kafka` is off)".into());
        }
        if self.drain_s > MAX_DRAIN_S {
            return Err(format!("drain_s is {}; allowed is 0 to {MAX_DRAIN_S}", self.drain_s));
        }
        if !(1..=MAX_KAFKA_PARTITIONS).contains(&self.kafka_partitions) {
            return Err(format!("kafka_partitions is {}; allowed is 1 to {MAX_KAFKA_PARTITIONS}", self.kafka_partitions));
        }
        if self.kafka_brokers.is_some() && !matches!(events, EventsUrl::Database(DatabaseUrl::Postgres(_))) {
            return Err("kafka_brokers is allowed with events_url and views_url on PostgreSQL only".into());
        }
        if !self.dev && (self.dev_clock_offset_s != 0 || self.dev_stall_stage.is_some()) {
            return Err("dev_clock_offset_s and dev_stall_stage are allowed with --dev only".into());
        }
        if self.tls_cert.is_some() != self.tls_key.is_some() {
            return Err("tls_cert and tls_key are allowed together only".into());
        }
        if self.redirect_listen.is_some() && self.tls_cert.is_none() {
            return Err("redirect_listen is allowed with tls_cert and tls_key only".into());
        }
        if !(self.crawl_requests_per_second > 0.0 && self.crawl_requests_per_second <= 1000.0) {
            return Err(format!("crawl_requests_per_second is {}; allowed is more than 0, up to 1000", self.crawl_requests_per_second));
        }
        self.embedding_model().map(drop)?;
        self.searched_in()?;
        self.reranker().map(drop)?;
        self.networks()?;
        if self.otlp_endpoint.as_deref().is_some_and(|text| !is_web_url(text)) {
            return Err("otlp_endpoint is not valid; allowed is http://host:port or https://host:port".into());
        }
        twig_workers::deliverer::check_lease(self.webhook_lease_s)?;
        self.webhook_targets().map(drop)
    }

    pub fn roles(&self) -> Result<Vec<Role>, String> {
        let named = |name: &str| match name.trim() {
            "all" => Ok(Role::ALL.to_vec()),
            name => Role::named(name)
                .map(|role| vec![role])
                .ok_or_else(|| format!("role has {name:?}; allowed are all, api, projector, relay, ingester and deliverer")),
        };
        let mut roles: Vec<Role> = self.role.split([',', '|']).map(named).collect::<Result<Vec<_>, String>>()?.concat();
        roles.sort_unstable();
        roles.dedup();
        Ok(roles)
    }

    /// The topic that the relay writes and the projectors read; none where the log itself feeds them.
    #[cfg(feature = "kafka")]
    pub fn kafka(&self) -> Option<twig_projections::feed::KafkaSettings> {
        Some(twig_projections::feed::KafkaSettings {
            brokers: self.kafka_brokers.clone()?,
            topic: self.kafka_topic.clone(),
            partitions: self.kafka_partitions,
            retention_hours: self.kafka_retention_hours,
        })
    }

    pub fn events(&self) -> Result<EventsUrl, String> {
        self.store("events_url", self.events_url.as_deref(), "events.db")
    }

    pub fn views(&self) -> Result<DatabaseUrl, String> {
        match self.store("views_url", self.views_url.as_deref(), "views.db")? {
            EventsUrl::EventStore(_) => Err("views_url names EventStoreDB; allowed are sqlite:FILE and postgres://USER:PASSWORD@HOST:PORT/DATABASE".into()),
            EventsUrl::Database(views) => Ok(views),
        }
    }

    /// Where all else stands that can't be made again: keys, contents, deliveries. With the events; where those are in EventStoreDB, which keeps nothing
    /// but events, in a file of its own, or in the database of the views.
    pub fn beside_log(&self) -> Result<DatabaseUrl, String> {
        match (self.events()?, self.views()?) {
            (EventsUrl::EventStore(_), DatabaseUrl::Sqlite(_)) => Ok(DatabaseUrl::Sqlite(self.file("keys.db"))),
            (EventsUrl::EventStore(_), views) => Ok(views),
            (EventsUrl::Database(events), _) => Ok(events),
        }
    }

    fn store(&self, name: &str, given: Option<&str>, file: &str) -> Result<EventsUrl, String> {
        match given {
            None => Ok(EventsUrl::Database(DatabaseUrl::Sqlite(self.file(file)))),
            Some(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => Ok(EventsUrl::Database(DatabaseUrl::Postgres(url.to_owned()))),
            Some(url) if url.split_once("://").is_some_and(|(scheme, _)| EVENT_STORE_SCHEMES.contains(&scheme)) => Ok(EventsUrl::EventStore(url.to_owned())),
            Some(url) => match url.strip_prefix("sqlite:") {
                Some(path) if !path.is_empty() => Ok(EventsUrl::Database(DatabaseUrl::Sqlite(path.strip_prefix("//").unwrap_or(path).into()))),
                // A URL may hold a password: it is not shown.
                _ => Err(format!(
                    "{name} is not valid; allowed are sqlite:FILE, postgres://USER:PASSWORD@HOST:PORT/DATABASE and, for events_url, esdb://HOST:PORT"
                )),
            },
        }
    }

    pub fn embedding_model(&self) -> Result<Embeddings, String> {
        match self.embeddings.as_str() {
            "auto" => Ok(Embeddings::Auto),
            "static" => Ok(Embeddings::Static),
            "minilm" => Ok(Embeddings::MiniLm),
            name if name.contains(':') => Ok(Embeddings::Provider(name.to_owned())),
            other => Err(format!("embeddings is {other:?}; allowed are auto, static, minilm and provider:model")),
        }
    }

    /// The database that indexes are searched in, where they are not in memory, and whether that is a must.
    pub fn searched_in(&self) -> Result<Option<(String, bool)>, String> {
        match (self.search_index.as_str(), self.beside_log()?) {
            ("local", _) | ("auto", DatabaseUrl::Sqlite(_)) => Ok(None),
            ("auto", DatabaseUrl::Postgres(url)) => Ok(Some((url, false))),
            ("postgres", DatabaseUrl::Postgres(url)) => Ok(Some((url, true))),
            ("postgres", _) => Err("search_index is \"postgres\", which is allowed with a postgres:// events_url only".into()),
            (other, _) => Err(format!("search_index is {other:?}; allowed are auto, local and postgres")),
        }
    }

    /// The provider that sorts cypress's candidates; its address and its model are set together.
    pub fn reranker(&self) -> Result<Option<RerankerSettings>, String> {
        match (&self.rerank_url, &self.rerank_model) {
            (Some(url), Some(model)) if url.starts_with("http://") || url.starts_with("https://") => {
                Ok(Some(RerankerSettings { url: url.clone(), model: model.clone(), api_key: self.rerank_api_key.clone() }))
            }
            (Some(url), Some(_)) => Err(format!("rerank_url is {url:?}; allowed are addresses that begin with http:// or https://")),
            (None, None) => Ok(None),
            _ => Err("rerank_url and rerank_model are allowed together only".into()),
        }
    }

    pub fn networks(&self) -> Result<Vec<twig_sources::IpNet>, String> {
        networks("crawl_allow_networks", &self.crawl_allow_networks)
    }

    pub fn webhook_targets(&self) -> Result<TargetSettings, String> {
        let proxy = self.webhook_proxy.as_deref().map(|text| {
            let proxy = reqwest::Url::parse(text).ok().filter(|url| url.scheme() == "http" && url.has_host() && url.path() == "/");
            proxy.ok_or("webhook_proxy is not valid; allowed is http://host:port, with a user and a password before the host where it needs them")
        });
        Ok(TargetSettings {
            allow: networks("webhook_allow_networks", &self.webhook_allow_networks)?,
            allow_http: self.webhook_allow_http,
            proxy: proxy.transpose()?,
        })
    }

    pub fn file(&self, name: &str) -> PathBuf {
        Path::new(&self.data_dir).join(name)
    }
}

fn is_web_url(text: &str) -> bool {
    reqwest::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

fn networks(name: &str, given: &[String]) -> Result<Vec<twig_sources::IpNet>, String> {
    given.iter().map(|text| text.parse().map_err(|_| format!("{name} has {text:?}; allowed are CIDRs such as 10.0.0.0/8"))).collect()
}

/// The setting's name and what is allowed; figment's own text would show a secret's value.
fn explain(error: &figment::Error) -> String {
    let name = error.path.join(".");
    let secret = ["master_key", "model_api_key", "rerank_api_key", "webhook_proxy", "events_url", "views_url", "clickhouse_url"].contains(&name.as_str());
    if secret { format!("{name} is not valid") } else { format!("{name}: {}", error.kind) }
}
