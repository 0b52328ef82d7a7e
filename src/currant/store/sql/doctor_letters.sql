-- How many dead letters there are, of those looked at (at most `rows` and one) how many are younger than `recent_s`.
-- Locks: nothing. Index: dead_letter_queue_pkey, backwards: those of the newest executions first.
SELECT
    count(*)::int AS letters,
    (count(*) FILTER (WHERE d.failed_at > now() - make_interval(secs => %(recent_s)s)))::int AS recent
FROM (
    SELECT l.failed_at FROM dead_letter_queue AS l ORDER BY l.id DESC LIMIT %(rows)s::int + 1
) AS d
