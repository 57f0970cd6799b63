-- The audit log's signing keys, and what was signed: beside the log, for neither can be made again from it.
CREATE TABLE IF NOT EXISTS audit_keys (
    number    INTEGER PRIMARY KEY,
    name      TEXT NOT NULL,
    sealed    TEXT NOT NULL,
    hand_over TEXT,
    made_at   INTEGER NOT NULL
);
-- `records` has position (8 bytes, big-endian) and leaf hash (32 bytes) of every event that this checkpoint covers more than the previous one.
CREATE TABLE IF NOT EXISTS audit_checkpoints (
    organization TEXT NOT NULL,
    previous     INTEGER NOT NULL,
    size         INTEGER NOT NULL,
    position     INTEGER NOT NULL,
    made_at      INTEGER NOT NULL,
    note         TEXT NOT NULL,
    records      BLOB NOT NULL,
    PRIMARY KEY (organization, previous)
);
CREATE UNIQUE INDEX IF NOT EXISTS audit_checkpoints_by_size ON audit_checkpoints (organization, size);
