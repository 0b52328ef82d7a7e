-- Writes what a node says of its schedules: the node that started last is right. The next moment stays as it is, also
-- when it is over, unless the expression or the time zone is new.
-- Locks: the rows that it writes, in the order of their names. Index: schedules_pkey.
-- Rows returned: one for each schedule; `clock_s` is this clock, in Unix time.
INSERT INTO schedules AS s (
    function_name, cron, timezone, queue, priority, max_retries, timeout_seconds, options, next_run_at
)
SELECT n.function, n.cron, n.timezone, n.queue, n.priority::int, n.max_retries::int, n.timeout_s::int, n.options,
       to_timestamp(n.next_s)
FROM unnest(
    %(functions)s::text[], %(crons)s::text[], %(timezones)s::text[], %(queues)s::text[], %(priorities)s::bigint[],
    %(retries)s::bigint[], %(timeouts)s::float8[], %(options)s::jsonb[], %(nexts)s::float8[]
) AS n (function, cron, timezone, queue, priority, max_retries, timeout_s, options, next_s)
ORDER BY n.function
ON CONFLICT (function_name) DO UPDATE
SET cron = excluded.cron, timezone = excluded.timezone, queue = excluded.queue, priority = excluded.priority,
    max_retries = excluded.max_retries, timeout_seconds = excluded.timeout_seconds, options = excluded.options,
    next_run_at = CASE WHEN s.cron = excluded.cron AND s.timezone = excluded.timezone THEN s.next_run_at
                       ELSE excluded.next_run_at END,
    seen_at = now()
RETURNING
    s.function_name, s.cron, s.timezone, extract(epoch FROM s.next_run_at)::float8 AS next_s, false AS fired, false AS locked,
    extract(epoch FROM clock_timestamp())::float8 AS clock_s
