//! A connection for the length of one piece of work.

use rusqlite::Connection;

use super::{Row, StoreError, Value, postgres::PostgresSession, sqlite};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// What closures over a store work with.
pub struct Session<'a>(Inner<'a>);

enum Inner<'a> {
    Sqlite(&'a Connection),
    Postgres(&'a mut PostgresSession),
}

impl<'a> Session<'a> {
    /// A connection that somebody else has opened.
    #[must_use]
    pub fn sqlite(connection: &'a Connection) -> Self {
        Self(Inner::Sqlite(connection))
    }

    pub(super) fn postgres(session: &'a mut PostgresSession) -> Self {
        Self(Inner::Postgres(session))
    }

    #[must_use]
    pub fn engine(&self) -> Engine {
        match self.0 {
            Inner::Sqlite(_) => Engine::Sqlite,
            Inner::Postgres(_) => Engine::Postgres,
        }
    }

    /// All rows of a statement. Placeholders are `?1`, `?2`, … or `?` in order, never both in one statement.
    pub fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, StoreError> {
        match &mut self.0 {
            Inner::Sqlite(connection) => sqlite::query(connection, sql, values),
            Inner::Postgres(session) => session.query(sql, values),
        }
    }

    /// The first row, where there is one.
    pub fn query_first(&mut self, sql: &str, values: &[Value]) -> Result<Option<Row>, StoreError> {
        Ok(self.query(sql, values)?.into_iter().next())
    }

    /// The row of a statement that always has one.
    pub fn query_one(&mut self, sql: &str, values: &[Value]) -> Result<Row, StoreError> {
        self.query_first(sql, values)?.ok_or_else(|| StoreError::Shape("a row is missing".into()))
    }

    pub fn exists(&mut self, sql: &str, values: &[Value]) -> Result<bool, StoreError> {
        Ok(self.query_first(sql, values)?.is_some())
    }

    /// How many rows a statement changed.
    pub fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, StoreError> {
        match &mut self.0 {
            Inner::Sqlite(connection) => sqlite::execute(connection, sql, values),
            Inner::Postgres(session) => session.execute(sql, values),
        }
    }

    /// Statements without values, such as DDL.
    pub fn batch(&mut self, sql: &str) -> Result<(), StoreError> {
        match &mut self.0 {
            Inner::Sqlite(connection) => Ok(connection.execute_batch(sql)?),
            Inner::Postgres(session) => session.batch(sql),
        }
    }

    /// The rows of a `SELECT` without a `WHERE` whose two key columns have one of these pairs of values. One round trip on PostgreSQL.
    pub fn query_by_keys(&mut self, select: &str, key: [&str; 2], pairs: &[(String, String)]) -> Result<Vec<Row>, StoreError> {
        match &mut self.0 {
            Inner::Sqlite(connection) => {
                let sql = format!("{select} WHERE {} = ?1 AND {} = ?2", key[0], key[1]);
                let found = pairs.iter().map(|(one, two)| sqlite::query(connection, &sql, &[one.into(), two.into()]));
                Ok(found.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
            }
            Inner::Postgres(_) if pairs.is_empty() => Ok(Vec::new()),
            Inner::Postgres(session) => session.query_by_keys(select, key, pairs),
        }
    }

    /// Puts rows in by their key, over what was there. One round trip on PostgreSQL. All rows have the columns' types; no key stands twice.
    pub fn upsert(&mut self, table: &str, columns: &[&str], key: &[&str], rows: Vec<Vec<Value>>) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        match &mut self.0 {
            Inner::Sqlite(connection) => {
                let places: Vec<String> = (1..=columns.len()).map(|place| format!("?{place}")).collect();
                let sql = format!("INSERT INTO {table} ({}) VALUES ({}) {}", columns.join(", "), places.join(", "), on_conflict(columns, key));
                rows.iter().try_for_each(|row| sqlite::execute(connection, &sql, row).map(drop))
            }
            Inner::Postgres(session) => session.upsert(table, columns, &on_conflict(columns, key), rows),
        }
    }
}

fn on_conflict(columns: &[&str], key: &[&str]) -> String {
    let set: Vec<String> = columns.iter().filter(|column| !key.contains(column)).map(|column| format!("{column} = excluded.{column}")).collect();
    let action = if set.is_empty() { "NOTHING".to_owned() } else { format!("UPDATE SET {}", set.join(", ")) };
    format!("ON CONFLICT ({}) DO {action}", key.join(", "))
}
