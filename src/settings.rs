//! Settings: one name each in `twig.toml`, `TWIG_…` and `--…`. A bad value stops the start with its name and what is allowed; a secret's value is never shown.

use std::path::{Path, PathBuf};

use figment::{
    Figment,
    providers::{Env, Format, Serialized, Toml},
};
use serde::{Deserialize, Serialize};
use twig_domain::data_spec::RunStage;
use twig_knowledge::Embeddings;
use twig_workers::TargetSettings;

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
    #[arg(long, global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
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
    #[serde(default)]
    pub role: Option<String>,
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
    pub webhook_proxy: Option<String>,
    #[serde(deserialize_with = "boolean")]
    pub dev: bool,
    pub dev_clock_offset_s: i64,
    #[serde(default)]
    pub dev_stall_stage: Option<RunStage>,
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
        if let Some(role) = self.role.as_deref().filter(|role| *role != "all") {
            return Err(format!("role is {role:?}; this build runs every role in one process: allowed is all"));
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
        self.networks()?;
        twig_workers::deliverer::check_lease(self.webhook_lease_s)?;
        self.webhook_targets().map(drop)
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

fn networks(name: &str, given: &[String]) -> Result<Vec<twig_sources::IpNet>, String> {
    given.iter().map(|text| text.parse().map_err(|_| format!("{name} has {text:?}; allowed are CIDRs such as 10.0.0.0/8"))).collect()
}

/// The setting's name and what is allowed; figment's own text would show a secret's value.
fn explain(error: &figment::Error) -> String {
    let name = error.path.join(".");
    let secret = ["master_key", "model_api_key", "webhook_proxy"].contains(&name.as_str());
    if secret { format!("{name} is not valid") } else { format!("{name}: {}", error.kind) }
}
