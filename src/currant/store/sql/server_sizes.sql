-- What the table of executions and each of its indexes take on the disk, in bytes. The table's own line comes first.
-- Locks: the relations ACCESS SHARE, for a moment. Index: the catalog's.
SELECT 'executions' AS name, pg_table_size('executions'::regclass)::bigint AS bytes
UNION ALL
(
    SELECT c.relname::text, pg_relation_size(c.oid)::bigint
    FROM pg_index AS i
    JOIN pg_class AS c ON c.oid = i.indexrelid
    WHERE i.indrelid = 'executions'::regclass
    ORDER BY c.relname
)
