-- Pauses a queue, and tells its nodes. One that is paused already stays as it is.
-- Locks: the queue's row of paused_queues. Index: paused_queues_pkey; executions_ready and executions_run_at, one row each.
-- Rows returned: one. `new`: it was not paused before. `known`: a node serves the queue, or something waits in it.
WITH paused AS (
    INSERT INTO paused_queues (name, paused_by, reason)
    VALUES (%(queue)s::text, %(by)s::text, %(reason)s::text)
    -- Changes nothing, but brings the row, also one that another has committed meanwhile.
    ON CONFLICT (name) DO UPDATE SET name = EXCLUDED.name
    RETURNING name, paused_at, paused_by, reason
), told AS (
    SELECT pg_notify(%(queue)s::text, %(word)s::text)
)
SELECT
    p.name, to_json(p.paused_at) #>> '{}' AS paused_at, p.paused_by, p.reason, p.paused_at = now() AS new,
    EXISTS (SELECT FROM worker_heartbeats AS h WHERE h.status = 'running' AND %(queue)s::text = ANY (h.queues))
    OR EXISTS (SELECT FROM executions AS e WHERE e.queue = %(queue)s::text AND e.ready AND e.type = 'job')
    OR EXISTS (SELECT FROM executions AS e WHERE e.queue = %(queue)s::text AND e.run_at IS NOT NULL) AS known
FROM paused AS p, told
