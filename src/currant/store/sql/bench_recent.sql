-- Of the bench: how long those executions took that were enqueued last, in milliseconds; of those under way, their age.
-- Locks: nothing. Index: the primary key, from its end: ids sort by the time when they were made.
SELECT extract(epoch FROM coalesce(e.completed_at, clock_timestamp()) - e.created_at)::float8 * 1000 AS ms
FROM (SELECT c.created_at, c.completed_at FROM executions AS c ORDER BY c.id DESC LIMIT %(rows)s::int) AS e
