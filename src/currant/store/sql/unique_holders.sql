-- Finds which executions hold these unique keys, and takes the keys of those that have ended and held them long enough.
-- Locks: the rows whose keys it takes. Index: executions_unique, a probe for each key.
-- Rows returned: function, key and id for each key that is held; a key that is left out is free now.
WITH wanted AS MATERIALIZED (
    SELECT DISTINCT w.function, w.unique_key FROM unnest(%(functions)s::text[], %(keys)s::text[]) AS w (function, unique_key)
), freed AS (
    UPDATE executions AS e
    SET unique_key = NULL, unique_until = NULL
    FROM wanted AS w
    WHERE e.function_name = w.function AND e.unique_key = w.unique_key AND e.unique_key IS NOT NULL
          AND e.status IN ('completed', 'failed', 'cancelled') AND coalesce(e.unique_until <= now(), true)
    RETURNING e.id
)
SELECT e.function_name, e.unique_key, e.id
FROM wanted AS w
JOIN executions AS e ON e.function_name = w.function AND e.unique_key = w.unique_key AND e.unique_key IS NOT NULL
WHERE e.id NOT IN (SELECT id FROM freed)
