-- Of the bench: adds pending executions with the numbers from `first` to `last`, as a bulk enqueue would, but made by the
-- server.
-- Locks: nothing that exists. No notification: no node is to hear of them.
INSERT INTO executions (
    id, type, function_name, queue, status, priority, args, kwargs, options, max_retries, timeout_seconds
)
SELECT 'job_' || lpad(n::text, 28, '0'), 'job', %(function)s, %(queue)s, 'pending', 5, '[]', '{}', '{}', 3, NULL
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
