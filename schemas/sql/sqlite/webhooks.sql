-- Webhook deliveries. What is due stands in a queue of its own, small however much was ever sent; what has ended stands in a log that ages out.
-- Payloads are not here: they are rendered from the log of events at each attempt, so that nothing erased stays behind.

-- How far the dispatcher has read the log, and which process dispatches. What stood in the log before `sent_after` is sent by a replay only.
CREATE TABLE IF NOT EXISTS webhook_dispatch (
  one INTEGER PRIMARY KEY CHECK (one = 1), position INTEGER NOT NULL, sent_after INTEGER NOT NULL, owner TEXT, lease_until INTEGER
);
CREATE TABLE IF NOT EXISTS webhook_endpoints (
  id TEXT PRIMARY KEY, organization TEXT NOT NULL, settings TEXT NOT NULL, secrets TEXT NOT NULL, status TEXT NOT NULL,
  sequence INTEGER NOT NULL DEFAULT 0, failing_since INTEGER
) WITHOUT ROWID;
-- `due_at` is when it is to be sent; `next_at` of a claimed row is the end of its lease. Lanes: 0 what happens, 1 history that is sent again, 2 tests.
CREATE TABLE IF NOT EXISTS webhook_due (
  id TEXT PRIMARY KEY, organization TEXT NOT NULL, webhook TEXT NOT NULL, lane INTEGER NOT NULL, sequence INTEGER NOT NULL, position INTEGER, event_id TEXT NOT NULL,
  type TEXT NOT NULL, data TEXT, created_at INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, tries INTEGER NOT NULL DEFAULT 0,
  due_at INTEGER NOT NULL, next_at INTEGER NOT NULL, claimed_by TEXT
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS webhook_due_next ON webhook_due (webhook, lane, next_at, sequence);
CREATE INDEX IF NOT EXISTS webhook_due_listed ON webhook_due (webhook, created_at, sequence);
CREATE TABLE IF NOT EXISTS webhook_ended (
  id TEXT PRIMARY KEY, organization TEXT NOT NULL, webhook TEXT NOT NULL, lane INTEGER NOT NULL, sequence INTEGER NOT NULL, position INTEGER, event_id TEXT NOT NULL,
  type TEXT NOT NULL, data TEXT, created_at INTEGER NOT NULL, attempts INTEGER NOT NULL, state TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS webhook_ended_listed ON webhook_ended (webhook, created_at, sequence);
CREATE TABLE IF NOT EXISTS webhook_attempts (
  delivery TEXT NOT NULL, number INTEGER NOT NULL, at INTEGER NOT NULL, status INTEGER, latency_ms INTEGER NOT NULL, response TEXT, error TEXT, PRIMARY KEY (delivery, number)
);
CREATE TABLE IF NOT EXISTS webhook_replays (
  webhook TEXT NOT NULL, requested INTEGER NOT NULL, requested_at INTEGER NOT NULL, next INTEGER NOT NULL, until INTEGER NOT NULL, types TEXT NOT NULL, since INTEGER NOT NULL,
  PRIMARY KEY (webhook, requested)
) WITHOUT ROWID;
