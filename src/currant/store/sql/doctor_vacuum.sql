-- How vacuum gets on with the executions: `dead` row versions beside the live ones by the server's estimate, `vacuumed_s`:
-- how long ago the last vacuum ended (NULL: none since the statistics began), `disabled`: autovacuum is off for the table,
-- `transactions`: how old its oldest row may be, in transactions, of which there are two thousand million.
-- Locks: nothing. Index: the catalog's.
SELECT
    s.n_live_tup AS live,
    s.n_dead_tup AS dead,
    extract(epoch FROM clock_timestamp() - greatest(s.last_vacuum, s.last_autovacuum))::float8 AS vacuumed_s,
    coalesce('autovacuum_enabled=false' = ANY(c.reloptions) OR 'autovacuum_enabled=off' = ANY(c.reloptions), false) AS disabled,
    age(c.relfrozenxid) AS transactions
FROM pg_class AS c
JOIN pg_stat_all_tables AS s ON s.relid = c.oid
WHERE c.oid = to_regclass('executions')
