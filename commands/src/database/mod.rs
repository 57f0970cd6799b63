//! The relational stores: SQLite in process, or PostgreSQL. Everything above the event log speaks one SQL to both.
//!
//! A statement is written once, with `?1` placeholders, in the words that both engines understand; what only one of them knows ([`Engine`]) is chosen by
//! the caller. Work is a closure over a [`Session`], which runs on a thread that may block: it reads like straight-line code, holds no await, and is one
//! transaction where it writes. PostgreSQL's sockets live on a small runtime of their own, so a closure may wait for them from any thread.

mod error;
pub(crate) mod postgres;
mod session;
mod sqlite;
mod value;

use std::path::{Path, PathBuf};

pub use error::StoreError;
pub use postgres::{MAX_CONNECTIONS, PostgresPool};
pub use session::{Engine, Session};
pub use value::{FromValue, Row, Value};

use sqlite::SqlitePool;
pub(crate) use sqlite::{Readers, writer as sqlite_writer};

/// How a SQLite file syncs: what can be made again from the log need not survive a power loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    Full,
    Normal,
}

/// Where a relational store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseUrl {
    Sqlite(PathBuf),
    Postgres(String),
}

/// A relational store.
#[derive(Clone)]
pub enum Database {
    Sqlite(SqlitePool),
    Postgres(PostgresPool),
}

impl Database {
    /// Opens a SQLite file, or makes it.
    pub fn sqlite(file: &Path, durability: Durability, ddl: &str) -> Result<Self, StoreError> {
        Ok(Self::Sqlite(SqlitePool::open(file, durability, ddl)?))
    }

    #[must_use]
    pub fn engine(&self) -> Engine {
        match self {
            Self::Sqlite(_) => Engine::Sqlite,
            Self::Postgres(_) => Engine::Postgres,
        }
    }

    /// Reads, on the thread that calls, which must be one that may block. On SQLite all statements see one moment; on PostgreSQL, where that takes round
    /// trips, they do in [`at_one_moment`].
    pub fn read_now<T, E: From<StoreError>>(&self, work: impl FnOnce(&mut Session) -> Result<T, E>) -> Result<T, E> {
        match self {
            Self::Sqlite(pool) => pool.read(|connection| in_transaction(&mut Session::sqlite(connection), "BEGIN", work)),
            Self::Postgres(pool) => pool.session(work),
        }
    }

    /// Writes in one transaction, on the thread that calls: all of it where the work succeeds, none of it where it fails.
    pub fn write_now<T, E: From<StoreError>>(&self, work: impl FnOnce(&mut Session) -> Result<T, E>) -> Result<T, E> {
        match self {
            Self::Sqlite(pool) => pool.write(|connection| in_transaction(&mut Session::sqlite(connection), "BEGIN IMMEDIATE", work)),
            Self::Postgres(pool) => pool.session(|session| in_transaction(session, "BEGIN", work)),
        }
    }

    /// Lets nothing deleted linger in the files: deleted pages are overwritten at their deletion (SQLite's `secure_delete`), and the write-ahead log is
    /// emptied here. PostgreSQL drops
    /// dead rows by its own vacuum.
    pub fn forget_deleted(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(pool) => pool.write(|connection| Ok(connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?)),
            Self::Postgres(_) => Ok(()),
        }
    }

    /// Writes the store anew, so that no page holds what was deleted or changed: not even in the unused part of one, where SQLite may leave a copy when
    /// it divides a page. It takes as long as the store is large, and writers wait.
    pub fn scrub(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(pool) => pool.write(|connection| Ok(connection.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)")?)),
            Self::Postgres(_) => Ok(()),
        }
    }

    /// Reads on a thread that may block.
    pub async fn read<T, E>(&self, work: impl FnOnce(&mut Session) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let database = self.clone();
        tokio::task::spawn_blocking(move || database.read_now(work)).await.unwrap_or_else(|error| Err(StoreError::Other(error.to_string()).into()))
    }

    /// Writes in one transaction on a thread that may block.
    pub async fn write<T, E>(&self, work: impl FnOnce(&mut Session) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let database = self.clone();
        tokio::task::spawn_blocking(move || database.write_now(work)).await.unwrap_or_else(|error| Err(StoreError::Other(error.to_string()).into()))
    }
}

/// Every statement of a read sees the same rows, whatever is written meanwhile.
pub fn at_one_moment<T, E: From<StoreError>>(session: &mut Session, read: impl FnOnce(&mut Session) -> Result<T, E>) -> Result<T, E> {
    match session.engine() {
        Engine::Sqlite => read(session),
        Engine::Postgres => in_transaction(session, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", read),
    }
}

fn in_transaction<T, E: From<StoreError>>(session: &mut Session, begin: &str, work: impl FnOnce(&mut Session) -> Result<T, E>) -> Result<T, E> {
    session.batch(begin)?;
    match work(session) {
        Ok(done) => {
            if let Err(error) = session.batch("COMMIT") {
                // A commit that failed (a full disk) may leave the transaction open.
                let _ = session.batch("ROLLBACK");
                return Err(error.into());
            }
            Ok(done)
        }
        Err(error) => {
            // The first error is the one to tell; a connection that is gone has rolled back by itself.
            let _ = session.batch("ROLLBACK");
            Err(error)
        }
    }
}
