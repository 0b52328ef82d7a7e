-- Deletes executions that succeeded and whose results nobody wants to keep, in place of recording them.
-- Locks: each execution's row. Index: none, a TID scan for each row; the lease and the state are the fence.
-- What does not match (its row was moved, or its unique key is held for longer) is completed in the ordinary way.
-- The range of all leases: see complete.sql.
DELETE FROM executions AS e
USING unnest(%(tids)s::tid[], %(ids)s::text[], %(leases)s::bigint[]) AS d (tid, id, lease)
WHERE e.ctid = d.tid AND e.id = d.id AND e.lease = d.lease AND e.status = 'running'
      AND d.lease BETWEEN '-9223372036854775808' AND '9223372036854775807'
      AND coalesce(e.unique_until <= now(), true)
