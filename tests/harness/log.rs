//! The event log as it lies on disk, read beside the server: what an acknowledgement is held against.

use std::{collections::BTreeMap, path::Path};

use rusqlite::{Connection, OpenFlags};
use sqlx::{Connection as _, Row as _};

use crate::stores;

/// Every event's stream (aggregate id) and type, by position.
pub fn events(folder: &Path) -> BTreeMap<u64, (String, String)> {
    let rows = rows(folder, "SELECT position, aggregate_id, event_type FROM events ORDER BY position");
    rows.into_iter().map(|(position, [stream, kind])| (position, (stream, kind))).collect()
}

/// The identifiers of every event of a type, in the log's order.
pub fn event_ids(folder: &Path, event_type: &str) -> Vec<String> {
    let rows = rows(folder, "SELECT position, event_id, event_type FROM events ORDER BY position");
    rows.into_iter().filter(|(_, [_, kind])| kind == event_type).map(|(_, [id, _])| id).collect()
}

/// A number and two texts a row, from whatever the log is kept in.
fn rows(folder: &Path, sql: &'static str) -> Vec<(u64, [String; 2])> {
    if stores::on_files() {
        let log = Connection::open_with_flags(folder.join("events.db"), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        let mut rows = log.prepare(sql).unwrap();
        let row = |row: &rusqlite::Row| Ok((row.get::<_, i64>(0)?.unsigned_abs(), [row.get(1)?, row.get(2)?]));
        return rows.query_map([], row).unwrap().map(Result::unwrap).collect();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut log = sqlx::PgConnection::connect(&stores::database(folder)).await.unwrap();
        let rows = sqlx::query(sql).fetch_all(&mut log).await.unwrap();
        rows.iter().map(|row| (row.get::<i64, _>(0).unsigned_abs(), [row.get(1), row.get(2)])).collect()
    })
}

/// What holds some words in the clear: files, by their raw bytes, and the tables of a database.
pub fn holding(folder: &Path, words: &str) -> Vec<String> {
    let mut found = files_with(folder, words);
    if stores::on_files() {
        return found;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    found.extend(runtime.block_on(tables_with(&stores::database(folder), words)));
    found.extend(stores::clickhouse(folder).into_iter().flat_map(|url| clickhouse_tables_with(&url, words)));
    found
}

fn files_with(folder: &Path, words: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        if entry.path().is_dir() {
            found.extend(files_with(&entry.path(), words));
        } else if std::fs::read(entry.path()).is_ok_and(|bytes| bytes.windows(words.len()).any(|window| window == words.as_bytes())) {
            found.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    found
}

/// Tables with a row that holds the words, as text or as bytes.
async fn tables_with(url: &str, words: &str) -> Vec<String> {
    let mut database = sqlx::PgConnection::connect(url).await.unwrap();
    let tables = sqlx::query("SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'").fetch_all(&mut database).await.unwrap();
    let hex: String = words.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut found = Vec::new();
    for table in tables.iter().map(|row| row.get::<String, _>(0)) {
        let sql = format!("SELECT count(*) FROM {table} AS t WHERE strpos(t::text, $1) > 0 OR strpos(t::text, $2) > 0");
        let rows: i64 = sqlx::query(&sql).bind(words).bind(&hex).fetch_one(&mut database).await.unwrap().get(0);
        if rows > 0 {
            found.push(table);
        }
    }
    found
}

/// ClickHouse's tables with a row that holds the words, by the raw bytes of its columns.
fn clickhouse_tables_with(url: &str, words: &str) -> Vec<String> {
    let (server, database) = url.rsplit_once('/').unwrap();
    let ask = |sql: String| {
        let answer = reqwest::blocking::Client::new().post(format!("{server}/?database={database}")).body(sql).send().unwrap();
        assert!(answer.status().is_success(), "ClickHouse: {}", answer.text().unwrap());
        answer.bytes().unwrap()
    };
    let tables = ask(format!("SELECT name FROM system.tables WHERE database = '{database}' AND engine NOT LIKE '%View' FORMAT TSV"));
    let tables = String::from_utf8(tables.to_vec()).unwrap();
    assert!(tables.lines().count() > 0, "the figures stand in ClickHouse");
    let holds = |table: &str| ask(format!("SELECT * FROM {table} FORMAT RowBinary")).windows(words.len()).any(|window| window == words.as_bytes());
    tables.lines().filter(|table| holds(table)).map(|table| format!("ClickHouse's {table}")).collect()
}

/// A statement on one of a data folder's stores, or on the database that stands for them, as a damage would do it.
pub fn damage(store: &Path, statement: &str) {
    if !stores::on_files() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(async {
            let mut database = sqlx::PgConnection::connect(&stores::database(store.parent().unwrap())).await.unwrap();
            sqlx::raw_sql(statement).execute(&mut database).await.unwrap();
        });
    }
    let connection = Connection::open(store).unwrap();
    connection.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    connection.execute_batch(statement).unwrap();
}

/// The tables whose names begin so.
pub fn tables(store: &Path, prefix: &str) -> Vec<String> {
    let connection = Connection::open_with_flags(store, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut rows = connection.prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE ?1 || '%'").unwrap();
    rows.query_map([prefix], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}
