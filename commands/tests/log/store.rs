//! A fresh log, wherever it is kept, that any number of handles can be opened on.

use std::path::{Path, PathBuf};

use twig_commands::{clock::Clock, log::EventLog};

pub enum LogStore {
    Sqlite(tempfile::TempDir),
    Postgres(String),
}

impl LogStore {
    pub fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap())
    }

    /// `None` where no PostgreSQL can be had.
    pub fn postgres() -> Option<Self> {
        twig_test_servers::postgres_url().map(Self::Postgres)
    }

    pub fn open(&self) -> EventLog {
        match self {
            Self::Sqlite(folder) => open_file(&folder.path().join("events.db")),
            Self::Postgres(url) => EventLog::postgres(url, Clock::system(0)).unwrap(),
        }
    }

    pub fn file(&self) -> PathBuf {
        match self {
            Self::Sqlite(folder) => folder.path().join("events.db"),
            Self::Postgres(_) => unreachable!("a database has no file"),
        }
    }
}

pub fn open_file(file: &Path) -> EventLog {
    EventLog::open(file, Clock::system(0)).unwrap()
}
