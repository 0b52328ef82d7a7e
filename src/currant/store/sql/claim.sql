-- Claims up to `rows` executions of the given queues for one node: higher priority first, then oldest first.
-- This is how the statement ends. How it begins, where it looks, is in claim_one.sql or claim_several.sql.
-- Locks: the node's row FOR KEY SHARE (against its being declared dead; the tick's UPDATE does not conflict), then the
--   chosen executions FOR UPDATE, skipping what others hold.
-- Index: executions_ready, then TID scans.
-- `look` candidates are looked at per queue, so that a claim sees past what another node holds locked at the moment.
-- Arguments larger than `payload` bytes are not fetched: their execution is claimed, to fail for that reason.
-- `discard` tells which are deleted when they succeed: as their options say, else as the parameter does.
-- A claim that runs later than `until_s` (this clock, Unix time), on a connection given up long ago, claims nothing.
-- Version 1 may hold NULL where it has a default: it stands for the default.
-- What locks is MATERIALIZED: a plain subquery with SKIP LOCKED may be run twice and lock more than its LIMIT.
-- What `found` has in order stays so: everything after it is a nested loop, and sorts nothing.
-- Rows returned: one for each execution claimed; at least one, whose id is NULL when nothing was claimed. Each carries
-- `seen` (the number of candidates; NULL: the node's row is stopped or gone, nothing may be claimed) and, where these were
-- fewer than `rows`, `due_in_s`: until the next scheduled execution, negative when overdue, NULL without one. The last of
-- them carries its `position`: priority, and created_at in Unix time.
, locked AS MATERIALIZED (
    SELECT e.ctid AS tid,
        -- A compressed value is measured in full; a plain one without being read.
        CASE WHEN pg_column_compression(e.args) IS NULL THEN coalesce(pg_column_size(e.args), 0)
             ELSE octet_length(e.args::text) END
        + CASE WHEN pg_column_compression(e.kwargs) IS NULL THEN coalesce(pg_column_size(e.kwargs), 0)
               ELSE octet_length(e.kwargs::text) END AS bytes
    FROM found AS c
    JOIN executions AS e ON e.ctid = c.tid
    WHERE e.ready
    LIMIT %(rows)s::int
    FOR UPDATE OF e SKIP LOCKED
), claimed AS (
    UPDATE executions AS e
    SET status = 'running', lease = e.lease + 1, attempt = least(coalesce(e.attempt, 0), 2147483646) + 1, worker_id = %(node)s, claimed_at = now()
    FROM (
        SELECT tid, bytes, sum(bytes) OVER w AS upto, lead(bytes) OVER w IS NULL AS last FROM locked
        WINDOW w AS (ROWS UNBOUNDED PRECEDING)
    ) AS b
    WHERE e.ctid = b.tid AND b.upto - b.bytes < %(bytes)s::bigint
    RETURNING
        e.id, e.lease, e.ctid AS tid, e.function_name, e.queue, e.attempt, e.crashes,
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
        coalesce(e.due_at, e.created_at) AS due_at,
        CASE WHEN b.last OR b.upto >= %(bytes)s::bigint
             THEN ARRAY[e.priority, extract(epoch FROM e.created_at)]::float8[] END AS position
)
SELECT
    id, lease, tid, function_name, queue, attempt, crashes, max_retries, timeout_s,
    CASE WHEN fits THEN args END AS args, CASE WHEN fits THEN kwargs END AS kwargs, discard,
    -- Before PostgreSQL 17 nothing can be taken from an infinite moment, as a raw row may have it.
    CASE WHEN isfinite(due_at) THEN date_part('epoch', now() - due_at) ELSE 0 END AS waited_s,
    position,
    CASE WHEN n.alive THEN n.seen END AS seen,
    -- Only when the queues are empty now: a full claim does not look.
    CASE WHEN n.seen < %(rows)s::int THEN (SELECT extract(epoch FROM run_at - now())::float8 FROM due) END AS due_in_s
-- Once, not for each row.
FROM (SELECT EXISTS (SELECT FROM node) AS alive, (SELECT count(*) FROM found)::int AS seen OFFSET 0) AS n
LEFT JOIN claimed ON true
