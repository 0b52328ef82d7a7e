-- Of the bench: has this session's counts written to the shared ones when this statement ends, not a second later.
-- Locks: nothing.
SELECT pg_stat_force_next_flush()
