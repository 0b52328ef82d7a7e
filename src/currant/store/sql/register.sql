-- Makes a node known, and forgets those that stopped more than a day ago and have nothing left to reclaim.
-- Locks: the rows of worker_heartbeats that it writes. Rows returned: one. `paused`: the node's queues that are paused.
WITH forgotten AS (
    DELETE FROM worker_heartbeats
    WHERE status = 'stopped' AND last_heartbeat < now() - interval '1 day' AND NOT coalesce(metadata ? 'reclaim', false)
)
INSERT INTO worker_heartbeats (worker_id, last_heartbeat, queues, status, metadata)
VALUES (%(node)s, now(), %(queues)s::text[], 'running', %(metadata)s::jsonb)
RETURNING
    extract(epoch FROM clock_timestamp())::float8 AS clock_s,
    ARRAY(SELECT p.name FROM paused_queues AS p WHERE p.name = ANY (%(queues)s::text[])) AS paused
