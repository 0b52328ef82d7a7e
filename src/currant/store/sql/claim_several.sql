-- Claims of several queues, or behind a position: how claim.sql begins for that.
-- Index: executions_ready once per queue, each with a LIMIT inside (one scan over `queue = ANY` would sort the whole
--   backlog); executions_run_at, one row of each queue.
-- Of each queue's two branches the first goes on behind the position, in its priority, past the entries of claimed rows that
-- vacuum may not remove yet; the second takes the lower priorities. From the head, `after_priority` is above all that there
-- are and `after_id` is NULL: the first finds nothing.
WITH node AS MATERIALIZED (
    SELECT 1 FROM worker_heartbeats
    WHERE worker_id = %(node)s AND status = 'running'
    FOR KEY SHARE
), found AS MATERIALIZED (
    SELECT c.tid
    FROM unnest(%(queues)s::text[]) AS q (name)
    CROSS JOIN LATERAL (
        (
            SELECT e.ctid AS tid, e.priority, e.created_at, e.id FROM executions AS e
            WHERE e.queue = q.name AND e.ready AND e.type = 'job' AND e.priority = %(after_priority)s::bigint
                  AND (e.created_at, e.id) > (to_timestamp(%(after_s)s::float8), %(after_id)s::text)
            ORDER BY e.priority DESC, e.created_at, e.id
            LIMIT %(look)s::int
        ) UNION ALL (
            SELECT e.ctid, e.priority, e.created_at, e.id FROM executions AS e
            WHERE e.queue = q.name AND e.ready AND e.type = 'job' AND e.priority < %(after_priority)s::bigint
            ORDER BY e.priority DESC, e.created_at, e.id
            LIMIT %(look)s::int
        )
        LIMIT %(look)s::int
    ) AS c
    WHERE (SELECT extract(epoch FROM clock_timestamp()) < %(until_s)s::float8 FROM node)
    ORDER BY c.priority DESC, c.created_at, c.id
), due AS (
    SELECT min(s.run_at) AS run_at
    FROM unnest(%(queues)s::text[]) AS q (name)
    CROSS JOIN LATERAL (
        SELECT e.run_at FROM executions AS e
        WHERE e.queue = q.name AND e.run_at BETWEEN 'epoch' AND '9000-01-01 UTC' AND e.status = 'scheduled'
        ORDER BY e.run_at
        LIMIT 1
    ) AS s
)
