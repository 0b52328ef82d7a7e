-- Which of these names are taken in the schema that the migration works in.
-- Locks: nothing.
SELECT c.relname::text AS name
FROM pg_class AS c
WHERE c.relname = ANY (%(names)s::text[]) AND c.relnamespace = coalesce(
    (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('executions')),
    (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
)
ORDER BY 1
