-- How many connections the server, this database and this role may have (NULL: no limit of their own), and have now.
-- Locks: nothing. Index: none, a look at the sessions.
SELECT
    (
        current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
        - coalesce(current_setting('reserved_connections', true)::int, 0)
    ) AS most,
    s.taken::int AS taken,
    nullif(d.datconnlimit, -1) AS most_here,
    s.here::int AS here,
    nullif(r.rolconnlimit, -1) AS most_own,
    s.own::int AS own
FROM pg_database AS d, pg_roles AS r, (
    -- Of others' sessions only these columns are told to everyone.
    SELECT
        count(*) AS taken,
        count(*) FILTER (WHERE a.datname = current_database()) AS here,
        count(*) FILTER (WHERE a.usename = current_user) AS own
    FROM pg_stat_activity AS a
    WHERE a.usesysid IS NOT NULL AND a.datname IS NOT NULL AND coalesce(a.backend_type, 'client backend') = 'client backend'
) AS s
WHERE d.datname = current_database() AND r.rolname = current_user
