-- Of the bench: how many pages of executions and its indexes were looked at so far, in memory or not.
-- Locks: nothing. This session's own counts are written to the shared ones beforehand, by bench_flush.
SELECT (s.heap_blks_hit + s.heap_blks_read + coalesce(s.idx_blks_hit + s.idx_blks_read, 0))::bigint AS pages
FROM pg_statio_all_tables AS s
WHERE s.relid = 'executions'::regclass
