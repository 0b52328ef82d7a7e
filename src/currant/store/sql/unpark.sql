-- Makes parked executions pending whose functions a node knows now, at most `rows`, and wakes the nodes.
-- Locks: each execution's row, skipping locked ones. Index: executions_run_at, once per queue and function, whose `moments`
--   are those that park.sql gave.
WITH parked AS MATERIALIZED (
    SELECT s.tid
    FROM unnest(%(queues)s::text[]) AS q (name)
    CROSS JOIN unnest(%(functions)s::text[], %(moments)s::float8[]) AS f (name, moment)
    CROSS JOIN LATERAL (
        SELECT e.ctid AS tid FROM executions AS e
        WHERE e.queue = q.name AND e.run_at = timestamptz '9000-01-01 00:00:00+00' + make_interval(secs => f.moment)
              AND e.function_name = f.name AND e.status = 'scheduled' AND e.error ->> 'type' = 'UnknownFunction'
        LIMIT %(rows)s::int
        FOR UPDATE SKIP LOCKED
    ) AS s
    LIMIT %(rows)s::int
), unparked AS (
    UPDATE executions AS e
    SET status = 'pending', run_at = NULL, due_at = now(), error = NULL
    FROM parked
    WHERE e.ctid = parked.tid
    RETURNING e.queue
), woken AS (
    SELECT count(pg_notify(q.queue, '')) AS queues
    FROM (SELECT DISTINCT queue FROM unparked WHERE octet_length(queue) BETWEEN 1 AND 63) AS q
)
SELECT (SELECT count(*) FROM unparked)::int AS unparked, (SELECT queues FROM woken)::int AS woken
