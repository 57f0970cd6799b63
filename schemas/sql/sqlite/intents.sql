-- What commands with an Idempotency-Key are about to append to a log that shares no transaction with this database (EventStoreDB).
CREATE TABLE IF NOT EXISTS idempotency_intents (
    organization   TEXT    NOT NULL,
    key            TEXT    NOT NULL,
    route          TEXT    NOT NULL,
    fingerprint    TEXT    NOT NULL,
    aggregate_type TEXT    NOT NULL,
    aggregate_id   TEXT    NOT NULL,
    version        INTEGER NOT NULL,
    event_id       TEXT    NOT NULL,
    until          INTEGER NOT NULL,
    PRIMARY KEY (organization, key)
) WITHOUT ROWID;
