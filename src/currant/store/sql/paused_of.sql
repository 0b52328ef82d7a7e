-- Which of these queues are paused.
-- Locks: nothing. Index: paused_queues_pkey, or none; the table is small.
SELECT p.name FROM paused_queues AS p WHERE p.name = ANY (%(queues)s::text[])
