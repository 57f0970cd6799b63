-- What stands beside the versioned tables of the projections, which are made by the code: every one has the same columns.
CREATE TABLE IF NOT EXISTS projections (name TEXT NOT NULL, version INTEGER NOT NULL, position INTEGER NOT NULL, live INTEGER NOT NULL, PRIMARY KEY (name, version));
CREATE TABLE IF NOT EXISTS dead_events (projection TEXT NOT NULL, version INTEGER NOT NULL, position INTEGER NOT NULL, error TEXT NOT NULL, PRIMARY KEY (projection, version, position));
CREATE TABLE IF NOT EXISTS run_progress (organization TEXT NOT NULL, run TEXT NOT NULL, body TEXT, owner TEXT, lease_until INTEGER, PRIMARY KEY (organization, run)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS embedding_progress (organization TEXT NOT NULL, data_spec TEXT NOT NULL, manifest TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (organization, data_spec)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS published_documents (organization TEXT NOT NULL, data_spec TEXT NOT NULL, manifest TEXT NOT NULL, place INTEGER NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (organization, data_spec, place));
-- Leases of loops that run in one process at a time.
CREATE TABLE IF NOT EXISTS leases (name TEXT PRIMARY KEY, owner TEXT NOT NULL, until INTEGER NOT NULL) WITHOUT ROWID;
-- Where each partition of a topic stands in each version; none where versions are folded from the log alone.
CREATE TABLE IF NOT EXISTS feed_checkpoints (name TEXT NOT NULL, version INTEGER NOT NULL, partition INTEGER NOT NULL, position INTEGER NOT NULL, next_offset INTEGER, PRIMARY KEY (name, version, partition));
