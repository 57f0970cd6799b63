-- Contents by their SHA-256, compressed; what was extracted from them; and vectors by model and text.
CREATE TABLE IF NOT EXISTS blobs (
    sha256 text   PRIMARY KEY,
    bytes  bigint NOT NULL,
    zstd   bytea  NOT NULL
);
ALTER TABLE blobs ALTER COLUMN zstd SET STORAGE EXTERNAL;
CREATE TABLE IF NOT EXISTS extractions (
    content text NOT NULL,
    parser  text NOT NULL,
    blob    text NOT NULL,
    PRIMARY KEY (content, parser)
);
CREATE TABLE IF NOT EXISTS embeddings (
    model  text  NOT NULL,
    text   text  NOT NULL,
    vector bytea NOT NULL,
    PRIMARY KEY (model, text)
);
