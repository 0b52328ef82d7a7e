-- How many executions there are in each state, and how many of them are running jobs that no running worker vouches for.
-- Locks: nothing. Index: none: a scan of the table, once, before an upgrade.
SELECT e.status, count(*) AS rows, count(*) FILTER (
    WHERE e.status = 'running' AND e.type = 'job' AND NOT EXISTS (
        SELECT FROM worker_heartbeats AS h
        WHERE h.worker_id = e.worker_id AND h.status = 'running' AND h.last_heartbeat IS NOT NULL
    )
) AS left_behind
FROM executions AS e
GROUP BY e.status
ORDER BY e.status
