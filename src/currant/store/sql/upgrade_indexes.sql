-- Indexes of the user's own over what a completion writes: each makes every completion write to all indexes (no HOT). Not
-- version 1's, which the migration drops; see 0002.sql.
-- Locks: nothing.
SELECT i.indexrelid::regclass::text AS name
FROM pg_index AS i
CROSS JOIN LATERAL (SELECT substring(pg_get_indexdef(i.indexrelid) FROM ' USING (.*)$') AS says) AS d
WHERE i.indrelid = 'executions'::regclass
  AND d.says ~ '\m(status|completed_at|result)\M'
  AND (i.indisunique OR d.says !~ '^btree \((queue, status, priority DESC, created_at\) WHERE|worker_id, status\) WHERE)')
ORDER BY 1
