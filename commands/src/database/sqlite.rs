//! SQLite files as this product opens them: one writing connection, and readers that are made when needed.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, types::ValueRef};

use super::{Durability, Row, StoreError, Value};

const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_IDLE_READERS: usize = 8;
const MAX_CACHED_STATEMENTS: usize = 128;
const CHECKPOINT_EVERY_PAGES: u32 = 4000;

/// A writing connection: WAL, and with `FULL` a sync at each commit.
pub(crate) fn writer(file: &Path, durability: Durability, ddl: &str) -> Result<Connection, rusqlite::Error> {
    let connection = Connection::open(file)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", if durability == Durability::Full { "FULL" } else { "NORMAL" })?;
    connection.pragma_update(None, "secure_delete", true)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_EVERY_PAGES)?;
    connection.set_prepared_statement_cache_capacity(MAX_CACHED_STATEMENTS);
    connection.execute_batch(ddl)?;
    Ok(connection)
}

/// One file: a writer, and readers that are kept for the next.
#[derive(Clone)]
pub struct SqlitePool {
    writer: Arc<Mutex<Connection>>,
    readers: Readers,
}

impl SqlitePool {
    pub(super) fn open(file: &Path, durability: Durability, ddl: &str) -> Result<Self, StoreError> {
        Ok(Self { writer: Arc::new(Mutex::new(writer(file, durability, ddl)?)), readers: Readers::of(file) })
    }

    pub(super) fn read<T, E: From<StoreError>>(&self, work: impl FnOnce(&Connection) -> Result<T, E>) -> Result<T, E> {
        self.readers.read(work)
    }

    pub(super) fn write<T>(&self, work: impl FnOnce(&Connection) -> T) -> T {
        work(&self.writer.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Readers of one file.
#[derive(Clone)]
pub(crate) struct Readers {
    file: Arc<PathBuf>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Readers {
    pub(crate) fn of(file: &Path) -> Self {
        Self { file: Arc::new(file.to_owned()), idle: Arc::default() }
    }

    pub(crate) fn read<T, E: From<StoreError>>(&self, work: impl FnOnce(&Connection) -> Result<T, E>) -> Result<T, E> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = idle.map_or_else(|| self.open(), Ok).map_err(StoreError::from)?;
        let result = work(&connection);
        let mut kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < MAX_IDLE_READERS {
            kept.push(connection);
        }
        result
    }

    fn open(&self) -> Result<Connection, rusqlite::Error> {
        let connection = Connection::open_with_flags(self.file.as_path(), OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "query_only", true)?;
        connection.set_prepared_statement_cache_capacity(MAX_CACHED_STATEMENTS);
        Ok(connection)
    }
}

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> Result<rusqlite::types::ToSqlOutput<'_>, rusqlite::Error> {
        let borrowed = match self {
            Self::Integer(Some(number)) => ValueRef::Integer(*number),
            Self::Real(Some(number)) => ValueRef::Real(*number),
            Self::Text(Some(text)) | Self::Json(Some(text)) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(Some(bytes)) => ValueRef::Blob(bytes),
            Self::Integer(None) | Self::Real(None) | Self::Text(None) | Self::Json(None) | Self::Bytes(None) => ValueRef::Null,
        };
        Ok(rusqlite::types::ToSqlOutput::Borrowed(borrowed))
    }
}

pub(super) fn query(connection: &Connection, sql: &str, values: &[Value]) -> Result<Vec<Row>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let columns = statement.column_count();
    let mut rows = statement.query(rusqlite::params_from_iter(values))?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(Row((0..columns).map(|place| Ok(owned(row.get_ref(place)?))).collect::<Result<_, rusqlite::Error>>()?));
    }
    Ok(all)
}

pub(super) fn execute(connection: &Connection, sql: &str, values: &[Value]) -> Result<u64, StoreError> {
    Ok(connection.prepare_cached(sql)?.execute(rusqlite::params_from_iter(values))? as u64)
}

fn owned(value: ValueRef) -> Value {
    match value {
        ValueRef::Null => Value::Text(None),
        ValueRef::Integer(number) => Value::Integer(Some(number)),
        ValueRef::Real(number) => Value::Real(Some(number)),
        ValueRef::Text(text) => Value::Text(Some(String::from_utf8_lossy(text).into_owned())),
        ValueRef::Blob(bytes) => Value::Bytes(Some(bytes.to_vec())),
    }
}
