-- Inserts executions and wakes the nodes, once for each queue.
-- Locks: nothing that exists. The notification takes Postgres's lock on its queue at the commit.
WITH inserted AS (
    INSERT INTO executions (
        id, type, function_name, queue, status, priority, args, kwargs, options, max_retries, timeout_seconds
    )
    SELECT n.id, 'job', n.function, n.queue, 'pending', n.priority::int, n.args, n.kwargs, n.options, n.max_retries::int,
           n.timeout_s::int
    FROM unnest(
        %(ids)s::text[], %(functions)s::text[], %(queues)s::text[], %(priorities)s::bigint[], %(args)s::jsonb[],
        %(kwargs)s::jsonb[], %(options)s::jsonb[], %(retries)s::bigint[], %(timeouts)s::float8[]
    ) AS n (id, function, queue, priority, args, kwargs, options, max_retries, timeout_s)
)
SELECT pg_notify(q.name, '') FROM unnest(%(channels)s::text[]) AS q (name)
