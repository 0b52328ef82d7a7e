-- The batches that completed the bench's executions, in order: a batch is one transaction, so its rows share completed_at.
-- Locks: nothing. Index: none, a scan of the table, after the measurement.
SELECT
    extract(epoch FROM e.completed_at)::float8 AS began_s,
    extract(epoch FROM min(e.claimed_at))::float8 AS claimed_s,
    count(*)::int AS executions
FROM executions AS e
WHERE e.queue = %(queue)s AND e.status = 'completed'
GROUP BY e.completed_at
ORDER BY e.completed_at
