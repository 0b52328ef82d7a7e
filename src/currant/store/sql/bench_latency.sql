-- From enqueued to completed, in milliseconds, without the first `warmup` executions in the order of their enqueueing.
-- Locks: nothing. Index: none, a scan of the table, after the measurement.
-- Both times are the beginnings of their transactions: the write of the INSERT counts, that of the completion does not.
-- Rows returned: one; all NULL where nothing is left. `seconds`: from the first of them enqueued to the last completed.
WITH measured AS (
    SELECT e.created_at, e.completed_at, extract(epoch FROM e.completed_at - e.created_at)::float8 * 1000 AS ms
    FROM executions AS e
    WHERE e.queue = %(queue)s AND e.status = 'completed'
    ORDER BY e.created_at, e.id
    OFFSET %(warmup)s::int
), ranked AS (
    SELECT percentile_disc(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY m.ms) AS p, max(m.ms) AS ms_max FROM measured AS m
)
SELECT
    r.p[1] AS p50, r.p[2] AS p95, r.p[3] AS p99, r.ms_max,
    (SELECT count(*) FROM measured)::int AS executions,
    (SELECT extract(epoch FROM max(m.completed_at) - min(m.created_at))::float8 FROM measured AS m) AS seconds
FROM ranked AS r
