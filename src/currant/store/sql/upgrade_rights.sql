-- What the account may do here, for a migration: make things in the schema, and alter each of our tables that is there.
-- `place`: the schema that new tables would go to, NULL when the search path leads to none.
-- `unowned`: our tables that the account does not own. `unreadable`: those that it may not even read.
-- Locks: nothing.
WITH ours AS (
    SELECT n.name, c.relowner, c.oid
    FROM unnest(%(tables)s::text[]) AS n (name)
    JOIN pg_class AS c ON c.oid = to_regclass(n.name)
)
SELECT
    current_user::text AS account,
    current_schema()::text AS place,
    coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS may_create,
    pg_is_in_recovery() AS standby,
    ARRAY(SELECT name FROM ours WHERE NOT pg_has_role(relowner, 'USAGE') ORDER BY name) AS unowned,
    ARRAY(SELECT name FROM ours WHERE NOT has_table_privilege(oid, 'SELECT') ORDER BY name) AS unreadable
