-- Webhook deliveries, as in SQLite. What has ended is partitioned by month: identifiers begin with their time, and sort by it in the "C" collation.
CREATE TABLE IF NOT EXISTS webhook_dispatch (
  one bigint PRIMARY KEY CHECK (one = 1), position bigint NOT NULL, sent_after bigint NOT NULL, owner text, lease_until bigint
);
CREATE TABLE IF NOT EXISTS webhook_endpoints (
  id text PRIMARY KEY, organization text NOT NULL, settings text NOT NULL, secrets text NOT NULL, status text NOT NULL,
  sequence bigint NOT NULL DEFAULT 0, failing_since bigint
);
CREATE TABLE IF NOT EXISTS webhook_due (
  id text COLLATE "C" PRIMARY KEY, organization text NOT NULL, webhook text NOT NULL, lane bigint NOT NULL, sequence bigint NOT NULL, position bigint,
  event_id text NOT NULL, type text NOT NULL, data text, created_at bigint NOT NULL, attempts bigint NOT NULL DEFAULT 0, tries bigint NOT NULL DEFAULT 0,
  due_at bigint NOT NULL, next_at bigint NOT NULL, claimed_by text
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX IF NOT EXISTS webhook_due_next ON webhook_due (webhook, lane, next_at, sequence);
CREATE INDEX IF NOT EXISTS webhook_due_listed ON webhook_due (webhook, created_at, sequence);
CREATE TABLE IF NOT EXISTS webhook_ended (
  id text COLLATE "C" PRIMARY KEY, organization text NOT NULL, webhook text NOT NULL, lane bigint NOT NULL, sequence bigint NOT NULL, position bigint,
  event_id text NOT NULL, type text NOT NULL, data text, created_at bigint NOT NULL, attempts bigint NOT NULL, state text NOT NULL
) PARTITION BY RANGE (id);
CREATE INDEX IF NOT EXISTS webhook_ended_listed ON webhook_ended (webhook, created_at, sequence);
CREATE TABLE IF NOT EXISTS webhook_attempts (
  delivery text COLLATE "C" NOT NULL, number bigint NOT NULL, at bigint NOT NULL, status bigint, latency_ms bigint NOT NULL, response text, error text,
  PRIMARY KEY (delivery, number)
) PARTITION BY RANGE (delivery);
CREATE TABLE IF NOT EXISTS webhook_replays (
  webhook text NOT NULL, requested bigint NOT NULL, requested_at bigint NOT NULL, next bigint NOT NULL, until bigint NOT NULL, types text NOT NULL, since bigint NOT NULL,
  PRIMARY KEY (webhook, requested)
);
