-- Where pg_stat_statements is, becomes the search path of this session; no row: this database does not have it.
-- Locks: nothing. Index: the catalog's.
SELECT set_config('search_path', quote_ident(n.nspname), false)
FROM pg_extension AS e
JOIN pg_namespace AS n ON n.oid = e.extnamespace
WHERE e.extname = 'pg_stat_statements'
