-- Cells of 15, 60, 1440 and 10080 minutes, for all agents (scope '') and for each: part 0 is the whole, part 1 an agent of it, part 2 a model of it.
-- `start` is in milliseconds since the epoch. The same cells as the view store keeps.
CREATE TABLE IF NOT EXISTS rollups
(
    organization String,
    scope String,
    part UInt8,
    level UInt16,
    start Int64,
    name String,
    interactions SimpleAggregateFunction(sum, Int64),
    completed SimpleAggregateFunction(sum, Int64),
    answered SimpleAggregateFunction(sum, Int64),
    failures SimpleAggregateFunction(sum, Int64),
    positive SimpleAggregateFunction(sum, Int64),
    negative SimpleAggregateFunction(sum, Int64),
    tokens SimpleAggregateFunction(sum, Int64),
    accurate SimpleAggregateFunction(sum, Int64),
    edited SimpleAggregateFunction(sum, Int64),
    inaccurate SimpleAggregateFunction(sum, Int64),
    no_answer SimpleAggregateFunction(sum, Int64),
    -- of completed interactions: buckets, and how many are in each
    latencies SimpleAggregateFunction(sumMap, Tuple(Array(UInt16), Array(Int64)))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(fromUnixTimestamp64Milli(start, 'UTC'))
ORDER BY (organization, scope, part, level, start, name)
SETTINGS index_granularity = 64, non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS rollups_of_interactions TO rollups AS
SELECT
    organization,
    cell.1 AS scope,
    toUInt8(cell.2) AS part,
    toUInt16(minutes) AS level,
    toUnixTimestamp64Milli(at) - positiveModulo(toUnixTimestamp64Milli(at), minutes * 60000) AS start,
    cell.3 AS name,
    sum(toInt64(sign)) AS interactions,
    sum(toInt64(sign) * (status = 'completed')) AS completed,
    sum(toInt64(sign) * interactions.answered) AS answered,
    sum(toInt64(sign) * (status = 'failed')) AS failures,
    sum(toInt64(sign) * interactions.positive) AS positive,
    sum(toInt64(sign) * interactions.negative) AS negative,
    sum(sign * interactions.tokens) AS tokens,
    sum(toInt64(sign) * (review = 'accurate')) AS accurate,
    sum(toInt64(sign) * (review = 'edited')) AS edited,
    sum(toInt64(sign) * (review = 'inaccurate')) AS inaccurate,
    sum(toInt64(sign) * (review = 'no_answer')) AS no_answer,
    sumMap([latency_bucket], [toInt64(sign) * (status = 'completed' AND latency_ms IS NOT NULL)]) AS latencies
FROM interactions
ARRAY JOIN
    [('', 0, ''), ('', 1, toString(agent)), ('', 2, toString(model)), (toString(agent), 0, ''), (toString(agent), 2, toString(model))] AS cell
ARRAY JOIN [15, 60, 1440, 10080] AS minutes
GROUP BY organization, scope, part, level, start, name;

-- How many different sessions and users: exact up to 512, then a HyperLogLog with a standard error of 0.8 %. States are large, granules small.
CREATE TABLE IF NOT EXISTS visitors
(
    organization String,
    scope String,
    level UInt16,
    start Int64,
    sessions AggregateFunction(uniqCombined64(14), UInt64),
    users AggregateFunction(uniqCombined64If(14), UInt64, UInt8)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(fromUnixTimestamp64Milli(start, 'UTC'))
ORDER BY (organization, scope, level, start)
SETTINGS index_granularity = 16, non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS visitors_of_interactions TO visitors AS
SELECT
    organization,
    scope,
    toUInt16(minutes) AS level,
    toUnixTimestamp64Milli(at) - positiveModulo(toUnixTimestamp64Milli(at), minutes * 60000) AS start,
    uniqCombined64State(14)(session) AS sessions,
    uniqCombined64IfState(14)(user, user != 0) AS users
FROM interactions
ARRAY JOIN ['', toString(agent)] AS scope
ARRAY JOIN [15, 60, 1440, 10080] AS minutes
GROUP BY organization, scope, level, start;

-- Citations of documents.
CREATE TABLE IF NOT EXISTS citations
(
    organization String,
    scope String,
    level UInt16,
    start Int64,
    document String,
    count Int64
)
ENGINE = SummingMergeTree(count)
PARTITION BY toYYYYMM(fromUnixTimestamp64Milli(start, 'UTC'))
ORDER BY (organization, scope, level, start, document)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS citations_of_interactions TO citations AS
SELECT
    organization,
    scope,
    toUInt16(minutes) AS level,
    toUnixTimestamp64Milli(at) - positiveModulo(toUnixTimestamp64Milli(at), minutes * 60000) AS start,
    document,
    sum(toInt64(sign)) AS count
FROM interactions
ARRAY JOIN documents AS document
ARRAY JOIN ['', toString(agent)] AS scope
ARRAY JOIN [15, 60, 1440, 10080] AS minutes
GROUP BY organization, scope, level, start, document;
