-- Counts the executions that are parked because no node that met them knows their function, by function: of each queue
-- the first `functions`, up to `rows` of each.
-- Locks: nothing. Index: executions_run_at, a probe for each queue and function (a loose scan), then up to `rows` entries.
WITH RECURSIVE parked (queue, run_at, function_name, number) AS (
    SELECT s.queue, s.run_at, s.function_name, 1
    FROM unnest(%(queues)s::text[]) AS q (name)
    CROSS JOIN LATERAL (
        SELECT e.queue, e.run_at, e.function_name FROM executions AS e
        WHERE e.queue = q.name AND e.run_at >= timestamptz '9000-01-01 00:00:00+00'
        ORDER BY e.run_at
        LIMIT 1
    ) AS s
    UNION ALL
    SELECT s.queue, s.run_at, s.function_name, p.number + 1
    FROM parked AS p
    CROSS JOIN LATERAL (
        SELECT e.queue, e.run_at, e.function_name FROM executions AS e
        WHERE e.queue = p.queue AND e.run_at > p.run_at
        ORDER BY e.run_at
        LIMIT 1
    ) AS s
    WHERE p.number < %(functions)s::int
)
SELECT p.function_name, sum(c.executions)::int AS executions
FROM parked AS p
CROSS JOIN LATERAL (
    SELECT count(*) AS executions FROM (
        SELECT FROM executions AS e WHERE e.queue = p.queue AND e.run_at = p.run_at LIMIT %(rows)s::int
    ) AS counted
) AS c
GROUP BY p.function_name
ORDER BY p.function_name
