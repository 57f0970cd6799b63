-- The event log. The first seven columns and the primary key are those that postgres-es reads; metadata is a map of strings, as its tools expect.
CREATE TABLE IF NOT EXISTS events (
    aggregate_type text   NOT NULL,
    aggregate_id   text   NOT NULL,
    sequence       bigint NOT NULL CHECK (sequence > 0),
    event_type     text   NOT NULL,
    event_version  text   NOT NULL,
    payload        json   NOT NULL,
    metadata       json   NOT NULL,
    position       bigint NOT NULL CHECK (position > 0),
    event_id       text   NOT NULL,
    recorded_at    bigint NOT NULL,
    organization   text   NOT NULL,
    PRIMARY KEY (aggregate_type, aggregate_id, sequence)
);
CREATE UNIQUE INDEX IF NOT EXISTS events_by_position ON events (position);

CREATE OR REPLACE FUNCTION twig_events_are_never_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'events are never changed or deleted';
END $$;
CREATE OR REPLACE TRIGGER events_are_never_changed BEFORE UPDATE OR DELETE ON events FOR EACH ROW EXECUTE FUNCTION twig_events_are_never_changed();
CREATE OR REPLACE TRIGGER events_are_never_truncated BEFORE TRUNCATE ON events FOR EACH STATEMENT EXECUTE FUNCTION twig_events_are_never_changed();

-- Appends a batch of commands' events: the whole append path, one round trip. For each command: the position of its last event, or why it was refused
-- (-1 stale, -2 its idempotency key has an outcome, -3 another process made a key for the same subject). Under the lock positions are given in the order
-- of commits, since the lock is let go after the commit can be seen. A batch without a conflict goes in by one statement; any other, command by command.
CREATE OR REPLACE FUNCTION twig_append(
    now_ms bigint, expires_ms bigint,
    a_type text[], a_id text[], a_expected bigint[], a_events int[], a_metadata text[], a_organization text[],
    a_key text[], a_route text[], a_fingerprint text[],
    e_append int[], e_place int[], e_type text[], e_version text[], e_payload text[], e_id text[],
    k_append int[], k_subject text[], k_wrapped bytea[]
) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    head bigint;
    recorded bigint;
    outcomes bigint[] := array_fill(0::bigint, ARRAY[cardinality(a_type)]);
    clean boolean;
    at bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(8390880602191364097);
    SELECT position, recorded_at INTO head, recorded FROM events ORDER BY position DESC LIMIT 1;
    head := coalesce(head, 0);
    recorded := greatest(coalesce(recorded, now_ms), now_ms);

    -- A command's stream is where it expects it, counting what comes before it in this batch.
    SELECT coalesce(bool_and(expected = current + before), true) INTO clean FROM (
        SELECT a.expected,
               coalesce((SELECT max(e.sequence) FROM events e WHERE e.aggregate_type = a.type AND e.aggregate_id = a.id), 0) AS current,
               coalesce(sum(a.events) OVER (PARTITION BY a.type, a.id ORDER BY a.place ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before
        FROM unnest(a_type, a_id, a_expected, a_events) WITH ORDINALITY AS a (type, id, expected, events, place)
    ) AS checked;
    IF clean AND EXISTS (SELECT 1 FROM unnest(a_key) AS k WHERE k IS NOT NULL) THEN
        clean := NOT EXISTS (
            SELECT 1 FROM unnest(a_organization, a_key) AS a (organization, key) JOIN idempotency i ON i.organization = a.organization AND i.key = a.key WHERE i.expires_at > now_ms
        ) AND NOT EXISTS (SELECT 1 FROM unnest(a_organization, a_key) AS a (organization, key) WHERE a.key IS NOT NULL GROUP BY 1, a.key HAVING count(*) > 1);
    END IF;
    IF clean AND cardinality(k_subject) > 0 THEN
        clean := NOT EXISTS (
            SELECT 1 FROM unnest(k_subject, k_wrapped) AS k (subject, wrapped)
            LEFT JOIN subject_keys s ON s.subject = k.subject
            WHERE s.wrapped <> k.wrapped
               OR (s.wrapped IS NULL AND EXISTS (SELECT 1 FROM destroyed_keys d WHERE d.wrapped_sha256 = encode(sha256(k.wrapped), 'hex')))
        ) AND NOT EXISTS (SELECT 1 FROM unnest(k_subject, k_wrapped) AS k (subject, wrapped) GROUP BY k.subject HAVING count(DISTINCT k.wrapped) > 1);
    END IF;

    IF clean THEN
        IF cardinality(k_subject) > 0 THEN
            INSERT INTO subject_keys (subject, wrapped) SELECT DISTINCT ON (k.subject) k.subject, k.wrapped FROM unnest(k_subject, k_wrapped) AS k (subject, wrapped) ON CONFLICT DO NOTHING;
        END IF;
        INSERT INTO events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata, position, event_id, recorded_at, organization)
        SELECT a_type[e.append], a_id[e.append], a_expected[e.append] + e.place, e.type, e.version, e.payload::json,
               json_build_object('meta', a_metadata[e.append]), head + e.ordinal, e.id, recorded, a_organization[e.append]
        FROM unnest(e_append, e_place, e_type, e_version, e_payload, e_id) WITH ORDINALITY AS e (append, place, type, version, payload, id, ordinal);
        SELECT array_agg(reached ORDER BY place) INTO outcomes FROM (
            SELECT a.place, head + sum(a.events) OVER (ORDER BY a.place) AS reached FROM unnest(a_events) WITH ORDINALITY AS a (events, place)
        ) AS ends;
        head := head + cardinality(e_append);
    ELSE
        FOR n IN 1 .. cardinality(a_type) LOOP
            SELECT coalesce(max(e.sequence), 0) INTO at FROM events e WHERE e.aggregate_type = a_type[n] AND e.aggregate_id = a_id[n];
            IF at <> a_expected[n] THEN
                outcomes[n] := -1;
                CONTINUE;
            END IF;
            IF a_key[n] IS NOT NULL AND EXISTS (SELECT 1 FROM idempotency i WHERE i.organization = a_organization[n] AND i.key = a_key[n] AND i.expires_at > now_ms) THEN
                outcomes[n] := -2;
                CONTINUE;
            END IF;
            IF EXISTS (
                SELECT 1 FROM unnest(k_append, k_subject, k_wrapped) AS k (append, subject, wrapped) LEFT JOIN subject_keys s ON s.subject = k.subject
                WHERE k.append = n AND (s.wrapped <> k.wrapped
                    OR (s.wrapped IS NULL AND EXISTS (SELECT 1 FROM destroyed_keys d WHERE d.wrapped_sha256 = encode(sha256(k.wrapped), 'hex'))))
            ) THEN
                outcomes[n] := -3;
                CONTINUE;
            END IF;
            INSERT INTO subject_keys (subject, wrapped)
            SELECT k.subject, k.wrapped FROM unnest(k_append, k_subject, k_wrapped) AS k (append, subject, wrapped) WHERE k.append = n ON CONFLICT DO NOTHING;
            INSERT INTO events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata, position, event_id, recorded_at, organization)
            SELECT a_type[n], a_id[n], a_expected[n] + e.place, e.type, e.version, e.payload::json, json_build_object('meta', a_metadata[n]), head + e.place, e.id, recorded, a_organization[n]
            FROM unnest(e_append, e_place, e_type, e_version, e_payload, e_id) AS e (append, place, type, version, payload, id) WHERE e.append = n;
            head := head + a_events[n];
            outcomes[n] := head;
            IF a_key[n] IS NOT NULL THEN
                INSERT INTO idempotency AS i (organization, key, route, fingerprint, position, expires_at) VALUES (a_organization[n], a_key[n], a_route[n], a_fingerprint[n], head, expires_ms)
                ON CONFLICT (organization, key) DO UPDATE SET route = excluded.route, fingerprint = excluded.fingerprint, position = excluded.position, expires_at = excluded.expires_at, response = NULL;
            END IF;
        END LOOP;
    END IF;
    IF clean AND EXISTS (SELECT 1 FROM unnest(a_key) AS k WHERE k IS NOT NULL) THEN
        INSERT INTO idempotency AS i (organization, key, route, fingerprint, position, expires_at)
        SELECT a.organization, a.key, a.route, a.fingerprint, a.reached, expires_ms
        FROM unnest(a_organization, a_key, a_route, a_fingerprint, outcomes) AS a (organization, key, route, fingerprint, reached) WHERE a.key IS NOT NULL
        ON CONFLICT (organization, key) DO UPDATE SET route = excluded.route, fingerprint = excluded.fingerprint, position = excluded.position, expires_at = excluded.expires_at, response = NULL;
    END IF;
    PERFORM pg_notify('twig_events', head::text);
    RETURN outcomes;
END $$;
