-- What became of the bench's executions: see Tally in bench_queries.py.
-- Locks: nothing. Index: none, a scan of the table, after the measurement.
-- `failing` is the function whose executions fail when their first argument is true: each of those is run max_retries + 1
-- times, every other once. Runs are counted by the attempt, not the lease: what a node that stalls could not begin for a
-- while is given back and claimed again, uncounted.
WITH meant AS (
    SELECT e.status, e.attempt, e.crashes, e.status IN ('completed', 'failed') AS ended,
           e.function_name = %(failing)s::text AND e.args -> 0 = 'true' AS fails, e.max_retries
    FROM executions AS e
    WHERE e.queue = ANY (%(queues)s::text[])
), counted AS (
    SELECT m.*, CASE WHEN m.fails THEN m.max_retries + 1 ELSE 1 END AS runs FROM meant AS m
)
SELECT
    count(*) FILTER (WHERE c.status = 'completed')::int AS completed,
    count(*) FILTER (WHERE c.status = 'failed')::int AS failed,
    count(*) FILTER (WHERE NOT c.ended)::int AS left_over,
    coalesce(sum(c.attempt - 1) FILTER (WHERE c.ended), 0)::int AS retries,
    count(*) FILTER (WHERE c.ended AND (c.attempt > c.runs OR c.crashes > 0))::int AS doubled,
    count(*) FILTER (WHERE c.ended AND (c.fails <> (c.status = 'failed') OR c.attempt < c.runs))::int AS amiss
FROM counted AS c
