-- Of these executions, the ones that have ended, or are not there (any more): status NULL.
-- Locks: nothing. Index: executions_pkey, a probe for each id.
SELECT i.id, e.status, CASE WHEN e.status = 'completed' THEN e.result ELSE e.error END AS body
FROM unnest(%(ids)s::text[]) AS i (id)
LEFT JOIN executions AS e ON e.id = i.id
WHERE e.id IS NULL OR e.status IN ('completed', 'failed', 'cancelled')
