-- Counts the executions that are parked because no node that met them knows their function, by function.
-- Locks: nothing. Index: executions_run_at, once per queue, over at most `rows` scheduled executions each.
SELECT s.function_name, count(*)::int AS executions
FROM unnest(%(queues)s::text[]) AS q (name)
CROSS JOIN LATERAL (
    SELECT e.function_name, e.error FROM executions AS e
    WHERE e.queue = q.name AND e.run_at IS NOT NULL
    LIMIT %(rows)s::int
) AS s
WHERE s.error ->> 'type' = 'UnknownFunction'
GROUP BY s.function_name
ORDER BY s.function_name
