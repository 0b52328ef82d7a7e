-- Says that a node has stopped. With `doubt` it may have left executions behind, for others to reclaim.
-- Locks: its row of worker_heartbeats.
UPDATE worker_heartbeats
SET status = 'stopped',
    last_heartbeat = now(),
    metadata = CASE WHEN %(doubt)s::boolean THEN coalesce(metadata, '{}') || '{"reclaim": true}' ELSE metadata END
WHERE worker_id = %(node)s
