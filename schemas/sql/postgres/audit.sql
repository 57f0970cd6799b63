-- The audit log's signing keys, and what was signed: beside the log, for neither can be made again from it.
CREATE TABLE IF NOT EXISTS audit_keys (
    number    bigint PRIMARY KEY,
    name      text   NOT NULL,
    sealed    text   NOT NULL,
    hand_over text,
    made_at   bigint NOT NULL
);
-- `records` has position (8 bytes, big-endian) and leaf hash (32 bytes) of every event that this checkpoint covers more than the previous one.
CREATE TABLE IF NOT EXISTS audit_checkpoints (
    organization text   NOT NULL,
    previous     bigint NOT NULL,
    size         bigint NOT NULL,
    position     bigint NOT NULL,
    made_at      bigint NOT NULL,
    note         text   NOT NULL,
    records      bytea  NOT NULL,
    PRIMARY KEY (organization, previous)
);
CREATE UNIQUE INDEX IF NOT EXISTS audit_checkpoints_by_size ON audit_checkpoints (organization, size);
