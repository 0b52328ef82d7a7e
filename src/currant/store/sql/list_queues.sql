-- The queues that hold something, are served, or paused, at most `names` of each kind, with what waits in them.
-- Locks: nothing. Index: executions_ready, a probe for each queue and priority (a loose scan); executions_run_at, a probe
--   for each queue; then up to `rows` entries of each, per queue, for the counts. worker_heartbeats and
--   paused_queues are small.
-- What runs is not counted: no index knows it, on purpose.
WITH RECURSIVE heads (queue, priority, created_at) AS (
    -- The oldest of each queue and priority.
    (
        SELECT e.queue, e.priority, e.created_at FROM executions AS e
        WHERE e.ready AND e.type = 'job'
        ORDER BY e.queue, e.priority DESC, e.created_at
        LIMIT 1
    )
    UNION ALL
    SELECT n.queue, n.priority, n.created_at
    FROM heads AS h
    CROSS JOIN LATERAL (
        (
            SELECT 1 AS place, e.queue, e.priority, e.created_at FROM executions AS e
            WHERE e.ready AND e.type = 'job' AND e.queue = h.queue AND e.priority < h.priority
            ORDER BY e.priority DESC, e.created_at
            LIMIT 1
        )
        UNION ALL
        (
            SELECT 2 AS place, e.queue, e.priority, e.created_at FROM executions AS e
            WHERE e.ready AND e.type = 'job' AND e.queue > h.queue
            ORDER BY e.queue, e.priority DESC, e.created_at
            LIMIT 1
        )
        ORDER BY place
        LIMIT 1
    ) AS n
), soonest (queue, run_at) AS (
    (
        SELECT e.queue, e.run_at FROM executions AS e
        WHERE e.run_at IS NOT NULL
        ORDER BY e.queue, e.run_at
        LIMIT 1
    )
    UNION ALL
    SELECT n.queue, n.run_at
    FROM soonest AS s
    CROSS JOIN LATERAL (
        SELECT e.queue, e.run_at FROM executions AS e
        WHERE e.run_at IS NOT NULL AND e.queue > s.queue
        ORDER BY e.queue, e.run_at
        LIMIT 1
    ) AS n
), waiting AS MATERIALIZED (
    SELECT h.queue, min(h.created_at) AS oldest FROM (SELECT * FROM heads LIMIT %(names)s::int) AS h GROUP BY h.queue
), scheduled AS MATERIALIZED (
    SELECT s.queue, s.run_at FROM soonest AS s LIMIT %(names)s::int
), served AS MATERIALIZED (
    SELECT s.queue, array_agg(s.worker_id ORDER BY s.worker_id) AS nodes
    FROM (
        SELECT h.worker_id, unnest(h.queues) AS queue FROM worker_heartbeats AS h
        WHERE h.status = 'running' AND h.last_heartbeat > now() - make_interval(secs => %(timeout_s)s)
        LIMIT %(names)s::int
    ) AS s
    GROUP BY s.queue
), paused AS MATERIALIZED (
    SELECT p.name AS queue, p.paused_at, p.paused_by, p.reason FROM paused_queues AS p LIMIT %(names)s::int
)
SELECT
    q.queue,
    (
        SELECT count(*) FROM (
            SELECT FROM executions AS e WHERE e.queue = q.queue AND e.ready AND e.type = 'job' LIMIT %(rows)s::int + 1
        ) AS c
    )::int AS pending,
    (
        SELECT count(*) FROM (
            SELECT FROM executions AS e
            WHERE e.queue = q.queue AND e.run_at < timestamptz '9000-01-01 00:00:00+00' LIMIT %(rows)s::int + 1
        ) AS c
    )::int AS scheduled,
    (
        SELECT count(*) FROM (
            SELECT FROM executions AS e
            WHERE e.queue = q.queue AND e.run_at >= timestamptz '9000-01-01 00:00:00+00' LIMIT %(rows)s::int + 1
        ) AS c
    )::int AS parked,
    to_json(w.oldest) #>> '{}' AS oldest, CASE WHEN s.run_at < timestamptz '9000-01-01 00:00:00+00' THEN to_json(s.run_at) #>> '{}' END AS next_run_at,
    coalesce(v.nodes, '{}') AS nodes, to_json(p.paused_at) #>> '{}' AS paused_at, p.paused_by, p.reason
FROM (
    SELECT queue FROM waiting UNION SELECT queue FROM scheduled UNION SELECT queue FROM served UNION SELECT queue FROM paused
) AS q
LEFT JOIN waiting AS w ON w.queue = q.queue
LEFT JOIN scheduled AS s ON s.queue = q.queue
LEFT JOIN served AS v ON v.queue = q.queue
LEFT JOIN paused AS p ON p.queue = q.queue
ORDER BY q.queue
