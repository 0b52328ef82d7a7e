-- The database's clock, in Unix time.
-- Locks: nothing.
SELECT extract(epoch FROM clock_timestamp())::float8
