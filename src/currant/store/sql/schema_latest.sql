-- The newest migration that was applied; only where schema_present found the table.
-- Locks: nothing.
SELECT max(version)::int FROM schema_migrations
