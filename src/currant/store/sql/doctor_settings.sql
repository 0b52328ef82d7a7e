-- Settings of this session by name, in their base units (a time in ms); those that this version does not have are left out.
-- Locks: nothing. Index: none.
SELECT s.name, s.setting FROM pg_settings AS s WHERE s.name = ANY(%(names)s::text[])
