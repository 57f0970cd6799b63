-- An interaction as it is after each change: a change is the row before it with sign -1 and the row after it with sign 1, so that sums over sign are
-- always of the present and nothing is ever updated. No personal text: sessions and users are hashes.
CREATE TABLE IF NOT EXISTS interactions
(
    organization String,
    id String,
    at DateTime64(3, 'UTC'),
    agent LowCardinality(String),
    model LowCardinality(String),
    session UInt64,
    -- 0 where the interaction has no user
    user UInt64,
    status Enum8('started' = 0, 'completed' = 1, 'failed' = 2),
    answered Int8,
    -- the middle of the latency's bucket, within 0.8 %
    latency_ms Nullable(UInt64),
    latency_bucket UInt16,
    tokens Int64,
    positive Int8,
    negative Int8,
    review LowCardinality(String),
    documents Array(String),
    sign Int8,
    -- of the last event in it
    position UInt64
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(at)
ORDER BY (organization, at, id)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

-- Every feedback ever given.
CREATE TABLE IF NOT EXISTS feedback
(
    organization String,
    interaction String,
    at DateTime64(3, 'UTC'),
    rating LowCardinality(String),
    review LowCardinality(String),
    position UInt64
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(at)
ORDER BY (organization, at, interaction)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;
