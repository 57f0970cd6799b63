-- Contents by their SHA-256, compressed; what was extracted from them; and vectors by model and text.
-- Where rows are long (blobs, vectors) there are rowids: without them, a row longer than a quarter of a page takes one of its own.
CREATE TABLE IF NOT EXISTS blobs (
    sha256 TEXT PRIMARY KEY,
    bytes  INTEGER NOT NULL,
    zstd   BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS extractions (
    content TEXT NOT NULL,
    parser  TEXT NOT NULL,
    blob    TEXT NOT NULL,
    PRIMARY KEY (content, parser)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS embeddings (
    model  TEXT NOT NULL,
    text   TEXT NOT NULL,
    vector BLOB NOT NULL,
    PRIMARY KEY (model, text)
);
