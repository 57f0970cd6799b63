-- Outcomes of requests with an Idempotency-Key, written with the events they name.
CREATE TABLE IF NOT EXISTS idempotency (
    organization text   NOT NULL,
    key          text   NOT NULL,
    route        text   NOT NULL,
    fingerprint  text   NOT NULL,
    position     bigint NOT NULL,
    expires_at   bigint NOT NULL,
    response     bytea,
    PRIMARY KEY (organization, key)
);
CREATE INDEX IF NOT EXISTS idempotency_by_expiry ON idempotency (expires_at);

-- Requests with a key that a process is working on; a dead process's claim ends by itself.
CREATE TABLE IF NOT EXISTS idempotency_running (
    organization text   NOT NULL,
    key          text   NOT NULL,
    owner        text   NOT NULL,
    until        bigint NOT NULL,
    PRIMARY KEY (organization, key)
);

-- The keys of those whose words are in events. Erasing somebody deletes a row here.
CREATE TABLE IF NOT EXISTS subject_keys (
    subject text  PRIMARY KEY,
    wrapped bytea NOT NULL
);

-- SHA-256 of destroyed keys: one that somebody still holds is never stored again.
CREATE TABLE IF NOT EXISTS destroyed_keys (
    wrapped_sha256 text PRIMARY KEY
);

-- One row: shows whether the master key is the one this log was written with.
CREATE TABLE IF NOT EXISTS vault_check (
    id     bigint PRIMARY KEY CHECK (id = 1),
    sealed text NOT NULL
);
