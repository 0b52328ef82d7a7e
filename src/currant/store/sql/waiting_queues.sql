-- The queues in which jobs wait, also for later. For the tests of applications: it scans the table.
-- Locks: nothing. Index: none.
SELECT DISTINCT e.queue FROM executions AS e
WHERE e.type = 'job' AND e.status IN ('pending', 'scheduled')
ORDER BY e.queue
