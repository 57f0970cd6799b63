//! Rows in a store: every table has the same columns, its name carries its projection's version. The same SQL serves SQLite and PostgreSQL.

use std::{
    collections::{BTreeSet, HashMap, hash_map},
    sync::Arc,
};

use twig_commands::{
    database::{Engine, Session, StoreError, Value},
    log::RecordedEvent,
};
use twig_domain::id::OrgId;

use crate::{
    analytics::{self, Change, Fact},
    audit::{Hash, tree},
    feed::checkpoint,
    fold::{FoldError, Projection, Row, Rows, Table},
    views::ViewError,
};

/// The version that a fresh store begins with.
const FIRST_VERSION: i64 = 1;
const ROW_COLUMNS: [&str; 6] = ["organization", "id", "parent", "at", "sort", "body"];
/// What is not versioned: it holds nothing that a rebuild would make.
const TENANT_TABLES: [&str; 3] = ["run_progress", "embedding_progress", "published_documents"];

const SQLITE_DDL: &str = include_str!("../../schemas/sql/sqlite/views.sql");
const POSTGRES_DDL: &str = include_str!("../../schemas/sql/postgres/views.sql");

pub fn table_name(table: Table, version: i64) -> String {
    format!("{}_v{version}", table.name())
}

/// Makes what is not there yet.
pub fn create(session: &mut Session) -> Result<(), StoreError> {
    session.batch(match session.engine() {
        Engine::Sqlite => SQLITE_DDL,
        Engine::Postgres => POSTGRES_DDL,
    })?;
    for table in TENANT_TABLES {
        guard(session, table)?;
    }
    analytics::create(session)?;
    for projection in Projection::ALL {
        if !session.exists("SELECT 1 FROM projections WHERE name = ?1", &[projection.name().into()])? {
            create_version(session, projection, FIRST_VERSION)?;
            let row = [projection.name().into(), FIRST_VERSION.into()];
            session.execute("INSERT INTO projections (name, version, position, live) VALUES (?1, ?2, 0, 1)", &row)?;
        }
    }
    Ok(())
}

pub fn create_version(session: &mut Session, projection: Projection, version: i64) -> Result<(), StoreError> {
    for table in projection.tables() {
        let name = table_name(*table, version);
        // In SQLite, a row of a table without rowids that is longer than a quarter of a page takes a page of its own: bodies are, so there are rowids.
        let (number, body) = match session.engine() {
            Engine::Sqlite => ("INTEGER", "TEXT"),
            Engine::Postgres => ("bigint", "jsonb"),
        };
        session.batch(&format!(
            "CREATE TABLE IF NOT EXISTS {name} (organization TEXT NOT NULL, id TEXT NOT NULL, parent TEXT, at {number} NOT NULL, sort {number} NOT NULL, body {body} NOT NULL, PRIMARY KEY (organization, id));
             CREATE INDEX IF NOT EXISTS {name}_listed ON {name} (organization, at, sort);"
        ))?;
        if *table != Table::AuditEvents {
            session.batch(&format!("CREATE INDEX IF NOT EXISTS {name}_children ON {name} (organization, parent, at, sort)"))?;
        }
        for (end, columns) in indexes(*table) {
            session.batch(&format!("CREATE INDEX IF NOT EXISTS {name}_{end} ON {name} ({columns})"))?;
        }
        guard(session, &name)?;
    }
    match projection {
        Projection::Audit => tree::create(session, version),
        Projection::Interactions => analytics::create_version(session, version),
        _ => Ok(()),
    }
}

/// What lists and workers look for, beside what every table has.
fn indexes(table: Table) -> &'static [(&'static str, &'static str)] {
    match table {
        Table::KeyHashes => &[("by_hash", "id")],
        Table::Interactions => &[
            ("by_agent", "organization, (body ->> 'agentId'), at, sort"),
            ("by_user", "organization, (body ->> 'userId'), at, sort"),
            ("by_status", "(body ->> 'status')"),
            ("by_subject", "organization, (body ->> '_subject')"),
        ],
        Table::Runs => &[("by_status", "(body ->> 'status')")],
        // What a checkpoint covers more than the one before.
        Table::AuditEvents => &[("by_position", "organization, sort")],
        Table::Jobs => &[("by_state", "parent, sort")],
        _ => &[],
    }
}

/// The second wall: a reader sees the rows of the organization that it reads for, whatever its query says (row-level security).
pub fn guard(session: &mut Session, table: &str) -> Result<(), StoreError> {
    // Not made again at each start: it locks the table against everyone.
    let there = "SELECT 1 FROM pg_policies WHERE tablename = ?1 AND schemaname = current_schema() AND policyname = 'tenant'";
    if session.engine() == Engine::Sqlite || session.exists(there, &[table.into()])? {
        return Ok(());
    }
    session.batch(&format!(
        "ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
         CREATE POLICY tenant ON {table} FOR SELECT USING (organization = current_setting('twig.organization', true) OR current_setting('twig.organization', true) = '*');
         GRANT SELECT ON {table} TO {TENANT_ROLE};"
    ))
}

/// Owns nothing and may read: what readers are, so that row-level security holds for them.
pub const TENANT_ROLE: &str = "twig_tenant";

pub fn drop_version(session: &mut Session, projection: Projection, version: i64) -> Result<(), StoreError> {
    for table in projection.tables() {
        session.batch(&format!("DROP TABLE IF EXISTS {}", table_name(*table, version)))?;
    }
    if projection == Projection::Audit {
        session.batch(&format!("DROP TABLE IF EXISTS {}", tree::table(version)))?;
    }
    if projection == Projection::Interactions {
        analytics::drop_version(session, version)?;
    }
    let which = [projection.name().into(), version.into()];
    session.execute("DELETE FROM dead_events WHERE projection = ?1 AND version = ?2", &which)?;
    checkpoint::forget(session, projection, version)?;
    session.execute("DELETE FROM projections WHERE name = ?1 AND version = ?2", &which).map(drop)
}

/// The rows that a batch touches: read once, folded in memory, written at its end.
pub struct BatchRows<'a, 's> {
    pub session: &'a mut Session<'s>,
    version: i64,
    rows: HashMap<(Table, OrgId, String), Entry>,
    /// The size of each organization's audit tree before the batch, and the leaves that the batch appends.
    leaves: HashMap<OrgId, (u64, Vec<Hash>)>,
}

#[derive(Default)]
struct Entry {
    row: Option<Row>,
    changed: bool,
    /// Of an interaction, what figures knew of it before the batch.
    before: Option<Fact>,
}

impl Entry {
    fn of(table: Table, row: Option<Row>) -> Self {
        let before = row.as_ref().filter(|_| table == Table::Interactions).map(Fact::of);
        Self { row, changed: false, before }
    }
}

impl<'a, 's> BatchRows<'a, 's> {
    pub fn new(session: &'a mut Session<'s>, version: i64) -> Self {
        Self { session, version, rows: HashMap::new(), leaves: HashMap::new() }
    }

    /// Reads what the batch's events are about in one go, where a look-up costs a round trip.
    pub fn prefetch(&mut self, projection: Projection, events: &[&Arc<RecordedEvent>]) -> Result<(), ViewError> {
        let (Engine::Postgres, Some((table, aggregate))) = (self.session.engine(), projection.subject()) else { return Ok(()) };
        let mut keys: Vec<(String, String)> = events
            .iter()
            .filter(|event| event.aggregate_type == aggregate && event.version > 1)
            .map(|event| (event.meta.organization.to_string(), event.aggregate_id.clone()))
            .collect();
        keys.sort_unstable();
        keys.dedup();
        let select = format!("SELECT organization, id, parent, at, sort, body FROM {}", table_name(table, self.version));
        for row in self.session.query_by_keys(&select, ["organization", "id"], &keys)? {
            let organization: OrgId = row.get::<String>(0)?.parse().map_err(|_| ViewError::Other("a row's organization is damaged".into()))?;
            let found = Row { parent: row.get(2)?, at: row.get(3)?, sort: row.get(4)?, body: row.json(5)? };
            self.rows.insert((table, organization, row.get(1)?), Entry::of(table, Some(found)));
        }
        Ok(())
    }

    /// Writes the rows, and the figures that follow from them.
    pub fn write(mut self) -> Result<(), StoreError> {
        let changes = self.changes();
        let renamed: BTreeSet<OrgId> =
            self.rows.iter().filter(|((table, ..), entry)| *table == Table::Agents && entry.changed).map(|((_, org, _), _)| *org).collect();
        self.write_rows()?;
        renamed.into_iter().try_for_each(|organization| analytics::touch(self.session, organization, 0))?;
        analytics::apply(self.session, self.version, changes)
    }

    fn changes(&mut self) -> Vec<Change> {
        let changed = self.rows.iter_mut().filter(|((table, ..), entry)| *table == Table::Interactions && entry.changed);
        changed.filter_map(|((_, organization, id), entry)| Change::of(*organization, id, entry.before.take(), entry.row.as_ref())).collect()
    }

    fn write_rows(&mut self) -> Result<(), StoreError> {
        let mut puts: HashMap<Table, Vec<Vec<Value>>> = HashMap::new();
        for ((table, organization, id), entry) in std::mem::take(&mut self.rows).into_iter().filter(|(_, entry)| entry.changed) {
            match entry.row {
                Some(row) => {
                    let values = vec![organization.to_string().into(), id.into(), row.parent.into(), row.at.into(), row.sort.into(), Value::json(&row.body)];
                    puts.entry(table).or_default().push(values);
                }
                None => {
                    let sql = format!("DELETE FROM {} WHERE organization = ?1 AND id = ?2", table_name(table, self.version));
                    self.session.execute(&sql, &[organization.to_string().into(), id.into()])?;
                }
            }
        }
        for (table, rows) in puts {
            self.session.upsert(&table_name(table, self.version), &ROW_COLUMNS, &["organization", "id"], rows)?;
        }
        for (organization, (size, leaves)) in std::mem::take(&mut self.leaves) {
            tree::append(self.session, self.version, organization, size, &leaves)?;
        }
        Ok(())
    }
}

impl Rows for BatchRows<'_, '_> {
    fn get(&mut self, table: Table, organization: OrgId, id: &str) -> Result<Option<Row>, FoldError> {
        let key = (table, organization, id.to_owned());
        if let Some(entry) = self.rows.get(&key) {
            return Ok(entry.row.clone());
        }
        let row = read(self.session, table, self.version, organization, id)?;
        self.rows.insert(key, Entry::of(table, row.clone()));
        Ok(row)
    }

    fn put(&mut self, table: Table, organization: OrgId, id: &str, row: Row) {
        let entry = self.rows.entry((table, organization, id.to_owned())).or_default();
        (entry.row, entry.changed) = (Some(row), true);
    }

    fn remove(&mut self, table: Table, organization: OrgId, id: &str) {
        let entry = self.rows.entry((table, organization, id.to_owned())).or_default();
        (entry.row, entry.changed) = (None, true);
    }

    fn append_leaf(&mut self, organization: OrgId, leaf: Hash) -> Result<u64, FoldError> {
        let (size, leaves) = match self.leaves.entry(organization) {
            hash_map::Entry::Occupied(known) => known.into_mut(),
            hash_map::Entry::Vacant(place) => place.insert((tree::size(self.session, self.version, organization)?, Vec::new())),
        };
        leaves.push(leaf);
        Ok(*size + leaves.len() as u64 - 1)
    }
}

pub fn read(session: &mut Session, table: Table, version: i64, organization: OrgId, id: &str) -> Result<Option<Row>, StoreError> {
    let sql = format!("SELECT parent, at, sort, body FROM {} WHERE organization = ?1 AND id = ?2", table_name(table, version));
    session.query_first(&sql, &[organization.to_string().into(), id.into()])?.map(|found| row(&found)).transpose()
}

/// A row of `parent, at, sort, body`.
pub fn row(found: &twig_commands::database::Row) -> Result<Row, StoreError> {
    Ok(Row { parent: found.get(0)?, at: found.get(1)?, sort: found.get(2)?, body: found.json(3)? })
}
