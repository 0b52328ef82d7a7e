-- Records the results of executions that succeeded.
-- Locks: each execution's row. Index: none, a TID scan for each row; the lease and the state are the fence.
-- What does not match (its row was moved, or the lease is no longer held) is tried once more by complete_by_id.
-- The range holds every lease: it has the planner expect one row of the arrays, not ten, for which it would read a table that
-- is empty now from end to end, and go on so when it has filled.
UPDATE executions AS e
SET status = 'completed', result = d.result, error = NULL, completed_at = now(),
    -- NULL stays NULL, and the update HOT.
    unique_key = CASE WHEN e.unique_until > now() THEN e.unique_key END
FROM unnest(%(tids)s::tid[], %(ids)s::text[], %(leases)s::bigint[], %(results)s::jsonb[]) AS d (tid, id, lease, result)
WHERE e.ctid = d.tid AND e.id = d.id AND e.lease = d.lease AND e.status = 'running'
      AND d.lease BETWEEN '-9223372036854775808' AND '9223372036854775807'
