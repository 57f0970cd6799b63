//! Rows in SQLite: every table has the same columns, its name carries its projection's version.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use twig_domain::id::OrgId;

use crate::fold::{FoldError, Projection, Row, Rows, Table};

/// The version that a fresh store begins with.
const FIRST_VERSION: i64 = 1;

const DDL: &str = "
CREATE TABLE IF NOT EXISTS projections (name TEXT NOT NULL, version INTEGER NOT NULL, position INTEGER NOT NULL, live INTEGER NOT NULL, PRIMARY KEY (name, version));
CREATE TABLE IF NOT EXISTS dead_events (projection TEXT NOT NULL, version INTEGER NOT NULL, position INTEGER NOT NULL, error TEXT NOT NULL, PRIMARY KEY (projection, version, position));
CREATE TABLE IF NOT EXISTS run_progress (organization TEXT NOT NULL, run TEXT NOT NULL, body TEXT, owner TEXT, lease_until INTEGER, PRIMARY KEY (organization, run)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS embedding_progress (organization TEXT NOT NULL, data_spec TEXT NOT NULL, manifest TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (organization, data_spec)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS published_documents (organization TEXT NOT NULL, data_spec TEXT NOT NULL, manifest TEXT NOT NULL, place INTEGER NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (organization, data_spec, place)) WITHOUT ROWID;
";

pub fn table_name(table: Table, version: i64) -> String {
    format!("{}_v{version}", table.name())
}

pub fn create(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.execute_batch(DDL)?;
    for projection in Projection::ALL {
        let known = connection.prepare("SELECT 1 FROM projections WHERE name = ?1")?.exists([projection.name()])?;
        if !known {
            create_version(connection, projection, FIRST_VERSION)?;
            connection.execute("INSERT INTO projections (name, version, position, live) VALUES (?1, ?2, 0, 1)", params![projection.name(), FIRST_VERSION])?;
        }
    }
    Ok(())
}

pub fn create_version(connection: &Connection, projection: Projection, version: i64) -> Result<(), rusqlite::Error> {
    for table in projection.tables() {
        let name = table_name(*table, version);
        connection.execute_batch(&format!(
            "CREATE TABLE IF NOT EXISTS {name} (organization TEXT NOT NULL, id TEXT NOT NULL, parent TEXT, at INTEGER NOT NULL, sort INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (organization, id)) WITHOUT ROWID;
             CREATE INDEX IF NOT EXISTS {name}_listed ON {name} (organization, at, sort);
             CREATE INDEX IF NOT EXISTS {name}_children ON {name} (organization, parent, at, sort);"
        ))?;
        if *table == Table::KeyHashes {
            connection.execute_batch(&format!("CREATE INDEX IF NOT EXISTS {name}_by_hash ON {name} (id)"))?;
        }
        if *table == Table::Interactions {
            connection.execute_batch(&format!("CREATE INDEX IF NOT EXISTS {name}_by_agent ON {name} (organization, body ->> '$.agentId', at, sort)"))?;
        }
    }
    Ok(())
}

pub fn drop_version(connection: &Connection, projection: Projection, version: i64) -> Result<(), rusqlite::Error> {
    for table in projection.tables() {
        connection.execute_batch(&format!("DROP TABLE IF EXISTS {}", table_name(*table, version)))?;
    }
    connection.execute("DELETE FROM dead_events WHERE projection = ?1 AND version = ?2", params![projection.name(), version])?;
    connection.execute("DELETE FROM projections WHERE name = ?1 AND version = ?2", params![projection.name(), version]).map(drop)
}

/// The rows that a batch touches: read once, folded in memory, written at its end.
pub struct BatchRows<'a> {
    transaction: &'a Transaction<'a>,
    version: i64,
    rows: HashMap<(Table, OrgId, String), Entry>,
}

struct Entry {
    row: Option<Row>,
    changed: bool,
}

impl<'a> BatchRows<'a> {
    pub fn new(transaction: &'a Transaction<'a>, version: i64) -> Self {
        Self { transaction, version, rows: HashMap::new() }
    }

    pub fn write(self) -> Result<(), rusqlite::Error> {
        for ((table, organization, id), entry) in self.rows.into_iter().filter(|(_, entry)| entry.changed) {
            let name = table_name(table, self.version);
            match entry.row {
                Some(row) => {
                    let sql = format!("INSERT OR REPLACE INTO {name} (organization, id, parent, at, sort, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
                    self.transaction.prepare_cached(&sql)?.execute(params![
                        organization.to_string(),
                        id,
                        row.parent,
                        row.at,
                        row.sort,
                        row.body.to_string()
                    ])?;
                }
                None => {
                    self.transaction
                        .prepare_cached(&format!("DELETE FROM {name} WHERE organization = ?1 AND id = ?2"))?
                        .execute(params![organization.to_string(), id])?;
                }
            }
        }
        Ok(())
    }
}

impl Rows for BatchRows<'_> {
    fn get(&mut self, table: Table, organization: OrgId, id: &str) -> Result<Option<Row>, FoldError> {
        let key = (table, organization, id.to_owned());
        if let Some(entry) = self.rows.get(&key) {
            return Ok(entry.row.clone());
        }
        let row = read(self.transaction, table, self.version, organization, id)?;
        self.rows.insert(key, Entry { row: row.clone(), changed: false });
        Ok(row)
    }

    fn put(&mut self, table: Table, organization: OrgId, id: &str, row: Row) {
        self.rows.insert((table, organization, id.to_owned()), Entry { row: Some(row), changed: true });
    }

    fn remove(&mut self, table: Table, organization: OrgId, id: &str) {
        self.rows.insert((table, organization, id.to_owned()), Entry { row: None, changed: true });
    }
}

pub fn read(connection: &Connection, table: Table, version: i64, organization: OrgId, id: &str) -> Result<Option<Row>, rusqlite::Error> {
    let sql = format!("SELECT parent, at, sort, body FROM {} WHERE organization = ?1 AND id = ?2", table_name(table, version));
    connection.prepare_cached(&sql)?.query_row([organization.to_string().as_str(), id], row).optional()
}

pub fn row(row: &rusqlite::Row) -> Result<Row, rusqlite::Error> {
    let body: String = row.get(3)?;
    let body = serde_json::from_str(&body).map_err(|error| rusqlite::Error::FromSqlConversionFailure(3, rusqlite::types::Type::Text, Box::new(error)))?;
    Ok(Row { parent: row.get(0)?, at: row.get(1)?, sort: row.get(2)?, body })
}
