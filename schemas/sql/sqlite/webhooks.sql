-- Webhook deliveries: the dispatcher's endpoints and checkpoint, a row for each message to an endpoint, and each attempt.
-- Payloads are not here: they are rendered from the log at each attempt, so that nothing erased stays behind.
CREATE TABLE IF NOT EXISTS checkpoint (one INTEGER PRIMARY KEY CHECK (one = 1), position INTEGER NOT NULL, sent_after INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS endpoints (
  id TEXT PRIMARY KEY, organization TEXT NOT NULL, settings TEXT NOT NULL, secrets TEXT NOT NULL, status TEXT NOT NULL,
  sequence INTEGER NOT NULL DEFAULT 0, failing_since INTEGER
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS deliveries (
  id TEXT PRIMARY KEY, organization TEXT NOT NULL, webhook TEXT NOT NULL, sequence INTEGER NOT NULL, position INTEGER, event_id TEXT NOT NULL, type TEXT NOT NULL,
  data TEXT, replayed INTEGER NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, next_at INTEGER NOT NULL, lease_until INTEGER, created_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (webhook, next_at, sequence) WHERE state = 'pending';
CREATE INDEX IF NOT EXISTS deliveries_listed ON deliveries (webhook, created_at, sequence);
CREATE TABLE IF NOT EXISTS attempts (
  delivery TEXT NOT NULL, number INTEGER NOT NULL, at INTEGER NOT NULL, status INTEGER, latency_ms INTEGER NOT NULL, response TEXT, error TEXT, PRIMARY KEY (delivery, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS replays (webhook TEXT NOT NULL, requested INTEGER NOT NULL, next INTEGER NOT NULL, until INTEGER NOT NULL, types TEXT NOT NULL, PRIMARY KEY (webhook, requested)) WITHOUT ROWID;
