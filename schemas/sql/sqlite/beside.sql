-- Outcomes of requests with an Idempotency-Key, written with the events they name.
CREATE TABLE IF NOT EXISTS idempotency (
    organization TEXT NOT NULL,
    key          TEXT NOT NULL,
    route        TEXT NOT NULL,
    fingerprint  TEXT NOT NULL,
    position     INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    response     BLOB,
    PRIMARY KEY (organization, key)
);
CREATE INDEX IF NOT EXISTS idempotency_by_expiry ON idempotency (expires_at);

-- The keys of those whose words are in events. Erasing somebody deletes a row here.
CREATE TABLE IF NOT EXISTS subject_keys (
    subject TEXT PRIMARY KEY,
    wrapped BLOB NOT NULL
) WITHOUT ROWID;

-- SHA-256 of destroyed keys: one that somebody still holds is never stored again.
CREATE TABLE IF NOT EXISTS destroyed_keys (
    wrapped_sha256 TEXT PRIMARY KEY
) WITHOUT ROWID;

-- One row: shows whether the master key is the one this log was written with.
CREATE TABLE IF NOT EXISTS vault_check (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    sealed TEXT NOT NULL
);
