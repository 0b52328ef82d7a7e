-- The dead letters with these ids, their own or their executions', the newest first.
-- Locks: nothing. Index: none: a scan of the dead letters, once per command; its time is limited.
SELECT
    d.id, d.execution_id, d.execution_data ->> 'function_name', d.execution_data ->> 'queue',
    CASE WHEN jsonb_typeof(d.execution_data -> 'attempt') = 'number' THEN (d.execution_data ->> 'attempt')::numeric::bigint END,
    d.execution_data -> 'error' ->> 'type', d.failure_reason, to_json(d.failed_at) #>> '{}', d.execution_data
FROM dead_letter_queue AS d
WHERE d.id = ANY (%(ids)s::text[]) OR d.execution_id = ANY (%(ids)s::text[])
ORDER BY d.failed_at DESC, d.id DESC
