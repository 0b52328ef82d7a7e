-- The moments of all executions of the bench that have ended, in the order of their ends.
-- Locks: nothing. Index: none, a scan of the table, and a sort, after the measurement.
-- A number as the result is the moment at which the function began, by the clock of the machine that ran it.
-- The ids only where they are asked for: they are most of what is sent.
SELECT
    CASE WHEN %(ids)s::boolean THEN e.id END AS id,
    extract(epoch FROM e.created_at)::float8 AS created_s,
    extract(epoch FROM e.claimed_at)::float8 AS claimed_s,
    CASE WHEN jsonb_typeof(e.result) = 'number' THEN e.result::float8 ELSE 'NaN' END AS started_s,
    extract(epoch FROM e.completed_at)::float8 AS completed_s
FROM executions AS e
WHERE e.queue = ANY (%(queues)s::text[]) AND e.status IN ('completed', 'failed')
ORDER BY e.completed_at, e.id
