-- The event log. The first seven columns and the primary key are those that cqrs-es's own tools read.
CREATE TABLE IF NOT EXISTS events (
    aggregate_type TEXT NOT NULL,
    aggregate_id   TEXT NOT NULL,
    sequence       INTEGER NOT NULL CHECK (sequence > 0),
    event_type     TEXT NOT NULL,
    event_version  TEXT NOT NULL,
    payload        TEXT NOT NULL,
    metadata       TEXT NOT NULL,
    position       INTEGER NOT NULL UNIQUE CHECK (position > 0),
    event_id       TEXT NOT NULL,
    recorded_at    INTEGER NOT NULL,
    organization   TEXT NOT NULL,
    PRIMARY KEY (aggregate_type, aggregate_id, sequence)
);
CREATE TRIGGER IF NOT EXISTS events_are_never_updated BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;
CREATE TRIGGER IF NOT EXISTS events_are_never_deleted BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'events are never deleted'); END;
-- INSERT OR REPLACE would take an event away without a DELETE.
CREATE TRIGGER IF NOT EXISTS events_are_never_replaced BEFORE INSERT ON events
WHEN EXISTS (SELECT 1 FROM events WHERE position = NEW.position)
    OR EXISTS (SELECT 1 FROM events WHERE aggregate_type = NEW.aggregate_type AND aggregate_id = NEW.aggregate_id AND sequence = NEW.sequence)
BEGIN SELECT RAISE(ABORT, 'events are never replaced'); END;

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
