-- Says that a node has stopped and holds nothing any more.
-- Locks: its row of worker_heartbeats.
UPDATE worker_heartbeats SET status = 'stopped', last_heartbeat = now() WHERE worker_id = %(node)s
