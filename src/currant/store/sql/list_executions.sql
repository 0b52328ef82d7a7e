-- Looks at `look` executions, from the id `upto` (NULL: the newest) backwards, and gives at most `rows` of those that
-- match: one piece of a list, whose cost is bounded whatever the filters leave.
-- Locks: nothing. Index: executions_pkey, backwards.
-- Rows returned: the matching ones; at least one, whose id is NULL when none matches. Each carries `seen`, how many were
-- looked at, and `next`, the id from which the next piece goes on, NULL at the end.
WITH piece AS MATERIALIZED (
    SELECT
        e.id, e.status, e.function_name, e.queue, e.priority, e.attempt, e.crashes, e.max_retries, e.created_at,
        e.claimed_at, e.completed_at, e.run_at, e.worker_id, e.error
    FROM executions AS e
    WHERE e.id <= coalesce(%(upto)s::text, (SELECT max(i.id) FROM executions AS i))
    ORDER BY e.id DESC
    LIMIT %(look)s::int
), found AS (
    SELECT p.* FROM piece AS p
    WHERE (%(statuses)s::text[] IS NULL OR p.status = ANY (%(statuses)s::text[]))
          AND (%(queue)s::text IS NULL OR p.queue = %(queue)s)
          AND (%(function)s::text IS NULL OR p.function_name = %(function)s)
          AND (%(prefix)s::text IS NULL OR starts_with(p.function_name, %(prefix)s))
          AND (%(since_s)s::float8 IS NULL OR p.created_at >= now() - make_interval(secs => %(since_s)s))
    ORDER BY p.id DESC
    LIMIT %(rows)s::int
)
SELECT
    f.id, f.status, f.function_name, f.queue, f.priority, f.attempt, f.crashes, f.max_retries, f.error ->> 'type',
    to_json(f.created_at) #>> '{}', to_json(f.claimed_at) #>> '{}', to_json(f.completed_at) #>> '{}',
    to_json(f.run_at) #>> '{}', f.worker_id,
    (SELECT count(*) FROM piece)::int AS seen,
    (
        SELECT e.id FROM executions AS e
        WHERE e.id < (SELECT min(p.id) FROM piece AS p)
        ORDER BY e.id DESC
        LIMIT 1
    ) AS next
FROM (SELECT) AS always
LEFT JOIN found AS f ON true
ORDER BY f.id DESC
