-- How much write-ahead log the server has made, and how many transactions this database has seen, everybody's.
-- The log's end is that of now. Transactions of other sessions come up to a second late while they work, and up to ten
-- when they rest; PostgreSQL tells those of a session that has ended at once.
-- Locks: nothing. Index: none.
SELECT
    pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint AS wal_bytes,
    (SELECT (d.xact_commit + d.xact_rollback)::bigint FROM pg_stat_database AS d WHERE d.datname = current_database())
        AS transactions
