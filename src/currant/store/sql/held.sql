-- The running executions of these nodes, at most `rows`: for a reclaim, or to find what a lost claim left behind.
-- Locks: nothing. Index: none, on purpose (any over the state would end the HOT completions): a scan of the table, rare.
SELECT e.id, e.lease, e.function_name, e.queue, e.attempt, e.crashes, e.max_retries
FROM executions AS e
WHERE e.status = 'running' AND e.worker_id = ANY (%(nodes)s::text[])
LIMIT %(rows)s::int
