-- Of the bench: how many connections of a currantd the database has.
-- Locks: nothing. Index: none, a list in memory.
SELECT count(*)::int AS connections
FROM pg_stat_activity AS a
WHERE a.datname = current_database() AND a.application_name LIKE 'currantd:%%'
