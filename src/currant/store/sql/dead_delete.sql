-- Deletes dead letters; their executions stay as they are.
-- Locks: each letter's row. Index: dead_letter_queue_pkey, a probe for each id.
DELETE FROM dead_letter_queue AS d WHERE d.id = ANY (%(ids)s::text[])
