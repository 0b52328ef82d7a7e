-- Makes scheduled executions that are due pending, at most `rows`, and wakes the nodes.
-- Locks: each execution's row, skipping what another node promotes. Index: executions_run_at, once per queue.
-- Rows returned: one. `queues`: those in which something is pending by it. `due_in_s` is until the next one that is not due
-- yet, NULL without one; what is parked, in a year beyond 9000, is none.
WITH due AS MATERIALIZED (
    SELECT s.tid
    FROM unnest(%(queues)s::text[]) AS q (name)
    CROSS JOIN LATERAL (
        SELECT e.ctid AS tid FROM executions AS e
        WHERE e.queue = q.name AND e.run_at IS NOT NULL AND e.run_at <= now() AND e.status = 'scheduled'
        ORDER BY e.run_at
        LIMIT %(rows)s::int
        FOR UPDATE SKIP LOCKED
    ) AS s
), promoted AS (
    UPDATE executions AS e
    SET status = 'pending', run_at = NULL, due_at = e.run_at
    FROM due
    WHERE e.ctid = due.tid
    RETURNING e.queue
), queues AS MATERIALIZED (
    SELECT DISTINCT queue FROM promoted
), woken AS (
    SELECT count(pg_notify(q.queue, '')) AS queues FROM queues AS q WHERE octet_length(q.queue) BETWEEN 1 AND 63
)
SELECT
    (SELECT count(*) FROM promoted)::int AS promoted,
    (
        SELECT extract(epoch FROM min(s.run_at) - now())::float8
        FROM unnest(%(queues)s::text[]) AS q (name)
        CROSS JOIN LATERAL (
            SELECT e.run_at FROM executions AS e
            WHERE e.queue = q.name AND e.status = 'scheduled' AND e.run_at > now() AND e.run_at < timestamptz '9000-01-01 00:00:00+00'
            ORDER BY e.run_at
            LIMIT 1
        ) AS s
    ) AS due_in_s,
    (SELECT queues FROM woken)::int AS woken,
    ARRAY(SELECT q.queue FROM queues AS q) AS queues
