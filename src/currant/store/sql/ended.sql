-- Of these executions, the ones that have ended, or are not there (any more): status NULL. In the order of the ids, and no
-- more once their results reach `bytes`, so that large ones cannot swell whoever asks.
-- Locks: nothing. Index: executions_pkey, a probe for each id.
SELECT f.id, f.status, f.body
FROM (
    SELECT i.id, e.status, b.body, sum(coalesce(pg_column_size(b.body), 0)) OVER (ORDER BY i.position) AS total,
           coalesce(pg_column_size(b.body), 0) AS own
    FROM unnest(%(ids)s::text[]) WITH ORDINALITY AS i (id, position)
    LEFT JOIN executions AS e ON e.id = i.id
    CROSS JOIN LATERAL (SELECT CASE WHEN e.status = 'completed' THEN e.result ELSE e.error END AS body) AS b
    WHERE e.id IS NULL OR e.status IN ('completed', 'failed', 'cancelled')
) AS f
WHERE f.total <= %(bytes)s::bigint OR f.total = f.own
