-- Requests that were handed out to the processes that answer them, by organization, in the minute and the day (UTC) that began at these seconds.
CREATE TABLE IF NOT EXISTS rate_counts (
    organization text   PRIMARY KEY,
    minute_start bigint NOT NULL,
    minute       bigint NOT NULL,
    day_start    bigint NOT NULL,
    day          bigint NOT NULL
);

-- Hands out as much of what is wanted as the limits have left, of both windows in one step.
CREATE OR REPLACE FUNCTION twig_lease(
    org text, minute_at bigint, minute_want bigint, minute_limit bigint, day_at bigint, day_want bigint, day_limit bigint,
    OUT minute_got bigint, OUT minute_used bigint, OUT day_got bigint, OUT day_used bigint
) LANGUAGE plpgsql AS $$
DECLARE
    known rate_counts%ROWTYPE;
BEGIN
    INSERT INTO rate_counts VALUES (org, minute_at, 0, day_at, 0) ON CONFLICT DO NOTHING;
    SELECT * INTO known FROM rate_counts WHERE organization = org FOR UPDATE;
    IF known.minute_start <> minute_at THEN known.minute := 0; END IF;
    IF known.day_start <> day_at THEN known.day := 0; END IF;
    minute_got := greatest(least(minute_want, minute_limit - known.minute), 0);
    day_got := greatest(least(day_want, day_limit - known.day), 0);
    minute_used := known.minute + minute_got;
    day_used := known.day + day_got;
    UPDATE rate_counts SET minute_start = minute_at, minute = minute_used, day_start = day_at, day = day_used WHERE organization = org;
END $$;
