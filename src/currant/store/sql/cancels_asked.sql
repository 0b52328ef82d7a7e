-- Finds which of these executions run and are to be cancelled: after a LISTEN was broken, and its notifications lost.
-- Locks: nothing. Index: executions_pkey, a probe for each id.
SELECT e.id
FROM unnest(%(ids)s::text[]) AS w (id)
JOIN executions AS e ON e.id = w.id
WHERE e.status = 'running' AND e.cancel_requested_at IS NOT NULL
