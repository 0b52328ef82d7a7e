-- What an application needs that enqueues, cancels and waits for results. It deletes nothing, and reads no arguments.
-- Locks: no row of theirs. For psycopg.sql, which writes the names in.
GRANT SELECT ON {schema}.schema_migrations TO {role};
GRANT
    SELECT (
        id, type, function_name, queue, status, result, error, run_at, completed_at, cancel_requested_at, unique_key,
        unique_until, worker_id
    ),
    INSERT (
        id, type, function_name, queue, status, priority, args, kwargs, options, max_retries, timeout_seconds, run_at,
        unique_key, unique_until
    ),
    UPDATE (status, completed_at, cancel_requested_at, run_at, unique_key, unique_until)
ON {schema}.executions TO {role};
