-- What became of the bench's executions. `doubled`: claimed more than once, which a job that does nothing never should be.
-- Locks: nothing. Index: none, a scan of the table, after the measurement.
SELECT
    count(*) FILTER (WHERE e.status = 'completed')::int AS completed,
    count(*) FILTER (WHERE e.attempt > 1 OR e.lease > 1 OR e.crashes > 0)::int AS doubled
FROM executions AS e
WHERE e.queue = %(queue)s
