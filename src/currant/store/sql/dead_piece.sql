-- Looks at `look` dead letters after the id `after`, and gives those that match: one piece of a walk over all of them.
-- Locks: nothing. Index: dead_letter_queue_pkey.
-- Rows returned: those that match and failed by `until` (NULL: by now), so that what fails again meanwhile is not met
-- again; at least one, whose id is NULL when none matches. Each carries the last id looked at, NULL at the end, and
-- `until` for the next piece.
WITH piece AS MATERIALIZED (
    SELECT d.id, d.execution_id, d.failed_at, d.execution_data ->> 'function_name' AS function,
           d.execution_data ->> 'queue' AS queue
    FROM dead_letter_queue AS d
    WHERE d.id > %(after)s::text
    ORDER BY d.id
    LIMIT %(look)s::int
)
SELECT
    p.id, p.execution_id, (SELECT max(l.id) FROM piece AS l) AS last,
    coalesce(%(until)s::timestamptz, now())::text AS until
FROM (SELECT) AS always
LEFT JOIN piece AS p ON
    p.failed_at <= coalesce(%(until)s::timestamptz, now()) - make_interval(secs => %(older_s)s::float8)
    AND (%(function)s::text IS NULL OR p.function = %(function)s)
    AND (%(prefix)s::text IS NULL OR starts_with(p.function, %(prefix)s))
    AND (%(queue)s::text IS NULL OR p.queue = %(queue)s)
ORDER BY p.id
