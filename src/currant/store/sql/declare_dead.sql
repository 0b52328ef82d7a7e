-- Declares nodes dead: those whose heartbeat is older than the timeout, and `known`, whose end is certain. From its
-- commit on, none of their claims succeeds (a claim holds FOR KEY SHARE on a running row), so a later scan finds all of
-- their executions. The mark `reclaim` stays until they are taken back, whoever does it.
-- Only a node whose own heartbeat is fresh may judge others': a statement that arrives late, when the network or the server
-- is back, would find every heartbeat old.
-- Locks: the rows FOR UPDATE, which waits for their claims under way.
-- Rows returned: the ids of all dead nodes that are to be reclaimed.
WITH dying AS MATERIALIZED (
    SELECT worker_id FROM worker_heartbeats
    WHERE status = 'running' AND worker_id <> %(node)s
          AND (worker_id = ANY (%(known)s::text[])
               OR last_heartbeat < now() - make_interval(secs => %(timeout_s)s) AND EXISTS (
                   SELECT FROM worker_heartbeats AS own
                   WHERE own.worker_id = %(node)s AND own.status = 'running'
                         AND own.last_heartbeat >= now() - make_interval(secs => %(fresh_s)s)
               ))
    ORDER BY worker_id
    FOR UPDATE
), declared AS (
    UPDATE worker_heartbeats AS h
    SET status = 'stopped', metadata = CASE jsonb_typeof(h.metadata) WHEN 'object' THEN h.metadata ELSE '{}' END || '{"reclaim": true}'
    FROM dying
    WHERE h.worker_id = dying.worker_id
    RETURNING h.worker_id
)
SELECT worker_id FROM declared
UNION
SELECT worker_id FROM worker_heartbeats WHERE status = 'stopped' AND metadata ? 'reclaim'
