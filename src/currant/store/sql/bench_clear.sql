-- Of the bench: removes all executions.
-- Locks: the whole table.
TRUNCATE executions CASCADE
