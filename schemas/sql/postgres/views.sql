-- What stands beside the versioned tables of the projections, which are made by the code: every one has the same columns.
CREATE TABLE IF NOT EXISTS projections (name text NOT NULL, version bigint NOT NULL, position bigint NOT NULL, live bigint NOT NULL, PRIMARY KEY (name, version));
CREATE TABLE IF NOT EXISTS dead_events (projection text NOT NULL, version bigint NOT NULL, position bigint NOT NULL, error text NOT NULL, PRIMARY KEY (projection, version, position));
CREATE TABLE IF NOT EXISTS run_progress (organization text NOT NULL, run text NOT NULL, body jsonb, owner text, lease_until bigint, PRIMARY KEY (organization, run));
CREATE TABLE IF NOT EXISTS embedding_progress (organization text NOT NULL, data_spec text NOT NULL, manifest text NOT NULL, body jsonb NOT NULL, PRIMARY KEY (organization, data_spec));
CREATE TABLE IF NOT EXISTS published_documents (organization text NOT NULL, data_spec text NOT NULL, manifest text NOT NULL, place bigint NOT NULL, id text NOT NULL, body jsonb NOT NULL, PRIMARY KEY (organization, data_spec, place));
-- Leases of loops that run in one process at a time.
CREATE TABLE IF NOT EXISTS leases (name text PRIMARY KEY, owner text NOT NULL, until bigint NOT NULL);
-- Where each partition of a topic stands in each version; none where versions are folded from the log alone.
CREATE TABLE IF NOT EXISTS feed_checkpoints (name text NOT NULL, version bigint NOT NULL, partition bigint NOT NULL, position bigint NOT NULL, next_offset bigint, PRIMARY KEY (name, version, partition));
GRANT SELECT ON feed_checkpoints, projections, dead_events TO twig_tenant;
