-- The newest dead letters, at most `rows`.
-- Locks: nothing. Index: none: a scan of the dead letters, which only people ask for; its time is limited.
SELECT
    d.id, d.execution_id, d.execution_data ->> 'function_name', d.execution_data ->> 'queue',
    CASE WHEN jsonb_typeof(d.execution_data -> 'attempt') = 'number' THEN (d.execution_data ->> 'attempt')::numeric::bigint END,
    d.execution_data -> 'error' ->> 'type', d.failure_reason, to_json(d.failed_at) #>> '{}'
FROM dead_letter_queue AS d
WHERE (%(function)s::text IS NULL OR d.execution_data ->> 'function_name' = %(function)s)
      AND (%(prefix)s::text IS NULL OR starts_with(d.execution_data ->> 'function_name', %(prefix)s))
      AND (%(queue)s::text IS NULL OR d.execution_data ->> 'queue' = %(queue)s)
ORDER BY d.failed_at DESC, d.id DESC
LIMIT %(rows)s::int
