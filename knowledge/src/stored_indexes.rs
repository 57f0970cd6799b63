//! Indexes in PostgreSQL, for nodes that share them and for more passages than fit in memory: keywords as postings, vectors in pgvector's HNSW.
//!
//! Invariant: an index is there as a whole or not at all, and never changes; whose it is was settled before, by the views that name it.

use serde_json::json;
use twig_commands::{
    content::sha256,
    database::{Database, PostgresPool, Row, Session, StoreError, Value},
};
use twig_domain::id::DataSpecId;
use twig_retrieval::{IndexStore, SpecIndex, StoredIndex, StoredPassage, StoredTerm};

const DDL: &str = include_str!("../../schemas/sql/postgres/search.sql");
/// The first with scans that go on until enough rows of the indexes asked for are found.
const LEAST_PGVECTOR: [u32; 2] = [0, 8];
/// What HNSW takes at half precision.
const MAX_DIMENSION: usize = 4_000;
/// At most this many rows may be looked at for one search (pgvector's own limit).
const MAX_ROWS_SEARCHED: usize = 1_000;
const TERMS_A_STATEMENT: usize = 2_000;
const PASSAGES_A_STATEMENT: usize = 500;
/// An index that is no longer published is kept so long, for those who look into the past.
const KEPT_UNPUBLISHED: &str = "1 day";

#[derive(Clone)]
pub struct StoredIndexes {
    pool: PostgresPool,
    database: Database,
}

impl StoredIndexes {
    /// None where this PostgreSQL has no pgvector of the version needed, with the reason.
    pub fn postgres(url: &str) -> Result<Result<Self, String>, StoreError> {
        let pool = PostgresPool::connect(url, None)?;
        let database = Database::Postgres(pool.clone());
        let version = "SELECT default_version FROM pg_available_extensions WHERE name = 'vector'";
        let version = database.read_now(|session| session.query_first(version, &[])?.map(|row| row.get::<String>(0)).transpose())?;
        let Some(version) = version else { return Ok(Err("it has no pgvector".into())) };
        let numbers: Vec<u32> = version.split('.').map_while(|part| part.parse().ok()).collect();
        if numbers.as_slice() < LEAST_PGVECTOR.as_slice() {
            return Ok(Err(format!("its pgvector is {version}, and {}.{} is the least", LEAST_PGVECTOR[0], LEAST_PGVECTOR[1])));
        }
        pool.migrate(DDL)?;
        Ok(Ok(Self { pool, database }))
    }

    /// Those of these indexes that are there, each at its place.
    pub(crate) fn find(&self, wanted: &[(DataSpecId, String, String)]) -> Result<Vec<Option<StoredIndex>>, StoreError> {
        self.database.read_now(|session| found(session, wanted))
    }

    /// Keeps an index, where no other node was first.
    pub(crate) fn put(&self, spec: DataSpecId, manifest: &str, index: &SpecIndex) -> Result<StoredIndex, StoreError> {
        let stored = index.stored(0);
        self.index_vectors(&stored)?;
        self.database.write_now(|session| {
            let insert = "INSERT INTO search_indexes (data_spec, manifest, model, passages, total_length, dimension) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                ON CONFLICT DO NOTHING RETURNING id";
            let row: [Value; 6] = [
                spec.to_string().into(),
                manifest.into(),
                stored.model.as_str().into(),
                stored.passages.into(),
                stored.total_length.into(),
                stored.dimension.into(),
            ];
            let Some(row) = session.query_first(insert, &row)? else {
                let others = found(session, &[(spec, manifest.to_owned(), stored.model.clone())])?;
                return others.into_iter().next().flatten().ok_or_else(|| StoreError::Shape("an index went away".into()));
            };
            let id = row.get(0)?;
            put_terms(session, index.stored_terms(id))?;
            put_passages(session, index, id)?;
            Ok(StoredIndex { id, ..stored.clone() })
        })
    }

    /// The rows of one model have an index of their own: vectors of two models are never compared, and have other dimensions.
    fn index_vectors(&self, stored: &StoredIndex) -> Result<(), StoreError> {
        if !(1..=MAX_DIMENSION).contains(&stored.dimension) {
            return Ok(());
        }
        let name = format!("search_vectors_{}_{}", &sha256(stored.model.as_bytes())[..16], stored.dimension);
        if self.database.read_now(|session| session.exists("SELECT 1 FROM pg_indexes WHERE indexname = ?1", &[name.as_str().into()]))? {
            return Ok(());
        }
        self.pool.run_ddl(&format!(
            "CREATE INDEX IF NOT EXISTS {name} ON search_vectors USING hnsw ((vector::halfvec({})) halfvec_ip_ops) WHERE model = {}",
            stored.dimension,
            quoted(&stored.model)
        ))
    }

    /// Drops what is not published any more; how many there were.
    pub(crate) fn keep_only(&self, published: &[(DataSpecId, String, String)]) -> Result<u64, StoreError> {
        let keys = json!(published.iter().map(|(spec, manifest, model)| format!("{spec} {manifest} {model}")).collect::<Vec<_>>());
        let sql = format!(
            "DELETE FROM search_indexes WHERE made_at < now() - interval '{KEPT_UNPUBLISHED}'
                AND data_spec || ' ' || manifest || ' ' || model <> ALL(ARRAY(SELECT jsonb_array_elements_text(?1)))"
        );
        self.database.write_now(|session| session.execute(&sql, &[Value::json(&keys)]))
    }
}

fn found(session: &mut Session, wanted: &[(DataSpecId, String, String)]) -> Result<Vec<Option<StoredIndex>>, StoreError> {
    let sql = "SELECT id, passages, total_length, dimension, place - 1
        FROM jsonb_array_elements(?1) WITH ORDINALITY AS wanted (key, place)
        JOIN search_indexes ON data_spec = key ->> 0 AND manifest = key ->> 1 AND model = key ->> 2";
    let mut indexes = vec![None; wanted.len()];
    for row in session.query(sql, &[Value::json(&json!(wanted))])? {
        let place = row.get::<u32>(4)? as usize;
        let Some((_, _, model)) = wanted.get(place) else { continue };
        indexes[place] = Some(StoredIndex {
            id: row.get(0)?,
            model: model.clone(),
            passages: row.get::<u32>(1)? as usize,
            total_length: row.get(2)?,
            dimension: row.get::<u32>(3)? as usize,
        });
    }
    Ok(indexes)
}

fn put_terms(session: &mut Session, mut terms: impl Iterator<Item = StoredTerm>) -> Result<(), StoreError> {
    loop {
        let row = |term: StoredTerm| vec![term.index.into(), term.term.into(), term.passages.into(), term.postings.into()];
        let rows: Vec<Vec<Value>> = terms.by_ref().take(TERMS_A_STATEMENT).map(row).collect();
        if rows.is_empty() {
            return Ok(());
        }
        session.upsert("search_terms", &["index_id", "term", "passages", "postings"], &["index_id", "term"], rows)?;
    }
}

fn put_passages(session: &mut Session, index: &SpecIndex, id: i64) -> Result<(), StoreError> {
    let mut passages = index.stored_passages(id);
    loop {
        let some: Vec<StoredPassage> = passages.by_ref().take(PASSAGES_A_STATEMENT).collect();
        if some.is_empty() {
            return Ok(());
        }
        let directions: Vec<_> =
            some.iter().flat_map(|one| index.directions(one.number).into_iter().map(|direction| json!([one.number, json!(direction).to_string()]))).collect();
        let row =
            |one: StoredPassage| vec![id.into(), one.number.into(), Value::json(&json!(one.passage)), one.fingerprint.cast_signed().into(), one.vectors.into()];
        let rows = some.into_iter().map(row).collect();
        session.upsert("search_passages", &["index_id", "number", "passage", "fingerprint", "vectors"], &["index_id", "number"], rows)?;
        let insert = "INSERT INTO search_vectors (index_id, number, model, vector)
            SELECT ?1, (row ->> 0)::bigint, ?2, (row ->> 1)::halfvec FROM jsonb_array_elements(?3) AS row";
        session.execute(insert, &[id.into(), index.model.as_str().into(), Value::json(&json!(directions))])?;
    }
}

impl IndexStore for StoredIndexes {
    type Error = StoreError;

    fn terms(&self, indexes: &[i64], terms: &[String]) -> Result<Vec<StoredTerm>, StoreError> {
        let sql = "SELECT index_id, term, passages, postings FROM search_terms
            WHERE index_id = ANY(?1::text::bigint[]) AND term = ANY(ARRAY(SELECT jsonb_array_elements_text(?2)))";
        let rows = self.database.read_now(|session| session.query(sql, &[array(indexes).into(), Value::json(&json!(terms))]))?;
        rows.iter().map(|row| Ok(StoredTerm { postings: row.get(3)?, ..term(row)? })).collect()
    }

    fn terms_like(&self, indexes: &[i64], word: &str, most: usize) -> Result<Vec<StoredTerm>, StoreError> {
        let sql = "SELECT index_id, term, passages FROM search_terms
            WHERE index_id = ANY(?1::text::bigint[]) AND term >= ?2 AND term < ?3 AND octet_length(term) BETWEEN ?4 AND ?5";
        let first = word.chars().next().unwrap_or_default();
        let after = char::from_u32(first as u32 + 1).unwrap_or(char::MAX);
        let values: [Value; 5] =
            [array(indexes).into(), first.to_string().into(), after.to_string().into(), word.len().saturating_sub(most).into(), (word.len() + most).into()];
        let rows = self.database.read_now(|session| session.query(sql, &values))?;
        rows.iter().map(term).collect()
    }

    fn nearest(&self, indexes: &[i64], model: &str, vector: &[f32], rows: usize) -> Result<Vec<(i64, u32)>, StoreError> {
        // The model stands in the text, so that a plan kept for any values still takes the index of its rows.
        let column = format!("(vector::halfvec({}))", vector.len());
        let sql = format!(
            "SELECT index_id, number FROM search_vectors WHERE model = {} AND index_id = ANY(?1::text::bigint[])
                ORDER BY {column} <#> ?2::text::halfvec({}) LIMIT ?3",
            quoted(model),
            vector.len()
        );
        let values: [Value; 3] = [array(indexes).into(), json!(vector).to_string().into(), rows.into()];
        let settings = format!("BEGIN READ ONLY; SET LOCAL hnsw.ef_search = {}; SET LOCAL hnsw.iterative_scan = 'relaxed_order'", rows.min(MAX_ROWS_SEARCHED));
        let found = self.database.read_now(|session| {
            session.batch(&settings)?;
            let found = session.query(&sql, &values);
            session.batch("COMMIT")?;
            found
        })?;
        found.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
    }

    fn passages(&self, wanted: &[(i64, u32)]) -> Result<Vec<StoredPassage>, StoreError> {
        let sql = "SELECT index_id, number, passage, fingerprint, vectors FROM search_passages
            WHERE (index_id, number) IN (SELECT * FROM UNNEST(?1::text::bigint[], ?2::text::bigint[]))";
        let (indexes, numbers): (Vec<i64>, Vec<i64>) = wanted.iter().map(|(index, number)| (*index, i64::from(*number))).unzip();
        let rows = self.database.read_now(|session| session.query(sql, &[array(&indexes).into(), array(&numbers).into()]))?;
        let passage = |row: &Row| {
            Ok(StoredPassage {
                index: row.get(0)?,
                number: row.get(1)?,
                passage: row.json(2)?,
                fingerprint: row.get::<i64>(3)?.cast_unsigned(),
                vectors: row.get(4)?,
            })
        };
        rows.iter().map(passage).collect()
    }
}

fn term(row: &Row) -> Result<StoredTerm, StoreError> {
    Ok(StoredTerm { index: row.get(0)?, term: row.get(1)?, passages: row.get::<u32>(2)? as usize, postings: Vec::new() })
}

/// Numbers as PostgreSQL writes an array.
fn array(numbers: &[i64]) -> String {
    let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
    format!("{{{}}}", numbers.join(","))
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
