//! Contents by their hash: documents, extracted texts and manifests; and the vectors of texts. The same bytes are stored, parsed and embedded once.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

use crate::sqlite::Readers;

const ZSTD_LEVEL: i32 = 3;

#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    #[error("the content store failed: {0}")]
    Store(#[from] rusqlite::Error),
    #[error("stored content is damaged")]
    Damaged,
}

#[derive(Clone)]
pub struct ContentStore {
    writer: Arc<Mutex<Connection>>,
    readers: Readers,
}

impl ContentStore {
    pub fn open(file: &Path) -> Result<Self, ContentError> {
        let writer = crate::sqlite::writer(file, include_str!("../../schemas/sql/sqlite/content.sql"))?;
        Ok(Self { writer: Arc::new(Mutex::new(writer)), readers: Readers::of(file) })
    }

    fn write<T>(&self, work: impl FnOnce(&mut Connection) -> Result<T, rusqlite::Error>) -> Result<T, ContentError> {
        Ok(work(&mut self.writer.lock().unwrap_or_else(PoisonError::into_inner))?)
    }

    /// Stores bytes; their SHA-256 in hexadecimal. They are durable when this answers.
    pub fn put(&self, bytes: &[u8]) -> Result<String, ContentError> {
        let sha256 = sha256(bytes);
        if !self.contains(&sha256)? {
            let packed = zstd::bulk::compress(bytes, ZSTD_LEVEL).map_err(|_| ContentError::Damaged)?;
            self.write(|connection| {
                connection.prepare_cached("INSERT OR IGNORE INTO blobs (sha256, bytes, zstd) VALUES (?1, ?2, ?3)")?.execute(params![
                    sha256,
                    bytes.len() as i64,
                    packed
                ])
            })?;
        }
        Ok(sha256)
    }

    pub fn contains(&self, sha256: &str) -> Result<bool, ContentError> {
        Ok(self.readers.read(|connection| connection.prepare_cached("SELECT 1 FROM blobs WHERE sha256 = ?1")?.exists([sha256]))?)
    }

    pub fn get(&self, sha256: &str) -> Result<Option<Bytes>, ContentError> {
        let row = |row: &rusqlite::Row| Ok((row.get::<_, i64>(0)? as usize, row.get::<_, Vec<u8>>(1)?));
        let found = self
            .readers
            .read(|connection| connection.prepare_cached("SELECT bytes, zstd FROM blobs WHERE sha256 = ?1")?.query_row([sha256], row).optional())?;
        found.map(|(size, packed)| zstd::bulk::decompress(&packed, size).map(Bytes::from).map_err(|_| ContentError::Damaged)).transpose()
    }

    /// The extraction (as the hash of its JSON) that a parser made of these bytes.
    pub fn extraction(&self, content: &str, parser: &str) -> Result<Option<String>, ContentError> {
        let sql = "SELECT blob FROM extractions WHERE content = ?1 AND parser = ?2";
        Ok(self.readers.read(|connection| connection.prepare_cached(sql)?.query_row([content, parser], |row| row.get(0)).optional())?)
    }

    pub fn put_extraction(&self, content: &str, parser: &str, blob: &str) -> Result<(), ContentError> {
        self.write(|connection| {
            connection.prepare_cached("INSERT OR REPLACE INTO extractions (content, parser, blob) VALUES (?1, ?2, ?3)")?.execute([content, parser, blob])
        })
        .map(drop)
    }

    /// Vectors that a model has made before, by the SHA-256 of their texts.
    pub fn embeddings(&self, model: &str, texts: &[String]) -> Result<Vec<Option<Vec<f32>>>, ContentError> {
        Ok(self.readers.read(|connection| {
            let mut find = connection.prepare_cached("SELECT vector FROM embeddings WHERE model = ?1 AND text = ?2")?;
            texts
                .iter()
                .map(|text| Ok(find.query_row([model, text.as_str()], |row| row.get::<_, Vec<u8>>(0)).optional()?.map(|bytes| floats(&bytes))))
                .collect()
        })?)
    }

    pub fn put_embeddings(&self, model: &str, vectors: &[(String, Vec<f32>)]) -> Result<(), ContentError> {
        self.write(|connection| {
            let transaction = connection.transaction()?;
            {
                let mut insert = transaction.prepare_cached("INSERT OR REPLACE INTO embeddings (model, text, vector) VALUES (?1, ?2, ?3)")?;
                for (text, vector) in vectors {
                    let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
                    insert.execute(params![model, text, bytes])?;
                }
            }
            transaction.commit()
        })
    }
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]])).collect()
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
