-- Records the results of executions whose rows were not found at their TID, e.g. after a rewrite of the table.
-- Locks: each execution's row. Index: executions_pkey, a probe for each row; the lease and the state are the fence.
-- What does not match here has lost its lease, or was recorded before: a repetition changes nothing.
-- The range of all leases: see complete.sql.
UPDATE executions AS e
SET status = 'completed', result = d.result, error = NULL, completed_at = now(),
    unique_key = CASE WHEN e.unique_until > now() THEN e.unique_key END
FROM unnest(%(ids)s::text[], %(leases)s::bigint[], %(results)s::jsonb[]) AS d (id, lease, result)
WHERE e.id = d.id AND e.lease = d.lease AND e.status = 'running'
      AND d.lease BETWEEN '-9223372036854775808' AND '9223372036854775807'
