-- What is in each of these queues: how many are pending and scheduled, counted up to `rows`, and how old the oldest pending
-- one is, in seconds, NULL without one. What is parked, in a year beyond 9000, does not count.
-- Locks: nothing. Index: executions_ready and executions_run_at, up to `rows` entries of each, per queue; and of
--   executions_ready a probe for each priority (a loose scan), `priorities` at most.
SELECT
    q.name,
    (
        SELECT count(*) FROM (
            SELECT FROM executions AS e WHERE e.queue = q.name AND e.ready AND e.type = 'job' LIMIT %(rows)s::int
        ) AS c
    )::int AS pending,
    (
        SELECT count(*) FROM (
            SELECT FROM executions AS e
            WHERE e.queue = q.name AND e.run_at < timestamptz '9000-01-01 00:00:00+00' LIMIT %(rows)s::int
        ) AS c
    )::int AS scheduled,
    (
        WITH RECURSIVE heads (priority, created_at) AS (
            -- The oldest of each priority.
            (
                SELECT e.priority, e.created_at FROM executions AS e
                WHERE e.queue = q.name AND e.ready AND e.type = 'job'
                ORDER BY e.priority DESC, e.created_at
                LIMIT 1
            )
            UNION ALL
            SELECT n.priority, n.created_at
            FROM heads AS h
            CROSS JOIN LATERAL (
                SELECT e.priority, e.created_at FROM executions AS e
                WHERE e.queue = q.name AND e.ready AND e.type = 'job' AND e.priority < h.priority
                ORDER BY e.priority DESC, e.created_at
                LIMIT 1
            ) AS n
        )
        -- A raw row may hold an infinite moment.
        SELECT extract(epoch FROM clock_timestamp() - greatest(least(min(f.created_at), now()), 'epoch'))::float8
        FROM (SELECT h.created_at FROM heads AS h LIMIT %(priorities)s::int) AS f
        HAVING count(*) > 0
    ) AS oldest_s
FROM unnest(%(queues)s::text[]) AS q (name)
