-- Of the bench: how many executions a queue has been given, and in how many seconds.
-- Locks: nothing. Index: none, the table is the bench's own.
SELECT count(*), coalesce(extract(epoch FROM max(created_at) - min(created_at)), 0)::float8
FROM executions WHERE queue = %(queue)s
