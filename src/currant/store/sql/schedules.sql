-- All schedules, for people.
-- Locks: nothing. Index: none, the table is small.
SELECT
    s.function_name, s.cron, s.timezone, s.queue, to_json(s.next_run_at) #>> '{}', to_json(s.last_run_at) #>> '{}',
    s.last_execution_id, to_json(s.seen_at) #>> '{}'
FROM schedules AS s
ORDER BY s.function_name
