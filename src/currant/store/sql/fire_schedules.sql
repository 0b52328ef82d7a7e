-- Enqueues the run of each schedule that is due, and moves the schedule on: a compare-and-swap, for each schedule alone.
-- It is done where the row still says what the node knew: the expression, the time zone and the moment.
-- Locks: the schedules' rows FOR UPDATE, skipping what another node fires or someone holds: nothing waits here. Under the
--   lock the row is seen as it is now, where the snapshot alone would show what another node has just moved on.
-- Index: schedules_pkey.
-- Rows returned: one for each schedule that is there; `locked`: it was skipped, and is shown as it was before; `clock_s`
-- is this clock, in Unix time.
WITH held AS MATERIALIZED (
    SELECT s.function_name, s.cron, s.timezone, s.next_run_at
    FROM schedules AS s
    WHERE s.function_name = ANY (%(functions)s::text[])
    FOR UPDATE SKIP LOCKED
), fired AS (
    UPDATE schedules AS s
    SET next_run_at = to_timestamp(d.next_s), last_run_at = now(), last_execution_id = d.id, seen_at = now()
    FROM held AS h
    JOIN unnest(
        %(functions)s::text[], %(crons)s::text[], %(timezones)s::text[], %(moments)s::float8[], %(nexts)s::float8[],
        %(ids)s::text[]
    ) AS d (function, cron, timezone, moment_s, next_s, id)
        ON h.function_name = d.function AND h.cron = d.cron AND h.timezone = d.timezone
           AND extract(epoch FROM h.next_run_at)::float8 = d.moment_s
    WHERE s.function_name = h.function_name AND h.next_run_at <= clock_timestamp()
    RETURNING s.*, h.next_run_at AS moment
), inserted AS (
    INSERT INTO executions (id, type, function_name, queue, status, priority, options, max_retries, timeout_seconds)
    SELECT f.last_execution_id, 'job', f.function_name, f.queue, 'pending', f.priority,
           -- For people who look: which moment it was, however late.
           f.options || jsonb_build_object('scheduled_for', to_char(f.moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')),
           f.max_retries, f.timeout_seconds
    FROM fired AS f
), woken AS (
    SELECT count(pg_notify(q.queue, '')) AS queues FROM (SELECT DISTINCT queue FROM fired) AS q
)
SELECT
    s.function_name, coalesce(h.cron, s.cron) AS cron, coalesce(h.timezone, s.timezone) AS timezone,
    extract(epoch FROM coalesce(f.next_run_at, h.next_run_at, s.next_run_at))::float8 AS next_s,
    f.function_name IS NOT NULL AS fired,
    h.function_name IS NULL AS locked,
    extract(epoch FROM clock_timestamp())::float8 AS clock_s,
    (SELECT queues FROM woken)::int AS woken
FROM schedules AS s
LEFT JOIN held AS h ON h.function_name = s.function_name
LEFT JOIN fired AS f ON f.function_name = s.function_name
WHERE s.function_name = ANY (%(functions)s::text[])
