-- Inserts one execution and wakes the nodes: what an array of one would say, in half the time.
-- Locks: nothing that exists. The notification takes Postgres's lock on its queue at the commit.
WITH inserted AS (
    INSERT INTO executions (
        id, type, function_name, queue, status, priority, args, kwargs, options, max_retries, timeout_seconds
    )
    VALUES (
        %(id)s::text, 'job', %(function)s::text, %(queue)s::text, 'pending', %(priority)s::int, %(args)s::jsonb,
        %(kwargs)s::jsonb, %(options)s::jsonb, %(retries)s::int, %(timeout_s)s::int
    )
)
SELECT pg_notify(%(queue)s::text, '')
