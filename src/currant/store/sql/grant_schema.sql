-- Lets a role find Currant's tables in their schema: where it is not everyone's to use.
-- Locks: no row of theirs. For psycopg.sql, which writes the names in.
GRANT USAGE ON SCHEMA {schema} TO {role};
