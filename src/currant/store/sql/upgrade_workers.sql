-- The workers, or nodes, that seem alive: their heartbeat is younger than a minute.
-- Locks: nothing. Index: worker_heartbeats is small.
SELECT worker_id FROM worker_heartbeats
WHERE status = 'running' AND last_heartbeat > now() - interval '1 minute'
ORDER BY worker_id
