//! Contents by their hash: documents, extracted texts and manifests; and the vectors of texts. The same bytes are stored, parsed and embedded once.

use std::path::Path;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::database::{Database, Durability, PostgresPool, Session, StoreError, Value};

const ZSTD_LEVEL: i32 = 3;
/// Texts whose vectors are asked for by one statement.
const MAX_LOOKED_UP: usize = 500;

#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    #[error("the content store failed: {0}")]
    Store(#[from] StoreError),
    #[error("stored content is damaged")]
    Damaged,
}

/// All of it blocks: call it on a thread that may.
#[derive(Clone)]
pub struct ContentStore {
    database: Database,
}

impl ContentStore {
    /// The store of a data folder.
    pub fn open(file: &Path) -> Result<Self, ContentError> {
        Ok(Self { database: Database::sqlite(file, Durability::Full, include_str!("../../schemas/sql/sqlite/content.sql"))? })
    }

    /// The store of a PostgreSQL database.
    pub fn postgres(url: &str) -> Result<Self, ContentError> {
        let pool = PostgresPool::connect(url, None)?;
        pool.migrate(include_str!("../../schemas/sql/postgres/content.sql"))?;
        Ok(Self { database: Database::Postgres(pool) })
    }

    fn read<T>(&self, work: impl FnOnce(&mut Session) -> Result<T, StoreError>) -> Result<T, ContentError> {
        Ok(self.database.read_now(work)?)
    }

    fn write<T>(&self, work: impl FnOnce(&mut Session) -> Result<T, StoreError>) -> Result<T, ContentError> {
        Ok(self.database.write_now(work)?)
    }

    /// Stores bytes; their SHA-256 in hexadecimal. They are durable when this answers.
    pub fn put(&self, bytes: &[u8]) -> Result<String, ContentError> {
        let sha256 = sha256(bytes);
        if !self.contains(&sha256)? {
            let row = blob(&sha256, bytes)?;
            self.write(|session| session.execute(INSERT_BLOB, &row))?;
        }
        Ok(sha256)
    }

    pub fn contains(&self, sha256: &str) -> Result<bool, ContentError> {
        self.read(|session| session.exists("SELECT 1 FROM blobs WHERE sha256 = ?1", &[sha256.into()]))
    }

    pub fn get(&self, sha256: &str) -> Result<Option<Bytes>, ContentError> {
        let found = self.read(|session| {
            let row = session.query_first("SELECT bytes, zstd FROM blobs WHERE sha256 = ?1", &[sha256.into()])?;
            row.map(|row| Ok((row.get::<i64>(0)? as usize, row.get::<Vec<u8>>(1)?))).transpose()
        })?;
        found.map(|(size, packed)| zstd::bulk::decompress(&packed, size).map(Bytes::from).map_err(|_| ContentError::Damaged)).transpose()
    }

    /// The extraction (as the hash of its JSON) that a parser made of these bytes.
    pub fn extraction(&self, content: &str, parser: &str) -> Result<Option<String>, ContentError> {
        self.read(|session| {
            let row = session.query_first("SELECT blob FROM extractions WHERE content = ?1 AND parser = ?2", &[content.into(), parser.into()])?;
            row.map(|row| row.get(0)).transpose()
        })
    }

    /// Stores what a parser made of these bytes; its SHA-256.
    pub fn put_extraction(&self, content: &str, parser: &str, extraction: &[u8]) -> Result<String, ContentError> {
        let sha256 = sha256(extraction);
        let (row, of) = (blob(&sha256, extraction)?, vec![content.into(), parser.into(), Value::from(&sha256)]);
        self.write(|session| {
            session.execute(INSERT_BLOB, &row)?;
            session.upsert("extractions", &["content", "parser", "blob"], &["content", "parser"], vec![of])
        })?;
        Ok(sha256)
    }

    /// Vectors that a model has made before, by the SHA-256 of their texts.
    pub fn embeddings(&self, model: &str, texts: &[String]) -> Result<Vec<Option<Vec<f32>>>, ContentError> {
        self.read(|session| {
            let mut known = std::collections::HashMap::new();
            for some in texts.chunks(MAX_LOOKED_UP) {
                let places: Vec<String> = (2..some.len() + 2).map(|place| format!("?{place}")).collect();
                let sql = format!("SELECT text, vector FROM embeddings WHERE model = ?1 AND text IN ({})", places.join(", "));
                let values: Vec<Value> = std::iter::once(model.into()).chain(some.iter().map(Value::from)).collect();
                for row in session.query(&sql, &values)? {
                    known.insert(row.get::<String>(0)?, floats(&row.get::<Vec<u8>>(1)?));
                }
            }
            Ok(texts.iter().map(|text| known.get(text).cloned()).collect())
        })
    }

    pub fn put_embeddings(&self, model: &str, vectors: &[(String, Vec<f32>)]) -> Result<(), ContentError> {
        let row = |(text, vector): (&String, &Vec<f32>)| {
            let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
            vec![model.into(), text.into(), bytes.into()]
        };
        // The same text may stand in a batch twice; its vector is the same.
        let distinct: std::collections::BTreeMap<&String, &Vec<f32>> = vectors.iter().map(|(text, vector)| (text, vector)).collect();
        let rows = distinct.into_iter().map(row).collect();
        self.write(|session| session.upsert("embeddings", &["model", "text", "vector"], &["model", "text"], rows))
    }
}

const INSERT_BLOB: &str = "INSERT INTO blobs (sha256, bytes, zstd) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";

fn blob(sha256: &str, bytes: &[u8]) -> Result<[Value; 3], ContentError> {
    let packed = zstd::bulk::compress(bytes, ZSTD_LEVEL).map_err(|_| ContentError::Damaged)?;
    Ok([sha256.into(), bytes.len().into(), packed.into()])
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]])).collect()
}

/// Whether packed bytes are what their hash says.
#[must_use]
pub fn is_intact(hash: &str, size: usize, packed: &[u8]) -> bool {
    zstd::bulk::decompress(packed, size).is_ok_and(|bytes| sha256(&bytes) == hash)
}

#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn what_is_stored_comes_back_by_its_hash() {
        let folder = tempfile::tempdir().unwrap();
        let store = ContentStore::open(&folder.path().join("content.db")).unwrap();
        let hash = store.put(b"hello").unwrap();
        assert_eq!((store.put(b"hello").unwrap(), store.get(&hash).unwrap().unwrap()), (hash.clone(), Bytes::from_static(b"hello")));
        assert_eq!(store.get("00").unwrap(), None);
        store.put_embeddings("m", &[("t".into(), vec![1.5, -2.0])]).unwrap();
        assert_eq!(store.embeddings("m", &["t".into(), "u".into()]).unwrap(), [Some(vec![1.5, -2.0]), None]);
    }
}
