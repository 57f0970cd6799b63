-- Search indexes: what each data spec is searched by, as the content store has it too. Keywords as postings by term (our own terms, so that they are weighed
-- by BM25 as in memory), vectors for pgvector. All can be made again from the content store: a row that is missing is made at the next search.
CREATE EXTENSION IF NOT EXISTS vector;
CREATE TABLE IF NOT EXISTS search_indexes (
    id           bigint           GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    data_spec    text             NOT NULL,
    manifest     text             NOT NULL,
    model        text             NOT NULL,
    passages     bigint           NOT NULL,
    total_length double precision NOT NULL,
    dimension    bigint           NOT NULL,
    made_at      timestamptz      NOT NULL DEFAULT now(),
    UNIQUE (data_spec, manifest, model)
);
CREATE TABLE IF NOT EXISTS search_terms (
    index_id bigint NOT NULL REFERENCES search_indexes ON DELETE CASCADE,
    term     text   NOT NULL COLLATE "C",
    passages bigint NOT NULL,
    postings bytea  NOT NULL,
    PRIMARY KEY (index_id, term)
);
ALTER TABLE search_terms ALTER COLUMN postings SET STORAGE EXTERNAL;
CREATE TABLE IF NOT EXISTS search_passages (
    index_id    bigint NOT NULL REFERENCES search_indexes ON DELETE CASCADE,
    number      bigint NOT NULL,
    passage     jsonb  NOT NULL,
    fingerprint bigint NOT NULL,
    vectors     bytea  NOT NULL,
    PRIMARY KEY (index_id, number)
);
-- A row for each vector of a passage, as long as it counts. A model's rows have an HNSW index of their own, made with its first rows.
CREATE TABLE IF NOT EXISTS search_vectors (
    index_id bigint  NOT NULL REFERENCES search_indexes ON DELETE CASCADE,
    number   bigint  NOT NULL,
    model    text    NOT NULL,
    vector   halfvec NOT NULL
);
CREATE INDEX IF NOT EXISTS search_vectors_by_index ON search_vectors (index_id);
