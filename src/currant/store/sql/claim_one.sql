-- Claims of the head of one queue: how claim.sql begins for that. It spares a tenth of what it costs with claim_several.sql: of
-- a small claim, setting up the plan is a large part.
-- Index: executions_ready, one scan; executions_run_at, one row.
WITH node AS MATERIALIZED (
    SELECT 1 FROM worker_heartbeats
    WHERE worker_id = %(node)s AND status = 'running'
    FOR KEY SHARE
), found AS MATERIALIZED (
    SELECT e.ctid AS tid FROM executions AS e
    WHERE e.queue = %(queue)s AND e.ready AND e.type = 'job'
          AND (SELECT extract(epoch FROM clock_timestamp()) < %(until_s)s::float8 FROM node)
    ORDER BY e.priority DESC, e.created_at, e.id
    LIMIT %(look)s::int
), due AS (
    SELECT e.run_at FROM executions AS e
    WHERE e.queue = %(queue)s AND e.run_at BETWEEN 'epoch' AND '9000-01-01 UTC' AND e.status = 'scheduled'
    ORDER BY e.run_at
    LIMIT 1
)
