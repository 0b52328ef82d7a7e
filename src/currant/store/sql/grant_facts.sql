-- What a grant to a role meets: our tables that are missing, or that this account may not grant on, and the role itself.
-- `place`: the schema of the executions. `owned`: our tables that the role owns, itself or by another role, or NULL
-- without such a role. `uses`, `creates`: it may use that schema, and make things in it. `connects`: it may connect to
-- this database.
-- Locks: nothing.
WITH ours AS MATERIALIZED (
    SELECT n.name, c.oid, c.relowner, c.relnamespace
    FROM unnest(%(tables)s::text[]) AS n (name)
    LEFT JOIN pg_class AS c ON c.oid = to_regclass(n.name)
)
SELECT
    current_user::text AS account,
    (SELECT s.nspname::text FROM ours AS o JOIN pg_namespace AS s ON s.oid = o.relnamespace WHERE o.name = 'executions')
        AS place,
    ARRAY(SELECT o.name FROM ours AS o WHERE o.oid IS NULL ORDER BY o.name) AS missing,
    ARRAY(SELECT o.name FROM ours AS o WHERE NOT pg_has_role(o.relowner, 'USAGE') ORDER BY o.name) AS unowned,
    (
        SELECT ARRAY(SELECT o.name FROM ours AS o WHERE pg_has_role(r.oid, o.relowner, 'MEMBER') ORDER BY o.name)
        FROM pg_roles AS r WHERE r.rolname = %(role)s::text
    ) AS owned,
    (
        SELECT coalesce(bool_or(has_schema_privilege(r.oid, o.relnamespace, 'USAGE')), false)
        FROM pg_roles AS r, ours AS o WHERE r.rolname = %(role)s::text AND o.name = 'executions'
    ) AS uses,
    (
        SELECT coalesce(bool_or(has_schema_privilege(r.oid, o.relnamespace, 'CREATE')), false)
        FROM pg_roles AS r, ours AS o WHERE r.rolname = %(role)s::text AND o.name = 'executions'
    ) AS creates,
    (
        SELECT coalesce(bool_or(has_database_privilege(r.oid, current_database(), 'CONNECT')), false)
        FROM pg_roles AS r WHERE r.rolname = %(role)s::text
    ) AS connects
