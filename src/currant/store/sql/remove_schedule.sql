-- Removes the schedule of a function; what it has enqueued stays.
-- Locks: the row. Index: schedules_pkey.
DELETE FROM schedules AS s WHERE s.function_name = %(function)s
