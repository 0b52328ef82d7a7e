-- One execution, for people.
-- Locks: nothing. Index: executions_pkey.
SELECT
    e.id, e.status, e.function_name, e.queue, e.priority, e.attempt, e.crashes, e.max_retries,
    e.args, e.kwargs, e.result, e.error,
    to_json(e.created_at) #>> '{}', to_json(e.claimed_at) #>> '{}', to_json(e.completed_at) #>> '{}',
    to_json(e.run_at) #>> '{}', e.worker_id
FROM executions AS e
WHERE e.id = %(id)s
