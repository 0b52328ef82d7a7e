-- Which of these rights the role of this session lacks; `column` is NULL for a right on the whole table. Tables that are
-- not there are left out.
-- Locks: nothing. Index: the catalog's.
SELECT n.privilege, n.tablename, n.columnname
FROM unnest(%(privileges)s::text[], %(tables)s::text[], %(columns)s::text[]) AS n (privilege, tablename, columnname)
JOIN pg_class AS c ON c.oid = to_regclass(n.tablename)
WHERE NOT CASE WHEN n.columnname IS NULL THEN has_table_privilege(c.oid, n.privilege)
               ELSE has_column_privilege(c.oid, n.columnname, n.privilege) END
ORDER BY n.tablename, n.privilege
