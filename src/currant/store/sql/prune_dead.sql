-- Deletes dead letters that are older than `failed_s` seconds, at most `rows`.
-- Locks: the rows that it deletes, skipping locked ones. Index: none: a scan of the table, which holds failures alone.
DELETE FROM dead_letter_queue
WHERE ctid = ANY (ARRAY(
    SELECT d.ctid FROM dead_letter_queue AS d
    WHERE d.failed_at < now() - make_interval(secs => least(1e9, %(failed_s)s::float8))
    LIMIT %(rows)s::int
    FOR UPDATE SKIP LOCKED
))
