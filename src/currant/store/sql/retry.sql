-- Makes failed and cancelled executions pending again, as if newly enqueued: with all their retries, and no crashes. The
-- lease stays, so that nothing of an earlier run fits; the error stays until the next outcome. Removes those of the given
-- dead letters that are theirs, and wakes the nodes.
-- Locks: each execution's row, and the letters. Index: executions_pkey and dead_letter_queue_pkey, a probe for each id.
-- Rows returned: one for each id that exists, with the state it was in.
WITH wanted AS MATERIALIZED (
    -- In one order, so that two that retry the same rows do not wait for each other.
    SELECT e.id, e.status, e.type FROM executions AS e
    WHERE e.id = ANY (%(ids)s::text[])
    ORDER BY e.id
    FOR UPDATE
), retried AS (
    UPDATE executions AS e
    SET status = 'pending', attempt = 0, crashes = 0, run_at = NULL, due_at = now(), claimed_at = NULL, completed_at = NULL,
        worker_id = NULL, cancel_requested_at = NULL
    FROM wanted AS w
    WHERE e.id = w.id AND w.type = 'job' AND w.status IN ('failed', 'cancelled')
    RETURNING e.id, e.queue
), buried AS (
    DELETE FROM dead_letter_queue AS d
    USING retried AS r
    WHERE d.id = ANY (%(letters)s::text[]) AND d.execution_id = r.id
), woken AS (
    SELECT count(pg_notify(q.queue, '')) AS queues
    FROM (SELECT DISTINCT queue FROM retried WHERE octet_length(queue) BETWEEN 1 AND 63) AS q
)
SELECT w.id, w.status, w.type, r.id IS NOT NULL AS retried, (SELECT queues FROM woken)::int AS woken
FROM wanted AS w
LEFT JOIN retried AS r ON r.id = w.id
