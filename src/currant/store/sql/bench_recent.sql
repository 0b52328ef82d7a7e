-- Of the bench: the p99 in ms from enqueue to completion of what was completed in the last seconds; null of nothing.
-- Locks: nothing. Index: executions_created, the newest entries of which it reads, as many as it is told.
SELECT 1000 * percentile_disc(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM e.completed_at - e.created_at)::float8)
FROM (
    SELECT created_at, completed_at FROM executions ORDER BY created_at DESC LIMIT %(rows)s::integer
) AS e
WHERE e.completed_at > clock_timestamp() - %(seconds)s::float8 * interval '1 second'
