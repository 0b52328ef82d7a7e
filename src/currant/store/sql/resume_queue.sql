-- Ends a queue's pause, and tells its nodes, whether it was paused or not.
-- Locks: the queue's row of paused_queues. Index: paused_queues_pkey; executions_ready and executions_run_at, one row each.
-- Rows returned: one; `name` and what follows is NULL when it was not paused. `known`: as in pause_queue.sql.
WITH resumed AS (
    DELETE FROM paused_queues WHERE name = %(queue)s::text
    RETURNING name, paused_at, paused_by, reason
), told AS (
    SELECT pg_notify(%(queue)s::text, %(word)s::text)
)
SELECT
    r.name, to_json(r.paused_at) #>> '{}' AS paused_at, r.paused_by, r.reason,
    EXISTS (SELECT FROM worker_heartbeats AS h WHERE h.status = 'running' AND %(queue)s::text = ANY (h.queues))
    OR EXISTS (SELECT FROM executions AS e WHERE e.queue = %(queue)s::text AND e.ready AND e.type = 'job')
    OR EXISTS (SELECT FROM executions AS e WHERE e.queue = %(queue)s::text AND e.run_at IS NOT NULL) AS known
FROM told
LEFT JOIN resumed AS r ON true
