-- Says that nothing of these dead nodes is left to take back.
-- Locks: their rows of worker_heartbeats.
UPDATE worker_heartbeats SET metadata = metadata - 'reclaim'
WHERE worker_id = ANY (%(nodes)s::text[]) AND status = 'stopped'
