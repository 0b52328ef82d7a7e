-- What currantd and the commands that look after executions need: to run, retry, reclaim and prune. No DDL, no migration.
-- To lock a row, a role must be allowed to update a column of it: of the dead letters, one that tells nothing.
-- Locks: no row of theirs. For psycopg.sql, which writes the names in.
GRANT SELECT ON {schema}.schema_migrations TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE ON
    {schema}.executions, {schema}.paused_queues, {schema}.schedules, {schema}.worker_heartbeats
TO {role};
GRANT SELECT, INSERT, DELETE, UPDATE (failed_at) ON {schema}.dead_letter_queue TO {role};
