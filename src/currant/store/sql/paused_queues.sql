-- The queues that are paused, by name.
-- Locks: nothing. Index: none; the table is small.
SELECT p.name, to_json(p.paused_at) #>> '{}' AS paused_at, p.paused_by, p.reason
FROM paused_queues AS p
ORDER BY p.name
