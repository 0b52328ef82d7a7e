-- Cancels executions: one that has not started at once; of a running one the wish is noted, and its node is told.
-- Locks: each execution's row. Index: executions_pkey, a probe for each id.
-- Rows returned: the id of each that was cancelled or will be; not of those that had ended before, or are not there.
WITH wanted AS MATERIALIZED (
    -- In one order, so that two that cancel the same rows do not wait for each other.
    SELECT e.id, e.status FROM executions AS e
    WHERE e.id = ANY (%(ids)s::text[]) AND e.type = 'job'
          AND e.status IN ('pending', 'scheduled', 'suspended', 'running')
    ORDER BY e.id
    FOR UPDATE
), cancelled AS (
    UPDATE executions AS e
    SET status = CASE WHEN e.status = 'running' THEN e.status ELSE 'cancelled' END,
        completed_at = CASE WHEN e.status = 'running' THEN e.completed_at ELSE now() END,
        cancel_requested_at = coalesce(e.cancel_requested_at, now()),
        run_at = NULL,
        unique_key = CASE WHEN e.status = 'running' OR e.unique_until > now() THEN e.unique_key END
    FROM wanted AS w
    WHERE e.id = w.id
    RETURNING e.id, e.status, e.worker_id
), told AS (
    SELECT count(pg_notify(%(prefix)s || c.worker_id, 'cancel ' || c.id)) AS nodes
    FROM cancelled AS c
    WHERE c.status = 'running' AND octet_length(%(prefix)s || c.worker_id) <= 63 AND octet_length(c.id) < 7000
)
SELECT c.id, (SELECT nodes FROM told)::int AS told FROM cancelled AS c
