-- Removes a schedule. Nodes that run do not fire it any more; one that starts and has it in its modules makes it anew.
-- Locks: its row. Index: schedules_pkey.
DELETE FROM schedules WHERE function_name = %(function)s
