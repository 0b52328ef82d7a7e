-- Counts what waits in each queue, at most `rows` each, and rows of other types, which nothing runs yet.
-- Locks: nothing. Index: executions_ready, once per queue.
SELECT q.name, (
    SELECT count(*) FROM (
        SELECT FROM executions AS e WHERE e.queue = q.name AND e.ready AND e.type = 'job' LIMIT %(rows)s::int
    ) AS c
)::int AS pending
FROM unnest(%(queues)s::text[]) AS q (name)
