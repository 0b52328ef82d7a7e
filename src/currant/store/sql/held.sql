-- The running executions of these nodes, at most `rows`: for a reclaim, or to find what a lost claim left behind. Only jobs:
-- workflows and activities of version 1 are left alone.
-- The node "currant:version-1", made by the migration, stands for what version 1 claimed (without a lease) and no running
-- worker vouches for.
-- Locks: nothing. Index: none, on purpose (any over the state would end the HOT completions): a scan of the table, rare.
SELECT e.id, e.lease, e.function_name, e.queue, coalesce(e.attempt, 0) AS attempt, e.crashes,
    coalesce(e.max_retries, 3) AS max_retries
FROM executions AS e
WHERE e.status = 'running' AND e.type = 'job' AND (
    e.worker_id = ANY (%(nodes)s::text[])
    OR 'currant:version-1' = ANY (%(nodes)s::text[]) AND e.lease = 0 AND NOT EXISTS (
        SELECT FROM worker_heartbeats AS h
        WHERE h.worker_id = e.worker_id AND h.status = 'running' AND h.last_heartbeat IS NOT NULL
    )
)
LIMIT %(rows)s::int
