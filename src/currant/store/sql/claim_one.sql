-- Claims up to `rows` executions of one queue for one node, from its head: what claim.sql does of several queues, for less.
-- Locks: the node's row FOR KEY SHARE (against its being declared dead), then the executions FOR UPDATE, in their order,
--   skipping what others hold: with one queue there is nothing to merge first, so the rows are locked where they are found.
-- Index: executions_ready, one scan that ends at the last row locked, then a TID scan for each.
-- Arguments larger than `payload` bytes are not fetched; `discard`, `until_s` and NULLs: as in claim.sql.
-- Rows returned: one for each execution claimed, none when there was nothing (claim.sql tells then whether the node lives).
--   They carry `seen`: `rows`, or where fewer were claimed the number of candidates, others' among them; and then
--   `due_in_s`: until the next scheduled execution, negative when overdue, NULL without one.
WITH node AS MATERIALIZED (
    SELECT 1 FROM worker_heartbeats
    WHERE worker_id = %(node)s AND status = 'running'
    FOR KEY SHARE
), valid AS MATERIALIZED (
    SELECT FROM node WHERE extract(epoch FROM clock_timestamp()) < %(until_s)s::float8
), locked AS MATERIALIZED (
    SELECT
        l.tid, l.bytes,
        -- Once for both, as in claim.sql: what is not small is measured as it will be sent.
        l.bytes < 128 OR coalesce(octet_length(l.args::text), 0) + coalesce(octet_length(l.kwargs::text), 0)
                         <= %(payload)s::bigint AS fits
    FROM (
        SELECT
            e.ctid AS tid, e.args, e.kwargs,
            -- A compressed value is measured in full; a plain one without being read.
            CASE WHEN pg_column_compression(e.args) IS NULL THEN coalesce(pg_column_size(e.args), 0)
                 ELSE octet_length(e.args::text) END
            + CASE WHEN pg_column_compression(e.kwargs) IS NULL THEN coalesce(pg_column_size(e.kwargs), 0)
                   ELSE octet_length(e.kwargs::text) END AS bytes
        FROM executions AS e
        WHERE e.queue = %(queue)s AND e.ready AND e.type = 'job' AND EXISTS (SELECT FROM valid)
        ORDER BY e.priority DESC, e.created_at, e.id
        LIMIT %(rows)s::int
        FOR UPDATE OF e SKIP LOCKED
    ) AS l
), facts AS MATERIALIZED (
    -- Once, not for each row.
    SELECT
        l.claimed, l.bytes,
        CASE WHEN l.claimed < %(rows)s::int THEN (
            SELECT count(*) FROM (
                SELECT FROM executions AS e
                WHERE e.queue = %(queue)s AND e.ready AND e.type = 'job'
                ORDER BY e.priority DESC, e.created_at, e.id
                LIMIT %(rows)s::int
            ) AS s
        ) ELSE l.claimed END::int AS seen,
        CASE WHEN l.claimed < %(rows)s::int THEN (
            SELECT extract(epoch FROM e.run_at - now())::float8 FROM executions AS e
            WHERE e.queue = %(queue)s AND e.run_at BETWEEN 'epoch' AND '9000-01-01 00:00:00+00' AND e.status = 'scheduled'
            ORDER BY e.run_at
            LIMIT 1
        ) END AS due_in_s
    FROM (SELECT count(*) AS claimed, sum(bytes) AS bytes FROM locked OFFSET 0) AS l
), bounded AS MATERIALIZED (
    -- Summed up one by one only where all of them are too much.
    SELECT l.tid, l.fits FROM locked AS l WHERE (SELECT bytes FROM facts) <= %(bytes)s::bigint
    UNION ALL
    SELECT s.tid, s.fits
    FROM (SELECT tid, fits, sum(bytes) OVER (ROWS UNBOUNDED PRECEDING) - bytes AS bytes_before FROM locked) AS s
    WHERE s.bytes_before < %(bytes)s::bigint AND (SELECT bytes FROM facts) > %(bytes)s::bigint
)
UPDATE executions AS e
SET status = 'running', lease = e.lease + 1, attempt = least(coalesce(e.attempt, 0), 2147483646) + 1, worker_id = %(node)s, claimed_at = now()
FROM bounded AS b
WHERE e.ctid = b.tid
RETURNING
    e.id, e.lease, e.ctid AS tid, e.function_name, e.queue, e.attempt, e.crashes,
    coalesce(e.max_retries, 3) AS max_retries,
    CASE WHEN pg_column_size(e.options) > 8 AND jsonb_typeof(e.options -> 'timeout') = 'number'
         THEN least(greatest((e.options ->> 'timeout')::numeric, 0.001), 1e9)::float8
         ELSE e.timeout_seconds END AS timeout_s,
    CASE WHEN b.fits THEN coalesce(e.args, '[]') END AS args,
    CASE WHEN b.fits THEN coalesce(e.kwargs, '{}') END AS kwargs,
    CASE WHEN pg_column_size(e.options) > 8 AND jsonb_typeof(e.options -> 'keep_completed') = 'number'
         THEN (e.options ->> 'keep_completed')::numeric <= 0
         ELSE %(discard)s::boolean END AS discard,
    NULL::float8[] AS position, (SELECT seen FROM facts) AS seen, (SELECT due_in_s FROM facts) AS due_in_s
