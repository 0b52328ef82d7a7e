-- Inserts executions of any kind: for later, or with a unique key. Wakes the nodes for what is due within `soon_s`: an
-- idle node learns the next moment from its empty claim.
-- Locks: nothing that exists; waits for another transaction that inserts the same key. Index: executions_unique.
-- Rows returned: the id of each that was inserted. One whose key is held is left out: see unique_holders.
WITH new AS MATERIALIZED (
    SELECT n.*, coalesce(to_timestamp(n.run_at_s), now() + make_interval(secs => n.delay_s)) AS run_at
    FROM unnest(
        %(ids)s::text[], %(functions)s::text[], %(queues)s::text[], %(priorities)s::bigint[], %(args)s::jsonb[],
        %(kwargs)s::jsonb[], %(options)s::jsonb[], %(retries)s::bigint[], %(timeouts)s::float8[], %(delays)s::float8[],
        %(moments)s::float8[], %(keys)s::text[], %(holds)s::float8[]
    ) AS n (
        id, function, queue, priority, args, kwargs, options, max_retries, timeout_s, delay_s, run_at_s, unique_key,
        unique_for_s
    )
), inserted AS (
    INSERT INTO executions (
        id, type, function_name, queue, status, priority, args, kwargs, options, max_retries, timeout_seconds, run_at,
        unique_key, unique_until
    )
    SELECT n.id, 'job', n.function, n.queue, CASE WHEN n.run_at > now() THEN 'scheduled' ELSE 'pending' END,
           n.priority::int, n.args, n.kwargs, n.options, n.max_retries::int, n.timeout_s::int,
           CASE WHEN n.run_at > now() THEN n.run_at END, n.unique_key, now() + make_interval(secs => n.unique_for_s)
    FROM new AS n
    -- In one order, so that two that insert the same keys do not wait for each other.
    ORDER BY n.unique_key, n.function, n.id
    ON CONFLICT (function_name, unique_key) WHERE unique_key IS NOT NULL DO NOTHING
    RETURNING id, queue, run_at
), woken AS (
    SELECT count(pg_notify(q.queue, '')) AS queues
    FROM (
        SELECT DISTINCT queue FROM inserted
        WHERE run_at IS NULL OR run_at < now() + make_interval(secs => %(soon_s)s)
    ) AS q
)
SELECT i.id, (SELECT queues FROM woken)::int AS woken FROM inserted AS i
