-- What has held back vacuum in this database for at least so long, the oldest first: transactions, those prepared for a
-- commit in two phases, and replication slots, whose age is only known in transactions.
-- Locks: nothing. Index: none, a look at the sessions.
SELECT h.kind, h.name, h.program, h.state, h.age_s, h.transactions
FROM (
    SELECT
        'session' AS kind, a.pid::text AS name, a.application_name AS program, a.state,
        extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS age_s,
        coalesce(age(a.backend_xmin), 0) AS transactions
    FROM pg_stat_activity AS a
    WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
          AND (a.backend_xmin IS NOT NULL OR a.backend_xid IS NOT NULL)
          AND a.xact_start < clock_timestamp() - make_interval(secs => %(age_s)s)
    UNION ALL
    SELECT
        'prepared transaction', p.gid, '', 'prepared',
        extract(epoch FROM clock_timestamp() - p.prepared)::float8, age(p.transaction)
    FROM pg_prepared_xacts AS p
    WHERE p.database = current_database() AND p.prepared < clock_timestamp() - make_interval(secs => %(age_s)s)
    UNION ALL
    SELECT
        'replication slot', s.slot_name::text, '', CASE WHEN s.active THEN 'active' ELSE 'not active' END,
        NULL, age(s.xmin)
    FROM pg_replication_slots AS s
    WHERE age(s.xmin) > %(transactions)s::int
) AS h
ORDER BY h.age_s DESC NULLS LAST, h.transactions DESC
LIMIT 10
