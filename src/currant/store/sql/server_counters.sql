-- How much write-ahead log the server has made, and how many transactions this database has seen, everybody's.
-- The log's end is that of now. Transactions of other sessions come up to a second late while they work, and up to ten
-- when they rest; of a session that has ended they come at once. This session's come with the next statement: `told`.
-- Locks: nothing. Index: none.
SELECT
    pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint AS wal_bytes,
    d.xact_commit + d.xact_rollback AS transactions,
    pg_stat_force_next_flush()::text AS told
FROM pg_stat_database AS d
WHERE d.datname = current_database()
