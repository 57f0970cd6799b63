//! The parts of one process, put together on a data folder.

use std::{
    fs,
    io::{ErrorKind, Write},
    path::Path,
};

use twig_commands::{
    bus::CommandBus,
    clock::Clock,
    content::ContentStore,
    database::DatabaseUrl,
    idempotency::Idempotency,
    log::EventLog,
    vault::{MasterKey, Vault},
};
use twig_generation::{ModelSettings, Models};
use twig_knowledge::{Knowledge, KnowledgeSettings, SharedAnswers, StoredIndexes};
use twig_projections::{ClickHouse, ClickHouseSink, Projector, Views, audit::Notary};
use twig_sources::SourceSettings;

use crate::settings::{EventsUrl, Settings};

pub struct Node {
    pub clock: Clock,
    pub log: EventLog,
    pub vault: Vault,
    pub views: Views,
    pub content: ContentStore,
    pub bus: CommandBus,
    pub idempotency: Idempotency,
    pub projector: Projector,
}

impl Node {
    /// Opens the stores, and makes what is not there yet.
    pub fn open(settings: &Settings) -> Result<Self, String> {
        fs::create_dir_all(&settings.data_dir).map_err(|error| format!("the data folder {} can't be made: {error}", settings.data_dir.display()))?;
        let clock = Clock::system(settings.dev_clock_offset_s);
        let beside = settings.beside_log()?;
        let log = match settings.events()? {
            EventsUrl::Database(DatabaseUrl::Sqlite(file)) => EventLog::open(&file, clock.clone()),
            EventsUrl::Database(DatabaseUrl::Postgres(url)) => EventLog::postgres(&url, clock.clone()),
            EventsUrl::EventStore(url) => EventLog::eventstore(&url, &beside, clock.clone()),
        };
        let log = log.map_err(|error| format!("the event log can't be opened: {error}"))?;
        let vault = Vault::open(log.database(), master_key(settings)?).map_err(|error| error.to_string())?;
        let clickhouse = settings.clickhouse_url.as_deref().map(ClickHouse::at).transpose().map_err(|error| format!("clickhouse_url: {error}"))?;
        let views = match settings.views()? {
            DatabaseUrl::Sqlite(file) => Views::open(&file, log.clone()),
            DatabaseUrl::Postgres(url) => Views::postgres(&url, log.clone()),
        };
        let views = views.map_err(|error| error.to_string())?.with_clickhouse(clickhouse);
        let content = match &beside {
            DatabaseUrl::Postgres(url) => ContentStore::postgres(url),
            DatabaseUrl::Sqlite(_) => ContentStore::open(&settings.file("content.db")),
        };
        let content = content.map_err(|error| error.to_string())?;
        let idempotency = Idempotency::new(log.database(), vault.clone());
        let bus = CommandBus::new(log.clone(), tokio::runtime::Handle::current());
        let projector = Projector { log: log.clone(), vault: vault.clone(), views: views.clone() };
        Ok(Self { clock, log, vault, views, content, bus, idempotency, projector })
    }

    /// What signs the audit log.
    pub fn notary(&self) -> Result<Notary, String> {
        Notary::open(self.log.clone(), self.views.clone(), self.vault.clone(), self.clock.clone()).map_err(|error| error.to_string())
    }

    /// What feeds ClickHouse, where there is one.
    pub fn clickhouse_sink(&self) -> Option<ClickHouseSink> {
        self.views.clickhouse().map(|store| ClickHouseSink { store, views: self.views.clone() })
    }

    pub fn knowledge(&self, settings: &Settings) -> Result<Knowledge, String> {
        let models = ModelSettings {
            base_url: settings.model_base_url.clone(),
            api_key: settings.model_api_key.clone(),
            timeout_s: settings.model_timeout_s,
            reranker: settings.reranker()?,
        };
        let models = Models::new(models).map_err(|error| error.to_string())?;
        let sources = SourceSettings {
            allow_networks: settings.networks()?,
            bucket_roots: settings.bucket_roots.iter().map(Into::into).collect(),
            crawl_requests_per_second: settings.crawl_requests_per_second,
            ..SourceSettings::default()
        };
        let knowledge = KnowledgeSettings {
            embeddings: settings.embedding_model()?,
            sources,
            executable: std::env::current_exe().ok(),
            stall_at: settings.dev_stall_stage,
        };
        let runtime = tokio::runtime::Handle::current();
        let shared = match settings.beside_log()? {
            DatabaseUrl::Sqlite(_) => None,
            DatabaseUrl::Postgres(url) => Some(SharedAnswers::postgres(&url, self.clock.clone()).map_err(|error| error.to_string())?),
        };
        let stored = match settings.searched_in()? {
            None => None,
            Some((url, must)) => match StoredIndexes::postgres(&url).map_err(|error| error.to_string())? {
                Ok(stored) => Some(stored),
                Err(reason) if must => return Err(format!("search_index is \"postgres\", and PostgreSQL can't be searched: {reason}")),
                Err(reason) => {
                    tracing::warn!("PostgreSQL can't be searched ({reason}): this node keeps the indexes in memory");
                    None
                }
            },
        };
        Ok(Knowledge::new(
            self.bus.clone(),
            self.views.clone(),
            self.vault.clone(),
            self.content.clone(),
            self.clock.clone(),
            models,
            knowledge,
            shared,
            stored,
            runtime,
        ))
    }
}

fn master_key(settings: &Settings) -> Result<MasterKey, String> {
    match &settings.master_key {
        Some(text) => MasterKey::from_base64(text).map_err(|error| format!("master_key: {error}")),
        None => MasterKey::load_or_create(&settings.file("master.key")).map_err(|error| error.to_string()),
    }
}

/// Holds the data folder for one serving process.
pub fn hold(folder: &Path) -> Result<nix::fcntl::Flock<fs::File>, String> {
    writable(folder)?;
    let file = fs::File::create(folder.join("serve.lock")).map_err(|error| format!("the data folder can't be written: {error}"))?;
    nix::fcntl::Flock::lock(file, nix::fcntl::FlockArg::LockExclusiveNonblock).map_err(|_| format!("another twig serves {} already", folder.display()))
}

/// Whether the data folder can be written, and what to do if not.
pub fn writable(folder: &Path) -> Result<(), String> {
    let probe = folder.join(".probe");
    let written = fs::File::create(&probe).and_then(|mut file| file.write_all(&[0; 65_536]).and_then(|()| file.sync_all()));
    let _ = fs::remove_file(&probe);
    written.map_err(|error| match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "the disk is full: make room, or move the folder with --data-dir".to_owned(),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => "the folder is read-only: give this user the right to write it".to_owned(),
        kind => format!("the folder can't be written ({kind})"),
    })
}
