-- Takes from a role whatever it was granted on Currant's tables, so that what is granted next is all that it has.
-- Locks: no row of theirs. For psycopg.sql, which writes the names in.
REVOKE ALL ON
    {schema}.dead_letter_queue, {schema}.executions, {schema}.paused_queues, {schema}.schedules,
    {schema}.schema_migrations, {schema}.worker_heartbeats, {schema}.workflow_signals
FROM {role};
