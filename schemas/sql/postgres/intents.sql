-- What commands with an Idempotency-Key are about to append to a log that shares no transaction with this database (EventStoreDB).
CREATE TABLE IF NOT EXISTS idempotency_intents (
    organization   text   NOT NULL,
    key            text   NOT NULL,
    route          text   NOT NULL,
    fingerprint    text   NOT NULL,
    aggregate_type text   NOT NULL,
    aggregate_id   text   NOT NULL,
    version        bigint NOT NULL,
    event_id       text   NOT NULL,
    until          bigint NOT NULL,
    PRIMARY KEY (organization, key)
);
