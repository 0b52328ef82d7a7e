-- Deletes what ended long enough ago among the next `rows` executions by id: those after `after`, not after `upto`.
-- Locks: the rows that it deletes, skipping locked ones. Index: executions_pkey, a range of it; then TID scans.
-- Ids begin with the moment of their making, so the range holds little that is younger than what is to go.
-- Rows returned: one: how many were deleted, how many looked at, and the last id of these, NULL without any.
WITH page AS MATERIALIZED (
    SELECT e.id, e.ctid AS tid FROM executions AS e
    WHERE e.id > %(after)s AND e.id <= %(upto)s
    ORDER BY e.id
    LIMIT %(rows)s::int
), doomed AS MATERIALIZED (
    SELECT e.ctid AS tid
    FROM page AS p
    JOIN executions AS e ON e.ctid = p.tid
    WHERE e.type = 'job' AND e.status IN ('completed', 'failed', 'cancelled') AND coalesce(e.unique_until <= now(), true)
          AND e.completed_at < now() - make_interval(secs => least(1e9, CASE
              WHEN e.status = 'completed' THEN CASE jsonb_typeof(e.options -> 'keep_completed')
                  WHEN 'number' THEN (e.options ->> 'keep_completed')::float8 ELSE %(completed_s)s::float8 END
              ELSE CASE jsonb_typeof(e.options -> 'keep_failed')
                  WHEN 'number' THEN (e.options ->> 'keep_failed')::float8 ELSE %(failed_s)s::float8 END
          END))
    FOR UPDATE OF e SKIP LOCKED
), deleted AS (
    DELETE FROM executions AS e USING doomed AS d WHERE e.ctid = d.tid RETURNING e.id
)
SELECT (SELECT count(*) FROM deleted)::int, (SELECT count(*) FROM page)::int, (SELECT max(id) FROM page)
