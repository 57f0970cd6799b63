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
