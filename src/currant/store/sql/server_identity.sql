-- By which process of its machine this session is served, and for how many seconds the server has run.
-- Locks: nothing. Index: none.
SELECT
    pg_backend_pid() AS backend,
    extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())::float8 AS running_s
