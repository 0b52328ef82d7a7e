-- Claims the first `rows` executions of one queue for one node, if so many of the priority at its head wait: what claim.sql
-- does of several queues, for two thirds of it.
-- Locks: the node's row FOR KEY SHARE (against its being declared dead); an advisory lock on the queue until the end of the
--   statement, only if nobody has it: of several nodes one at a time claims in this way; then each execution as an UPDATE
--   does, without SKIP LOCKED: what others hold is waited for, as long as lock_timeout allows.
-- Index: executions_ready, one scan to the last of them and then one through them, which writes.
-- `discard`, `until_s` and NULLs: as in claim.sql. Arguments that are compressed, or more than `bytes` in all, are not claimed
-- in this way; others larger than `payload` bytes are not fetched.
-- Rows returned: one for each execution claimed, in order; none when there was nothing, or nothing to be claimed like this.
WITH node AS MATERIALIZED (
    SELECT 1 FROM worker_heartbeats
    WHERE worker_id = %(node)s AND status = 'running'
    FOR KEY SHARE
), valid AS MATERIALIZED (
    SELECT FROM node
    WHERE extract(epoch FROM clock_timestamp()) < %(until_s)s::float8
          AND pg_try_advisory_xact_lock(hashtextextended('currant:' || %(queue)s, 0))
), head AS MATERIALIZED (
    -- One row, or none.
    SELECT max(f.priority) AS priority, max(f.created_at) AS created_at, (array_agg(f.id))[%(rows)s::int] AS id,
        max(f.bytes) AS bytes_max
    FROM (
        SELECT e.priority, e.created_at, e.id,
            coalesce(pg_column_size(e.args), 0) + coalesce(pg_column_size(e.kwargs), 0) AS bytes,
            coalesce(pg_column_compression(e.args), pg_column_compression(e.kwargs)) AS compression
        FROM executions AS e
        WHERE e.queue = %(queue)s AND e.ready AND e.type = 'job' AND EXISTS (SELECT FROM valid)
        ORDER BY e.priority DESC, e.created_at, e.id
        LIMIT %(rows)s::int
    ) AS f
    HAVING count(*) = %(rows)s::int AND min(f.priority) = max(f.priority)
           AND count(f.compression) = 0 AND sum(f.bytes) <= %(bytes)s::bigint
)
UPDATE executions AS e
SET status = 'running', lease = e.lease + 1, attempt = least(coalesce(e.attempt, 0), 2147483646) + 1, worker_id = %(node)s, claimed_at = now()
-- Not a join, whose planner may begin with all of the queue.
WHERE e.queue = %(queue)s AND e.ready AND e.type = 'job' AND e.priority = (SELECT priority FROM head)
      AND (e.created_at, e.id) <= ((SELECT created_at FROM head), (SELECT id FROM head))
RETURNING
    e.id, e.lease, e.ctid AS tid, e.function_name, e.queue, e.attempt, e.crashes,
    coalesce(e.max_retries, 3) AS max_retries,
    CASE WHEN pg_column_size(e.options) > 8 AND jsonb_typeof(e.options -> 'timeout') = 'number'
         THEN least(greatest((e.options ->> 'timeout')::numeric, 0.001), 1e9)::float8
         ELSE e.timeout_seconds END AS timeout_s,
    -- As in claim.sql: what is not small is measured as it will be sent.
    CASE WHEN (SELECT bytes_max FROM head) < 128
              OR coalesce(octet_length(e.args::text), 0) + coalesce(octet_length(e.kwargs::text), 0) <= %(payload)s::bigint
         THEN coalesce(e.args, '[]') END AS args,
    CASE WHEN (SELECT bytes_max FROM head) < 128
              OR coalesce(octet_length(e.args::text), 0) + coalesce(octet_length(e.kwargs::text), 0) <= %(payload)s::bigint
         THEN coalesce(e.kwargs, '{}') END AS kwargs,
    CASE WHEN pg_column_size(e.options) > 8 AND jsonb_typeof(e.options -> 'keep_completed') = 'number'
         THEN (e.options ->> 'keep_completed')::numeric <= 0
         ELSE %(discard)s::boolean END AS discard,
    CASE WHEN isfinite(coalesce(e.due_at, e.created_at)) THEN date_part('epoch', now() - coalesce(e.due_at, e.created_at)) ELSE 0 END AS waited_s,
    -- What claim.sql has besides.
    NULL AS position, NULL AS seen, NULL AS due_in_s
