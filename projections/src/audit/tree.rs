//! Where the trees' tiles are kept: a table of the audit projection, written in the transaction of the rows that they cover.

use twig_commands::database::{Engine, Session, StoreError};
use twig_domain::id::OrgId;

use super::{
    merkle::{self, Hash},
    tiles::{TileId, Tiles, WIDTH},
};

const HASH_BYTES: u64 = 32;

pub fn table(version: i64) -> String {
    format!("audit_tiles_v{version}")
}

pub fn create(session: &mut Session, version: i64) -> Result<(), StoreError> {
    let (number, bytes, end) = match session.engine() {
        Engine::Sqlite => ("INTEGER", "BLOB", " WITHOUT ROWID"),
        Engine::Postgres => ("bigint", "bytea", ""),
    };
    session.batch(&format!(
        "CREATE TABLE IF NOT EXISTS {} (organization TEXT NOT NULL, level {number} NOT NULL, tile {number} NOT NULL, hashes {bytes} NOT NULL, PRIMARY KEY (organization, level, tile)){end}",
        table(version)
    ))
}

/// How many leaves an organization's tree has.
pub fn size(session: &mut Session, version: i64, organization: OrgId) -> Result<u64, StoreError> {
    let sql = format!("SELECT tile, length(hashes) FROM {} WHERE organization = ?1 AND level = 0 ORDER BY tile DESC LIMIT 1", table(version));
    let Some(row) = session.query_first(&sql, &[organization.to_string().into()])? else { return Ok(0) };
    Ok(row.get::<u64>(0)? * WIDTH + row.get::<u64>(1)? / HASH_BYTES)
}

pub fn append(session: &mut Session, version: i64, organization: OrgId, size: u64, leaves: &[Hash]) -> Result<(), StoreError> {
    let mut tiles = Tiles::default();
    tiles.append(size, leaves, &mut |id| load(session, version, organization, id))?;
    let row = |((level, tile), hashes): (TileId, Vec<u8>)| vec![organization.to_string().into(), level.into(), tile.into(), hashes.into()];
    let rows = tiles.into_changed().map(row).collect();
    session.upsert(&table(version), &["organization", "level", "tile", "hashes"], &["organization", "level", "tile"], rows)
}

fn load(session: &mut Session, version: i64, organization: OrgId, (level, tile): TileId) -> Result<Vec<u8>, StoreError> {
    let sql = format!("SELECT hashes FROM {} WHERE organization = ?1 AND level = ?2 AND tile = ?3", table(version));
    let row = session.query_first(&sql, &[organization.to_string().into(), level.into(), tile.into()])?;
    row.map_or(Ok(Vec::new()), |row| row.get(0))
}

/// An organization's tree, read from its tiles.
pub struct Tree<'a, 's> {
    session: &'a mut Session<'s>,
    version: i64,
    organization: OrgId,
    tiles: Tiles,
}

impl<'a, 's> Tree<'a, 's> {
    pub fn of(session: &'a mut Session<'s>, version: i64, organization: OrgId) -> Self {
        Self { session, version, organization, tiles: Tiles::default() }
    }

    fn node(&mut self, level: u32, index: u64) -> Result<Hash, StoreError> {
        let (session, version, organization) = (&mut *self.session, self.version, self.organization);
        self.tiles.node(level, index, &mut |id| load(session, version, organization, id))
    }

    pub fn root(&mut self, size: u64) -> Result<Hash, StoreError> {
        merkle::root(size, &mut |level, index| self.node(level, index))
    }

    pub fn inclusion(&mut self, index: u64, size: u64) -> Result<Vec<Hash>, StoreError> {
        merkle::inclusion(index, size, &mut |level, index| self.node(level, index))
    }

    pub fn consistency(&mut self, from: u64, to: u64) -> Result<Vec<Hash>, StoreError> {
        merkle::consistency(from, to, &mut |level, index| self.node(level, index))
    }

    pub fn leaf(&mut self, index: u64) -> Result<Hash, StoreError> {
        self.node(0, index)
    }
}
