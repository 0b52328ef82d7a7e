-- The node's tick: renews its heartbeat, tests its LISTEN, and says what there is to do.
-- The queues are written each time, for a reload may bring others: the row is written anyway, and no index knows them.
-- Locks: the node's row (an UPDATE that leaves its key alone: a claim's FOR KEY SHARE does not conflict).
-- Index: worker_heartbeats and paused_queues are small; executions_run_at and executions_ready once per queue, one row each.
-- Rows returned: one. `alive` 0: the node's row is stopped or gone. `due_in_s`: until the next scheduled execution,
-- negative when overdue, NULL without one (what is parked is none). `waiting`: something is pending in a queue that is not
-- paused. `paused`: the queues that are. `dead`: a node is to be reclaimed.
-- `schedule_s`: the first moment of the schedules of the `scheduled` functions, in Unix time, NULL without any.
-- `parked`: something is parked to one of these moments: see parking.py.
WITH beat AS (
    UPDATE worker_heartbeats SET last_heartbeat = now(), queues = %(queues)s::text[]
    WHERE worker_id = %(node)s AND status = 'running'
    RETURNING 1
), paused AS MATERIALIZED (
    SELECT p.name FROM paused_queues AS p WHERE p.name = ANY (%(queues)s::text[])
)
SELECT
    (SELECT count(*) FROM beat)::int AS alive,
    (
        SELECT extract(epoch FROM min(s.run_at) - now())::float8
        FROM unnest(%(queues)s::text[]) AS q (name)
        CROSS JOIN LATERAL (
            -- A raw row may hold -infinity, from which nothing can be taken before PostgreSQL 17.
            SELECT greatest(e.run_at, 'epoch') AS run_at FROM executions AS e
            WHERE e.queue = q.name AND e.run_at < timestamptz '9000-01-01 00:00:00+00'
            ORDER BY e.run_at
            LIMIT 1
        ) AS s
    ) AS due_in_s,
    EXISTS (
        SELECT FROM unnest(%(queues)s::text[]) AS q (name)
        CROSS JOIN LATERAL (
            SELECT FROM executions AS e
            WHERE e.queue = q.name AND e.ready AND e.type = 'job'
            ORDER BY e.priority DESC, e.created_at, e.id
            LIMIT 1
        ) AS s
        WHERE q.name NOT IN (SELECT p.name FROM paused AS p)
    ) AS waiting,
    EXISTS (
        SELECT FROM worker_heartbeats AS h
        WHERE h.status = 'running' AND h.worker_id <> %(node)s
              AND h.last_heartbeat < now() - make_interval(secs => %(timeout_s)s)
           OR h.status = 'stopped' AND h.metadata ? 'reclaim'
    ) AS dead,
    extract(epoch FROM clock_timestamp())::float8 AS clock_s,
    (
        SELECT extract(epoch FROM min(s.next_run_at))::float8
        FROM schedules AS s
        WHERE s.function_name = ANY (%(scheduled)s::text[])
    ) AS schedule_s,
    -- Once for each queue and moment, and only where something is parked at all.
    EXISTS (
        SELECT FROM unnest(%(queues)s::text[]) AS q (name)
        CROSS JOIN LATERAL (
            SELECT FROM executions AS e
            WHERE e.queue = q.name AND e.run_at >= timestamptz '9000-01-01 00:00:00+00'
            ORDER BY e.run_at
            LIMIT 1
        ) AS first
        CROSS JOIN LATERAL (
            SELECT FROM unnest(%(moments)s::float8[]) AS m (moment)
            CROSS JOIN LATERAL (
                SELECT FROM executions AS e
                WHERE e.queue = q.name AND e.run_at = timestamptz '9000-01-01 00:00:00+00' + make_interval(secs => m.moment)
                ORDER BY e.run_at
                LIMIT 1
            ) AS s
            LIMIT 1
        ) AS known
    ) AS parked,
    ARRAY(SELECT p.name FROM paused AS p) AS paused,
    pg_notify(%(channel)s, '') AS probe
