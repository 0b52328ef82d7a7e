-- Whether the search path leads to a schema of Currant's.
-- Locks: nothing.
SELECT to_regclass('schema_migrations') IS NOT NULL
