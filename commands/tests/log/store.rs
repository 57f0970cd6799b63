//! A fresh log, wherever it is kept, that any number of handles can be opened on.

use std::path::{Path, PathBuf};

use twig_commands::{clock::Clock, database::DatabaseUrl, log::EventLog};
use twig_test_eventstore_double::Double;

pub enum LogStore {
    Sqlite(tempfile::TempDir),
    Postgres(String),
    EventStore(EventStore),
}

pub struct EventStore {
    beside: DatabaseUrl,
    _folder: tempfile::TempDir,
    /// `None` where a real server is named by the environment.
    pub double: Option<Double>,
    url: String,
}

impl LogStore {
    pub fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap())
    }

    /// `None` where no PostgreSQL can be had.
    pub fn postgres() -> Option<Self> {
        twig_test_servers::postgres_url().map(Self::Postgres)
    }

    /// The server that `TWIG_TEST_EVENTSTOREDB_URL` names, under a name that nobody else has; else the protocol double.
    pub fn eventstore() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::eventstore_beside(DatabaseUrl::Sqlite(folder.path().join("keys.db")), folder)
    }

    /// The same, with keys and idempotency in PostgreSQL; `None` where none can be had.
    pub fn eventstore_beside_postgres() -> Option<Self> {
        let beside = DatabaseUrl::Postgres(twig_test_servers::postgres_url()?);
        Some(Self::eventstore_beside(beside, tempfile::tempdir().unwrap()))
    }

    fn eventstore_beside(beside: DatabaseUrl, folder: tempfile::TempDir) -> Self {
        let real = std::env::var("TWIG_TEST_EVENTSTOREDB_URL").ok();
        let double = real.is_none().then(Double::start);
        let url = real.unwrap_or_else(|| double.as_ref().unwrap().url());
        Self::EventStore(EventStore { beside, _folder: folder, double, url: format!("{url}#{}", twig_test_servers::unique("twig")) })
    }

    pub fn open(&self) -> EventLog {
        match self {
            Self::Sqlite(folder) => open_file(&folder.path().join("events.db")),
            Self::Postgres(url) => EventLog::postgres(url, Clock::system(0)).unwrap(),
            Self::EventStore(store) => store.open(),
        }
    }

    pub fn file(&self) -> PathBuf {
        match self {
            Self::Sqlite(folder) => folder.path().join("events.db"),
            Self::Postgres(_) | Self::EventStore(_) => unreachable!("a server has no file"),
        }
    }
}

impl EventStore {
    pub fn open(&self) -> EventLog {
        EventLog::eventstore(&self.url, &self.beside, Clock::system(0)).unwrap()
    }
}

pub fn open_file(file: &Path) -> EventLog {
    EventLog::open(file, Clock::system(0)).unwrap()
}
