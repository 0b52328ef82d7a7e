-- The schedules, the next to run first.
-- Locks: nothing. The table is small: a row for each function with a cron expression.
SELECT
    s.function_name, s.cron, s.timezone, s.queue, to_json(s.next_run_at) #>> '{}', to_json(s.last_run_at) #>> '{}',
    s.last_execution_id, to_json(s.seen_at) #>> '{}'
FROM schedules AS s
ORDER BY s.next_run_at, s.function_name
