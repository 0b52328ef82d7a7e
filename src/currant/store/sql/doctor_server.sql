-- What the server says of itself, and who this session is to it. `place`: the schema of our tables, NULL where none is found.
-- `elsewhere`: schemas with a table `executions` that the search path does not lead to, or that this role may not use.
-- `sees_all`: the role may see what the sessions of others do.
-- Locks: nothing. Index: the catalog's.
SELECT
    current_setting('server_version') AS version,
    current_setting('server_version_num')::int AS number,
    current_user::text AS account,
    pg_is_in_recovery() AS standby,
    (
        SELECT n.nspname::text FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.oid = to_regclass('executions')
    ) AS place,
    ARRAY(
        SELECT n.nspname::text FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.relname = 'executions' AND c.relkind IN ('r', 'p') AND c.oid IS DISTINCT FROM to_regclass('executions')
        ORDER BY 1
        LIMIT 10
    ) AS elsewhere,
    (
        SELECT pg_has_role(c.relowner, 'USAGE') FROM pg_class AS c WHERE c.oid = to_regclass('executions')
    ) AS owner,
    pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all
