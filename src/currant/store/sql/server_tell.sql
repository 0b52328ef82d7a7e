-- Has the server count at once what this session has done so far, and not up to ten seconds later.
-- Locks: nothing. Index: none.
SELECT pg_stat_force_next_flush()::text AS told
