//! PostgreSQL by sqlx, on a runtime of its own.

use std::{
    borrow::Cow,
    sync::{LazyLock, mpsc},
    time::Duration,
};

use sha2::{Digest, Sha256};
use sqlx::{
    Arguments, Column, Executor, Postgres, Row as _, TypeInfo, ValueRef,
    pool::PoolConnection,
    postgres::{PgArguments, PgConnectOptions, PgPool, PgPoolOptions, PgRow},
};

use super::{Row, Session, StoreError, Value};
use crate::ids::random_bytes;

/// Connections of one pool.
pub const MAX_CONNECTIONS: u32 = 16;
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that has lain idle longer than this is asked whether it still is one.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);
const STATEMENT_TIMEOUT_MS: u32 = 60_000;
const LOCK_TIMEOUT_MS: u32 = 15_000;
/// A process that hangs in a transaction loses it, with the rows that others wait for.
const IDLE_IN_TRANSACTION_TIMEOUT_MS: u32 = 10_000;
const MAX_CACHED_STATEMENTS: usize = 256;
const IO_THREADS: usize = 2;
/// What PostgreSQL knows every connection of this process by (`pg_stat_activity.application_name`): others see by it whether the process lives.
pub(crate) static PROCESS: LazyLock<String> = LazyLock::new(|| format!("twig {:032x}", u128::from_be_bytes(random_bytes())));
/// One advisory lock for all DDL, so that processes that start together do not make the same table at once.
const DDL_LOCK: i64 = 0x7477_6967_0000_0001;

/// Sockets belong to this runtime: a thread of any other may wait for it without standing in its way.
static IO: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    let built = tokio::runtime::Builder::new_multi_thread().worker_threads(IO_THREADS).thread_name("postgres").enable_all().build();
    built.expect("a machine that runs this can start two threads")
});

#[derive(Clone)]
pub struct PostgresPool {
    pool: PgPool,
}

impl PostgresPool {
    /// A pool of connections, of which the first is made now. `role` is taken on by every connection (row-level security is for roles that own nothing).
    pub fn connect(url: &str, role: Option<&'static str>) -> Result<Self, StoreError> {
        let options: PgConnectOptions = url.parse()?;
        let options = options.statement_cache_capacity(MAX_CACHED_STATEMENTS).application_name(&PROCESS).options([
            ("statement_timeout", STATEMENT_TIMEOUT_MS.to_string()),
            ("lock_timeout", LOCK_TIMEOUT_MS.to_string()),
            ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION_TIMEOUT_MS.to_string()),
            // That a table is there already is no news.
            ("client_min_messages", "warning".to_owned()),
        ]);
        let pool = PgPoolOptions::new()
            .max_connections(MAX_CONNECTIONS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .test_before_acquire(false)
            .before_acquire(|connection, known| {
                Box::pin(async move {
                    if known.idle_for < TRUSTED_IDLE {
                        return Ok(true);
                    }
                    sqlx::Connection::ping(connection).await.map(|()| true)
                })
            })
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    if let Some(role) = role {
                        connection.execute(format!("SET ROLE {role}").as_str()).await?;
                    }
                    Ok(())
                })
            });
        let pool = wait(async move { pool.connect_with(options).await })??;
        Ok(Self { pool })
    }

    /// Runs DDL, alone, where this database has not seen it yet. At every other start nothing is locked: what even `IF NOT EXISTS` locks stands in the way
    /// of those who write, and they in its.
    pub fn migrate(&self, ddl: &str) -> Result<(), StoreError> {
        let seen: [Value; 1] = [format!("{:x}", Sha256::digest(ddl)).into()];
        let known = "SELECT 1 FROM pg_tables WHERE tablename = 'migrations' AND schemaname = current_schema()";
        if self.session(|session| Ok::<_, StoreError>(session.exists(known, &[])? && session.exists("SELECT 1 FROM migrations WHERE sha256 = ?1", &seen)?))? {
            return Ok(());
        }
        self.run_ddl(&format!("CREATE TABLE IF NOT EXISTS migrations (sha256 text PRIMARY KEY, run_at timestamptz NOT NULL DEFAULT now()); {ddl}"))?;
        self.session(|session| session.execute("INSERT INTO migrations (sha256) VALUES (?1) ON CONFLICT DO NOTHING", &seen).map(drop))
    }

    /// Runs DDL that may be run again, alone.
    pub fn run_ddl(&self, ddl: &str) -> Result<(), StoreError> {
        let pool = self.pool.clone();
        let sql = format!("BEGIN; SELECT pg_advisory_xact_lock({DDL_LOCK}); {ddl}; COMMIT;");
        wait(async move { pool.execute(sql.as_str()).await.map(drop) })??;
        Ok(())
    }

    /// Runs DDL that code makes, while no other process does.
    pub fn alone<T, E: From<StoreError>>(&self, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        self.session(|session| {
            session.query("SELECT pg_advisory_lock(?1)", &[DDL_LOCK.into()])?;
            let done = work();
            session.query("SELECT pg_advisory_unlock(?1)", &[DDL_LOCK.into()])?;
            done
        })
    }

    /// The pool itself, for work that is asynchronous by nature; it must run by [`PostgresPool::spawn`].
    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Runs something on the runtime that the sockets belong to.
    pub(crate) fn spawn<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> tokio::task::JoinHandle<T> {
        IO.spawn(work)
    }

    pub(super) fn session<T, E: From<StoreError>>(&self, work: impl FnOnce(&mut Session) -> Result<T, E>) -> Result<T, E> {
        let pool = self.pool.clone();
        let connection = wait(async move { pool.acquire().await })?.map_err(StoreError::from)?;
        let mut session = PostgresSession { connection: Some(connection) };
        let result = work(&mut Session::postgres(&mut session));
        session.give_back();
        result
    }
}

/// Waits for a future of the sockets' runtime.
fn wait<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Result<T, StoreError> {
    let (done, answer) = mpsc::sync_channel(1);
    IO.spawn(async move { done.send(work.await) });
    answer.recv().map_err(|_| StoreError::Other("a statement was cut off".into()))
}

/// A connection that goes to the sockets' runtime and back with each statement.
pub(super) struct PostgresSession {
    connection: Option<PoolConnection<Postgres>>,
}

type Lent<T> = (PoolConnection<Postgres>, Result<T, sqlx::Error>);

impl PostgresSession {
    fn with<T, F>(&mut self, work: impl FnOnce(PoolConnection<Postgres>) -> F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Lent<T>> + Send + 'static,
    {
        let connection = self.connection.take().ok_or_else(|| StoreError::Unavailable("the connection was lost".into()))?;
        let (connection, result) = wait(work(connection))?;
        self.connection = Some(connection);
        Ok(result?)
    }

    pub(super) fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, StoreError> {
        let (sql, arguments) = (numbered(sql).into_owned(), arguments(values)?);
        let rows = self.with(move |mut connection| async move {
            let rows = sqlx::query_with(&sql, arguments).fetch_all(&mut *connection).await;
            (connection, rows)
        })?;
        rows.iter().map(owned).collect()
    }

    pub(super) fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, StoreError> {
        let (sql, arguments) = (numbered(sql).into_owned(), arguments(values)?);
        let done = self.with(move |mut connection| async move {
            let done = sqlx::query_with(&sql, arguments).execute(&mut *connection).await;
            (connection, done)
        })?;
        Ok(done.rows_affected())
    }

    pub(super) fn batch(&mut self, sql: &str) -> Result<(), StoreError> {
        let sql = sql.to_owned();
        self.with(move |mut connection| async move {
            let done = connection.execute(sql.as_str()).await.map(drop);
            (connection, done)
        })
    }

    pub(super) fn query_by_keys(&mut self, select: &str, key: [&str; 2], pairs: &[(String, String)]) -> Result<Vec<Row>, StoreError> {
        let sql = format!("{select} WHERE ({}, {}) IN (SELECT * FROM UNNEST($1::text[], $2::text[]))", key[0], key[1]);
        let (one, two): (Vec<String>, Vec<String>) = pairs.iter().cloned().unzip();
        let rows = self.with(move |mut connection| async move {
            let rows = sqlx::query(&sql).bind(one).bind(two).fetch_all(&mut *connection).await;
            (connection, rows)
        })?;
        rows.iter().map(owned).collect()
    }

    /// Every column goes over as one array.
    pub(super) fn upsert(&mut self, table: &str, columns: &[&str], on_conflict: &str, rows: Vec<Vec<Value>>) -> Result<(), StoreError> {
        let mut arguments = PgArguments::default();
        let (mut places, mut shown) = (Vec::new(), Vec::new());
        for place in 0..columns.len() {
            let column = rows.iter().map(|row| row.get(place)).collect::<Option<Vec<_>>>().ok_or_else(|| StoreError::Shape("a row is too short".into()))?;
            let kind = add_column(&mut arguments, &column)?;
            places.push(format!("${}::{kind}[]", place + 1));
            shown.push(if kind == "text" && matches!(column.first(), Some(Value::Json(_))) { format!("c{place}::jsonb") } else { format!("c{place}") });
        }
        let named: Vec<String> = (0..columns.len()).map(|place| format!("c{place}")).collect();
        let sql = format!(
            "INSERT INTO {table} ({}) SELECT {} FROM UNNEST({}) AS given ({}) {on_conflict}",
            columns.join(", "),
            shown.join(", "),
            places.join(", "),
            named.join(", ")
        );
        self.with(move |mut connection| async move {
            let done = sqlx::query_with(&sql, arguments).execute(&mut *connection).await.map(drop);
            (connection, done)
        })
    }

    fn give_back(mut self) {
        let _runtime = IO.enter();
        drop(self.connection.take());
    }
}

impl Drop for PostgresSession {
    /// Work that panicked may have left a transaction open: its connection is not used again.
    fn drop(&mut self) {
        if let Some(mut connection) = self.connection.take() {
            let _runtime = IO.enter();
            connection.close_on_drop();
        }
    }
}

/// PostgreSQL's placeholders for ours.
fn numbered(sql: &str) -> Cow<'_, str> {
    if !sql.contains('?') {
        return Cow::Borrowed(sql);
    }
    let mut text = String::with_capacity(sql.len() + 8);
    let (mut next, mut quoted) = (0, false);
    let mut letters = sql.chars().peekable();
    while let Some(letter) = letters.next() {
        quoted ^= letter == '\'';
        match letter {
            '?' if !quoted => {
                text.push('$');
                if !letters.peek().is_some_and(char::is_ascii_digit) {
                    next += 1;
                    text.push_str(&next.to_string());
                }
            }
            letter => text.push(letter),
        }
    }
    Cow::Owned(text)
}

fn arguments(values: &[Value]) -> Result<PgArguments, StoreError> {
    let mut arguments = PgArguments::default();
    for value in values {
        let added = match value {
            Value::Integer(number) => arguments.add(number),
            Value::Real(number) => arguments.add(number),
            Value::Text(text) => arguments.add(text.as_deref().map(without_nul)),
            Value::Bytes(bytes) => arguments.add(bytes.as_deref()),
            Value::Json(text) => arguments.add(text.as_deref().map(|text| Jsonb(without_escaped_nul(text)))),
        };
        added.map_err(|error| StoreError::Other(error.to_string()))?;
    }
    Ok(arguments)
}

/// One column of many rows as an array; the name of its items' type.
fn add_column(arguments: &mut PgArguments, column: &[&Value]) -> Result<&'static str, StoreError> {
    let mixed = || StoreError::Shape("a column has values of several types".into());
    let (added, kind) = match column.first() {
        Some(Value::Integer(_)) => {
            let all = column.iter().map(|value| if let Value::Integer(number) = value { Some(*number) } else { None });
            (arguments.add(all.collect::<Option<Vec<Option<i64>>>>().ok_or_else(mixed)?), "bigint")
        }
        Some(Value::Real(_)) => {
            let all = column.iter().map(|value| if let Value::Real(number) = value { Some(*number) } else { None });
            (arguments.add(all.collect::<Option<Vec<Option<f64>>>>().ok_or_else(mixed)?), "double precision")
        }
        Some(Value::Bytes(_)) => {
            let all = column.iter().map(|value| if let Value::Bytes(bytes) = value { Some(bytes.clone()) } else { None });
            (arguments.add(all.collect::<Option<Vec<Option<Vec<u8>>>>>().ok_or_else(mixed)?), "bytea")
        }
        _ => {
            let text = |value: &&Value| match value {
                Value::Text(text) => Some(text.as_deref().map(|text| without_nul(text).into_owned())),
                Value::Json(text) => Some(text.as_deref().map(|text| without_escaped_nul(text).into_owned())),
                _ => None,
            };
            (arguments.add(column.iter().map(text).collect::<Option<Vec<Option<String>>>>().ok_or_else(mixed)?), "text")
        }
    };
    added.map_err(|error| StoreError::Other(error.to_string()))?;
    Ok(kind)
}

/// PostgreSQL's text has no NUL; it stands as the replacement character.
fn without_nul(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

/// The same inside JSON text, where NUL is written `\u0000`: an escape that begins at an even number of backslashes.
fn without_escaped_nul(text: &str) -> Cow<'_, str> {
    const NUL: &str = "\\u0000";
    if !text.contains(NUL) {
        return Cow::Borrowed(text);
    }
    let (mut clean, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(place) = rest.find('\\') {
        clean.push_str(&rest[..place]);
        rest = &rest[place..];
        let (escape, with) = if rest.starts_with(NUL) { (NUL.len(), "\\ufffd") } else { (rest.chars().take(2).map(char::len_utf8).sum(), &rest[..2]) };
        clean.push_str(with);
        rest = &rest[escape..];
    }
    clean.push_str(rest);
    Cow::Owned(clean)
}

/// JSON text that needs no parsing on its way.
struct Jsonb<'a>(Cow<'a, str>);

impl sqlx::Type<Postgres> for Jsonb<'_> {
    fn type_info() -> sqlx::postgres::PgTypeInfo {
        <serde_json::Value as sqlx::Type<Postgres>>::type_info()
    }
}

impl<'q> sqlx::Encode<'q, Postgres> for Jsonb<'_> {
    fn encode_by_ref(&self, buffer: &mut sqlx::postgres::PgArgumentBuffer) -> Result<sqlx::encode::IsNull, sqlx::error::BoxDynError> {
        buffer.push(JSONB_VERSION);
        buffer.extend_from_slice(self.0.as_bytes());
        Ok(sqlx::encode::IsNull::No)
    }
}

const JSONB_VERSION: u8 = 1;

fn owned(row: &PgRow) -> Result<Row, StoreError> {
    (0..row.columns().len()).map(|place| column(row, place)).collect::<Result<_, _>>().map(Row)
}

fn column(row: &PgRow, place: usize) -> Result<Value, StoreError> {
    let kind = row.column(place).type_info().name();
    Ok(match kind {
        "INT8" => Value::Integer(row.try_get(place)?),
        "INT4" => Value::Integer(row.try_get::<Option<i32>, _>(place)?.map(i64::from)),
        "BOOL" => Value::Integer(row.try_get::<Option<bool>, _>(place)?.map(i64::from)),
        "FLOAT8" => Value::Real(row.try_get(place)?),
        "BYTEA" => Value::Bytes(row.try_get(place)?),
        "JSON" | "JSONB" => {
            let raw = row.try_get_raw(place)?;
            if raw.is_null() {
                return Ok(Value::Json(None));
            }
            let bytes = raw.as_bytes().map_err(|error| StoreError::Shape(error.to_string()))?;
            let bytes = if kind == "JSONB" { bytes.get(1..).unwrap_or_default() } else { bytes };
            Value::Json(Some(String::from_utf8_lossy(bytes).into_owned()))
        }
        "TEXT" | "VARCHAR" | "NAME" => Value::Text(row.try_get(place)?),
        "VOID" => Value::Text(None),
        other => return Err(StoreError::Shape(format!("column {place} is of the type {other}, which is not read here"))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_numbered_and_quoted_ones_left_alone() {
        assert_eq!(numbered("SELECT ?1, ?2 WHERE a = '?' AND b = ?1"), "SELECT $1, $2 WHERE a = '?' AND b = $1");
        assert_eq!(numbered("a = ? AND b = ?"), "a = $1 AND b = $2");
    }

    #[test]
    fn an_escaped_nul_is_replaced_and_an_escaped_backslash_is_not_taken_for_one() {
        assert_eq!(without_escaped_nul(r#"{"a":"x\u0000y","b":"\\u0000"}"#), r#"{"a":"x\ufffdy","b":"\\u0000"}"#);
        assert_eq!(without_escaped_nul("plain"), "plain");
    }
}
