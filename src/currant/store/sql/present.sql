-- Of these ids, those of executions that are there.
-- Locks: nothing. Index: executions_pkey, a probe for each id.
SELECT id FROM executions WHERE id = ANY (%(ids)s::text[])
