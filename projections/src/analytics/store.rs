//! Cells in the view store: read, added to and written in the transaction of the rows that changed.

use std::collections::{BTreeMap, HashMap};

use twig_commands::database::{Engine, Row as Stored, Session, StoreError, Value};
use twig_domain::id::OrgId;

use super::{
    bytes::Damaged,
    fact::{Cited, Fact, cited},
    figures::Cell,
    fold::{CellKey, Differences, Grouped, Part},
    questions,
};
use crate::{
    fold::{Projection, Row},
    store::guard,
};

/// How many cells one statement reads.
const KEYS_A_READ: usize = 64;
/// PostgreSQL's advisory lock of all cells.
const CELLS_LOCK: i64 = 0x7477_6967_0000_0c31;
const KEY: [&str; 6] = ["organization", "scope", "part", "level", "start", "name"];
const COLUMNS: [&str; 11] = ["organization", "scope", "part", "level", "start", "name", "figures", "sessions", "users", "groups", "documents"];

/// An interaction's row as it was and as it is now.
pub struct Change {
    pub organization: OrgId,
    pub id: String,
    pub sort: i64,
    /// The position of the event that ended the interaction: what changes are taken in the order of.
    pub order: u64,
    /// Of the last event in it.
    pub position: i64,
    pub before: Option<Fact>,
    pub after: Option<Fact>,
    pub cited: Vec<Cited>,
}

impl Change {
    /// `None` where figures have nothing to do with the change.
    #[must_use]
    pub fn of(organization: OrgId, id: &str, before: Option<Fact>, row: Option<&Row>) -> Option<Self> {
        let after = row.map(Fact::of);
        if before == after {
            return None;
        }
        let sort = row.map_or(0, |row| row.sort);
        let order = row.and_then(|row| row.body["_positions"][1].as_u64()).unwrap_or(sort as u64);
        let position = row.and_then(|row| row.body["_positions"].as_array()?.last()?.as_i64()).unwrap_or(sort);
        let new_sources = before.as_ref().is_none_or(|before| Some(&before.documents) != after.as_ref().map(|after| &after.documents));
        let cited = row.filter(|_| new_sources).map(|row| cited(&row.body).filter_map(Cited::of).collect()).unwrap_or_default();
        Some(Self { organization, id: id.to_owned(), sort, order, position, before, after, cited })
    }
}

pub fn rollups(version: i64) -> String {
    format!("rollups_v{version}")
}

fn cited_documents(version: i64) -> String {
    format!("cited_documents_v{version}")
}

/// The tables of one version of the rollups, which is that of the interactions.
pub fn create_version(session: &mut Session, version: i64) -> Result<(), StoreError> {
    let (rollups, cited) = (rollups(version), cited_documents(version));
    let (number, bytes, end) = match session.engine() {
        Engine::Sqlite => ("INTEGER", "BLOB", " WITHOUT ROWID"),
        Engine::Postgres => ("bigint", "bytea", ""),
    };
    session.batch(&format!(
        "CREATE TABLE IF NOT EXISTS {rollups} (organization TEXT NOT NULL, scope TEXT NOT NULL, part {number} NOT NULL, level {number} NOT NULL, start {number} NOT NULL, name TEXT NOT NULL, figures {bytes} NOT NULL, sessions {bytes}, users {bytes}, groups {bytes}, documents {bytes}, PRIMARY KEY (organization, scope, part, level, start, name)){end};
         CREATE TABLE IF NOT EXISTS {cited} (organization TEXT NOT NULL, document TEXT NOT NULL, title TEXT, url TEXT, at {number} NOT NULL, id TEXT NOT NULL, PRIMARY KEY (organization, document)){end};"
    ))?;
    guard(session, &rollups)?;
    guard(session, &cited)?;
    questions::create_version(session, version)
}

pub fn drop_version(session: &mut Session, version: i64) -> Result<(), StoreError> {
    session.batch(&format!("DROP TABLE IF EXISTS {}; DROP TABLE IF EXISTS {}", rollups(version), cited_documents(version)))?;
    questions::drop_version(session, version)
}

/// Brings the figures to what the interactions are now.
pub fn apply(session: &mut Session, version: i64, mut changes: Vec<Change>) -> Result<(), StoreError> {
    if changes.is_empty() {
        return Ok(());
    }
    alone(session)?;
    changes.sort_by(|a, b| (a.order, &a.id).cmp(&(b.order, &b.id)));
    let mut differences = Differences::default();
    for change in &changes {
        let (was, is) = questions::groups(session, version, change)?;
        let before = change.before.as_ref().map(|fact| Grouped { fact, group: was });
        let after = change.after.as_ref().map(|fact| Grouped { fact, group: is });
        differences.change(change.organization, before, after);
    }
    name_documents(session, version, &changes)?;
    add(session, version, differences)?;
    let mut organizations: BTreeMap<OrgId, i64> = BTreeMap::new();
    for change in &changes {
        let position = organizations.entry(change.organization).or_default();
        *position = (*position).max(change.position);
    }
    organizations.into_iter().try_for_each(|(organization, position)| touch(session, organization, position))
}

/// What a dashboard shows of an organization has changed, by an event at a position (0 where by none).
pub fn touch(session: &mut Session, organization: OrgId, position: i64) -> Result<(), StoreError> {
    alone(session)?;
    let sql = "INSERT INTO figure_changes (organization, changes, position) VALUES (?1, 1, ?2) ON CONFLICT (organization) DO UPDATE SET \
               changes = figure_changes.changes + 1, position = CASE WHEN excluded.position > figure_changes.position THEN excluded.position ELSE figure_changes.position END";
    session.execute(sql, &[organization.to_string().into(), position.into()]).map(drop)
}

/// How often it has changed, and the position of the last event that did it.
pub fn changes(session: &mut Session, organization: OrgId) -> Result<(i64, u64), StoreError> {
    let found = session.query_first("SELECT changes, position FROM figure_changes WHERE organization = ?1", &[organization.to_string().into()])?;
    found.map_or(Ok((0, 0)), |row| Ok((row.get(0)?, row.get(1)?)))
}

/// Adds differences to the stored cells.
pub fn add(session: &mut Session, version: i64, differences: Differences) -> Result<(), StoreError> {
    let keys: Vec<&CellKey> = differences.0.keys().collect();
    let mut stored: Vec<Option<Stored>> = Vec::with_capacity(keys.len());
    for chunk in keys.chunks(KEYS_A_READ) {
        stored.extend(read(session, version, chunk)?);
    }
    let mut written = Vec::new();
    for ((key, mut cell), stored) in differences.0.into_iter().zip(stored) {
        let columns = columns(&key);
        if let Some(row) = stored {
            add_stored(&mut cell, &row).map_err(|error| StoreError::Shape(error.to_string()))?;
        }
        if cell.figures.is_empty() {
            let sql = format!("DELETE FROM {} WHERE {}", rollups(version), conditions());
            session.execute(&sql, &columns)?;
        } else {
            written.push(row(key.part, columns, cell));
        }
    }
    session.upsert(&rollups(version), &COLUMNS, &KEY, written)
}

fn conditions() -> String {
    KEY.iter().enumerate().map(|(place, column)| format!("{column} = ?{}", place + 1)).collect::<Vec<_>>().join(" AND ")
}

fn columns(key: &CellKey) -> Vec<Value> {
    vec![
        key.organization.to_string().into(),
        key.scope.as_str().into(),
        key.part.number().into(),
        key.level.minutes().into(),
        key.start.into(),
        key.name.as_str().into(),
    ]
}

fn row(part: Part, mut columns: Vec<Value>, mut cell: Cell) -> Vec<Value> {
    columns.push(cell.figures.encode().into());
    if part == Part::Whole {
        columns.extend([cell.sessions.encode(), cell.users.encode(), cell.groups.encode(), cell.documents.encode()].map(Value::from));
    } else {
        columns.extend([const { Value::Bytes(None) }; 4]);
    }
    columns
}

/// The stored cell of each key. There is one statement to prepare: a last chunk is filled up with keys that nobody has.
fn read(session: &mut Session, version: i64, keys: &[&CellKey]) -> Result<Vec<Option<Stored>>, StoreError> {
    let width = KEY.len() + 1;
    let places = |key: usize| format!("({})", (1..=width).map(|column| format!("?{}", key * width + column)).collect::<Vec<_>>().join(", "));
    let wanted: Vec<String> = (0..KEYS_A_READ).map(places).collect();
    let same: Vec<String> = KEY.iter().map(|column| format!("r.{column} = w.{column}")).collect();
    // The order of the join is given: a look-up for each key.
    let sql = format!(
        "WITH w (place, {}) AS (VALUES {}) SELECT w.place, r.figures, r.sessions, r.users, r.groups, r.documents FROM w CROSS JOIN {} r WHERE {}",
        KEY.join(", "),
        wanted.join(", "),
        rollups(version),
        same.join(" AND ")
    );
    let nobody = || vec!["".into(), "".into(), 0_i64.into(), 0_i64.into(), 0_i64.into(), "".into()];
    let keys_of = keys.iter().map(|key| columns(key)).chain(std::iter::repeat_with(nobody));
    let values: Vec<Value> = (0..KEYS_A_READ).zip(keys_of).flat_map(|(place, key)| [vec![Value::from(place)], key].concat()).collect();
    let mut found = vec![None; keys.len()];
    for row in session.query(&sql, &values)? {
        let place: usize = row.get::<u32>(0)? as usize;
        *found.get_mut(place).ok_or_else(|| StoreError::Shape("a cell has no key".into()))? = Some(row);
    }
    Ok(found)
}

fn add_stored(cell: &mut Cell, row: &Stored) -> Result<(), Damaged> {
    let bytes = |place| row.get::<Option<Vec<u8>>>(place).map(Option::unwrap_or_default).map_err(|_| Damaged);
    cell.figures.add_encoded(&bytes(1)?)?;
    cell.sessions.add_encoded(&bytes(2)?)?;
    cell.users.add_encoded(&bytes(3)?)?;
    cell.groups.add_encoded(&bytes(4)?)?;
    cell.documents.add_encoded(&bytes(5)?)
}

/// Keeps what each document was called when it was cited last.
fn name_documents(session: &mut Session, version: i64, changes: &[Change]) -> Result<(), StoreError> {
    let mut newest: HashMap<(OrgId, &str), (i64, &str, &Cited)> = HashMap::new();
    for change in changes {
        let Some(after) = &change.after else { continue };
        for cited in &change.cited {
            let known = newest.entry((change.organization, &cited.document)).or_insert((after.at, &change.id, cited));
            if (known.0, known.1) < (after.at, change.id.as_str()) {
                *known = (after.at, &change.id, cited);
            }
        }
    }
    let table = cited_documents(version);
    let sql = format!(
        "INSERT INTO {table} (organization, document, title, url, at, id) VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (organization, document) \
         DO UPDATE SET title = excluded.title, url = excluded.url, at = excluded.at, id = excluded.id WHERE {table}.at < excluded.at OR ({table}.at = excluded.at AND {table}.id < excluded.id)"
    );
    let mut newest: Vec<_> = newest.into_iter().collect();
    newest.sort_unstable_by_key(|(key, _)| *key);
    for ((organization, document), (at, id, cited)) in newest {
        session
            .execute(&sql, &[organization.to_string().into(), document.into(), cited.title.clone().into(), cited.url.clone().into(), at.into(), id.into()])?;
    }
    Ok(())
}

/// Title and URL of a document.
pub fn document_name(session: &mut Session, version: i64, organization: OrgId, document: &str) -> Result<(Option<String>, Option<String>), StoreError> {
    let sql = format!("SELECT title, url FROM {} WHERE organization = ?1 AND document = ?2", cited_documents(version));
    let found = session.query_first(&sql, &[organization.to_string().into(), document.into()])?;
    found.map_or(Ok((None, None)), |row| Ok((row.get(0)?, row.get(1)?)))
}

/// Whoever changes cells is alone with them until the transaction ends: folds of several partitions run at once. SQLite has one writer at a time anyway.
fn alone(session: &mut Session) -> Result<(), StoreError> {
    match session.engine() {
        Engine::Sqlite => Ok(()),
        Engine::Postgres => session.batch(&format!("SELECT pg_advisory_xact_lock({CELLS_LOCK})")),
    }
}

/// Holds the cells for a change that is no fold, and tells their versions.
pub fn hold(session: &mut Session) -> Result<Vec<i64>, StoreError> {
    alone(session)?;
    let rows = session.query("SELECT version FROM projections WHERE name = ?1 ORDER BY version", &[Projection::Interactions.name().into()])?;
    rows.iter().map(|row| row.get(0)).collect()
}

/// How many cells two versions differ in.
pub fn differing_cells(session: &mut Session, one: i64, other: i64) -> Result<u64, StoreError> {
    let columns = COLUMNS.join(", ");
    let lacks = |a: i64, b: i64| format!("SELECT count(*) FROM (SELECT {columns} FROM {} EXCEPT SELECT {columns} FROM {}) AS cells", rollups(a), rollups(b));
    let (here, there): (u64, u64) = (session.query_one(&lacks(one, other), &[])?.get(0)?, session.query_one(&lacks(other, one), &[])?.get(0)?);
    Ok(here + there)
}
