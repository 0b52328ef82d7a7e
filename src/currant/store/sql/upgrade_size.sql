-- How large the table executions is, with TOAST and indexes, and how many rows it has by the last ANALYZE (-1: never).
-- Locks: nothing.
SELECT pg_size_pretty(pg_total_relation_size(c.oid)) AS size, c.reltuples::bigint AS rows
FROM pg_class AS c
WHERE c.oid = 'executions'::regclass
