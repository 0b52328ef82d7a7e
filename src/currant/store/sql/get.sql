-- One execution, for people.
-- Locks: nothing. Index: executions_pkey.
SELECT
    e.id, e.status, e.function_name, e.queue, e.priority, e.attempt, e.crashes, e.max_retries,
    e.args, e.kwargs, e.result, e.error,
    to_json(e.created_at) #>> '{}', to_json(e.claimed_at) #>> '{}', to_json(e.completed_at) #>> '{}',
    to_json(e.run_at) #>> '{}', e.worker_id, e.type, e.lease, t.timeout_s,
    CASE WHEN e.status = 'running' THEN to_json(e.claimed_at + make_interval(secs => t.timeout_s)) #>> '{}' END,
    to_json(e.cancel_requested_at) #>> '{}', e.unique_key, to_json(e.unique_until) #>> '{}'
FROM executions AS e
CROSS JOIN LATERAL (
    -- As the claim reads it.
    SELECT CASE WHEN jsonb_typeof(e.options -> 'timeout') = 'number'
                THEN least(greatest((e.options ->> 'timeout')::numeric, 0.001), 1e9)::float8
                ELSE e.timeout_seconds END AS timeout_s
) AS t
WHERE e.id = %(id)s
