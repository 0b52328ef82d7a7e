-- The server's settings by name, as SHOW prints them; those that this version does not have are left out.
-- Locks: nothing. Index: none.
SELECT n.name, current_setting(n.name, true) AS value
FROM unnest(%(names)s::text[]) AS n (name)
WHERE current_setting(n.name, true) IS NOT NULL
