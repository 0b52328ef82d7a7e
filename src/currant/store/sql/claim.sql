-- Claims up to `rows` executions of the given queues for one node: higher priority first, then oldest first.
-- Locks: the node's row FOR KEY SHARE (against its being declared dead; the tick's UPDATE does not conflict), then the
--   chosen executions FOR UPDATE, skipping what others hold.
-- Index: executions_ready once per queue, each with a LIMIT inside (one scan over `queue = ANY` would sort the whole
--   backlog), then TID scans.
-- `look` candidates are looked at per queue, so that a claim sees past what another node holds locked at the moment.
-- Of each queue's three branches one or two run: from the beginning when `after_id` is NULL; else behind that position,
--   first in its priority and then in the lower ones, past the entries of claimed rows that vacuum may not remove yet.
-- Arguments larger than `payload` bytes are not fetched: their execution is claimed, to fail for that reason.
-- `discard` tells which are deleted when they succeed: as their options say, else as the parameter does.
-- A claim that runs later than `until_s` (this clock, Unix time), on a connection given up long ago, claims nothing.
-- Version 1 may hold NULL where it has a default: it stands for the default.
-- Every CTE is MATERIALIZED: a plain subquery with SKIP LOCKED may be run twice and lock more than its LIMIT.
-- Rows returned: one for each execution claimed; at least one, whose id is NULL when nothing was claimed. Each carries
-- `seen` (the number of candidates; NULL: the node's row is stopped or gone, nothing may be claimed) and, where these were
-- fewer than `rows`, `due_in_s`: until the next scheduled execution, negative when overdue, NULL without one. The last of
-- them carries its `position`: priority, and created_at in Unix time.
WITH node AS MATERIALIZED (
    SELECT 1 FROM worker_heartbeats
    WHERE worker_id = %(node)s AND status = 'running'
    FOR KEY SHARE
), valid AS MATERIALIZED (
    SELECT FROM node WHERE extract(epoch FROM clock_timestamp()) < %(until_s)s::float8
), found AS MATERIALIZED (
    SELECT c.tid, row_number() OVER (ORDER BY c.priority DESC, c.created_at, c.id) AS rank
    FROM unnest(%(queues)s::text[]) AS q (name)
    CROSS JOIN LATERAL (
        (
            SELECT e.ctid AS tid, e.priority, e.created_at, e.id FROM executions AS e
            WHERE e.queue = q.name AND e.ready AND e.type = 'job' AND %(after_id)s::text IS NULL
            ORDER BY e.priority DESC, e.created_at, e.id
            LIMIT %(look)s::int
        ) UNION ALL (
            SELECT e.ctid, e.priority, e.created_at, e.id FROM executions AS e
            WHERE e.queue = q.name AND e.ready AND e.type = 'job' AND e.priority = %(after_priority)s::int
                  AND (e.created_at, e.id) > (to_timestamp(%(after_s)s::float8), %(after_id)s::text)
            ORDER BY e.priority DESC, e.created_at, e.id
            LIMIT %(look)s::int
        ) UNION ALL (
            SELECT e.ctid, e.priority, e.created_at, e.id FROM executions AS e
            WHERE e.queue = q.name AND e.ready AND e.type = 'job' AND e.priority < %(after_priority)s::int
            ORDER BY e.priority DESC, e.created_at, e.id
            LIMIT %(look)s::int
        )
        LIMIT %(look)s::int
    ) AS c
    WHERE EXISTS (SELECT FROM valid)
), locked AS MATERIALIZED (
    SELECT e.ctid AS tid, c.rank,
        -- A compressed value is measured in full; a plain one without being read.
        CASE WHEN pg_column_compression(e.args) IS NULL THEN coalesce(pg_column_size(e.args), 0)
             ELSE octet_length(e.args::text) END
        + CASE WHEN pg_column_compression(e.kwargs) IS NULL THEN coalesce(pg_column_size(e.kwargs), 0)
               ELSE octet_length(e.kwargs::text) END AS bytes
    FROM found AS c
    JOIN executions AS e ON e.ctid = c.tid
    WHERE e.ready
    ORDER BY c.rank
    LIMIT %(rows)s::int
    FOR UPDATE OF e SKIP LOCKED
), bounded AS MATERIALIZED (
    SELECT tid, rank, bytes FROM (
        SELECT tid, rank, bytes, sum(bytes) OVER (ORDER BY rank ROWS UNBOUNDED PRECEDING) - bytes AS before FROM locked
    ) AS r
    WHERE before < %(bytes)s::bigint
), claimed AS (
    UPDATE executions AS e
    SET status = 'running', lease = e.lease + 1, attempt = least(coalesce(e.attempt, 0), 2147483646) + 1, worker_id = %(node)s, claimed_at = now()
    FROM bounded AS b
    WHERE e.ctid = b.tid
    RETURNING
        b.rank, e.id, e.lease, e.ctid AS tid, e.function_name, e.queue, e.attempt, e.crashes,
        coalesce(e.max_retries, 3) AS max_retries,
        -- What a raw row may hold there must not fail the claim of the others. An empty object has at most 8 bytes, and
        -- is not looked into.
        CASE WHEN pg_column_size(e.options) > 8 AND jsonb_typeof(e.options -> 'timeout') = 'number'
             THEN least(greatest((e.options ->> 'timeout')::numeric, 0.001), 1e9)::float8
             ELSE e.timeout_seconds END AS timeout_s,
        -- Stored and written out, JSON can differ in size by far: what is not small is measured as it will be sent.
        (b.bytes < 128 OR coalesce(octet_length(e.args::text), 0) + coalesce(octet_length(e.kwargs::text), 0)
         <= %(payload)s::bigint) AS fits,
        coalesce(e.args, '[]') AS args, coalesce(e.kwargs, '{}') AS kwargs,
        CASE WHEN pg_column_size(e.options) > 8 AND jsonb_typeof(e.options -> 'keep_completed') = 'number'
             THEN (e.options ->> 'keep_completed')::numeric <= 0
             ELSE %(discard)s::boolean END AS discard,
        e.priority, e.created_at, coalesce(e.due_at, e.created_at) AS due_at
), facts AS MATERIALIZED (
    -- Once, not for each row.
    SELECT CASE WHEN n.alive THEN n.seen END AS seen, (SELECT max(rank) FROM bounded) AS last,
        -- Only when the queues are empty now: a full claim does not look. Index: executions_run_at, one row of each queue.
        CASE WHEN n.seen < %(rows)s::int THEN (
            SELECT extract(epoch FROM min(s.run_at) - now())::float8
            FROM unnest(%(queues)s::text[]) AS q (name)
            CROSS JOIN LATERAL (
                SELECT e.run_at FROM executions AS e
                WHERE e.queue = q.name AND e.run_at BETWEEN 'epoch' AND '9000-01-01 UTC' AND e.status = 'scheduled'
                ORDER BY e.run_at
                LIMIT 1
            ) AS s
        ) END AS due_in_s
    FROM (SELECT EXISTS (SELECT FROM node) AS alive, (SELECT count(*) FROM found)::int AS seen OFFSET 0) AS n
)
SELECT
    id, lease, tid, function_name, queue, attempt, crashes, max_retries, timeout_s,
    CASE WHEN fits THEN args END AS args, CASE WHEN fits THEN kwargs END AS kwargs, discard,
    -- Before PostgreSQL 17 nothing can be taken from an infinite moment, as a raw row may have it.
    CASE WHEN isfinite(due_at) THEN date_part('epoch', now() - due_at) ELSE 0 END AS waited_s,
    CASE WHEN rank = last THEN ARRAY[priority, extract(epoch FROM created_at)]::float8[] END AS position,
    seen, due_in_s
FROM facts
LEFT JOIN claimed ON true
ORDER BY rank
