-- The nodes that have not stopped, and how old their heartbeats are.
-- Locks: nothing. Index: none, worker_heartbeats is small.
SELECT h.worker_id, extract(epoch FROM clock_timestamp() - h.last_heartbeat)::float8 AS age_s
FROM worker_heartbeats AS h
WHERE h.status = 'running'
ORDER BY h.last_heartbeat DESC
LIMIT 1000
