-- Of executions whose outcomes were not recorded: the ids of those whose outcomes came too late. A write whose reply was lost
-- is repeated, and changes nothing: then the row has, under our lease, the state that we wrote.
-- `status`: what was to be written, NULL for a deletion. What was to wait may have been cancelled instead, and what another
-- node took back waits under the same lease.
-- Locks: nothing. Index: executions_pkey, a probe for each row. Rare: after a write that found fewer rows than it should.
SELECT d.id
FROM unnest(%(ids)s::text[], %(leases)s::bigint[], %(statuses)s::text[]) AS d (id, lease, status)
LEFT JOIN executions AS e ON e.id = d.id
WHERE CASE WHEN e.id IS NULL THEN d.status IS NOT NULL
      ELSE e.lease <> d.lease
           OR e.status <> coalesce(d.status, 'completed')
              AND NOT (d.status IN ('pending', 'scheduled') AND e.status IN ('pending', 'scheduled', 'cancelled')) END
