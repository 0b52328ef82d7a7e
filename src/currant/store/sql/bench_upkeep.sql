-- Of the bench: what vacuum has before it in executions and has done, by the server's own counts, which come a moment late.
-- Locks: nothing.
SELECT s.n_live_tup::bigint AS live, s.n_dead_tup::bigint AS dead, s.autovacuum_count::bigint AS autovacuums
FROM pg_stat_all_tables AS s
WHERE s.relid = 'executions'::regclass
