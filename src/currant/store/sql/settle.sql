-- Records what follows for executions that did not complete: waiting again (pending), waiting for a retry (scheduled, by
-- this clock), cancelled, or failed, with a copy in the dead letters. Wakes the nodes for what is pending again.
-- One that someone asked to cancel does not wait again: it is cancelled.
-- Says which are cancelled now, and which were written if not all of them were.
-- Locks: each execution's row. Index: executions_pkey, a probe for each row; the lease and the state are the fence.
-- The range of all leases: see complete.sql.
WITH verdicts AS MATERIALIZED (
    SELECT v.*, v.status IN ('pending', 'scheduled') AS waits FROM unnest(
        %(ids)s::text[], %(leases)s::bigint[], %(statuses)s::text[], %(errors)s::jsonb[], %(delays)s::float8[],
        %(uncounts)s::bigint[], %(crashes)s::bigint[], %(reasons)s::text[]
    ) AS v (id, lease, status, error, delay_s, uncount, crash, reason)
    WHERE v.lease BETWEEN '-9223372036854775808' AND '9223372036854775807'
), settled AS (
    UPDATE executions AS e
    SET status = CASE WHEN v.waits AND e.cancel_requested_at IS NOT NULL THEN 'cancelled' ELSE v.status END,
        error = coalesce(v.error, e.error),
        attempt = e.attempt - v.uncount::int,
        crashes = e.crashes + v.crash::int,
        run_at = CASE WHEN v.status = 'scheduled' AND e.cancel_requested_at IS NULL
                      THEN now() + make_interval(secs => v.delay_s) END,
        due_at = CASE WHEN v.status = 'pending' THEN now() ELSE e.due_at END,
        completed_at = CASE WHEN v.waits AND e.cancel_requested_at IS NULL THEN NULL ELSE now() END,
        claimed_at = CASE WHEN v.waits AND e.cancel_requested_at IS NULL THEN NULL ELSE e.claimed_at END,
        worker_id = CASE WHEN v.waits AND e.cancel_requested_at IS NULL THEN NULL ELSE e.worker_id END,
        unique_key = CASE WHEN v.waits AND e.cancel_requested_at IS NULL OR e.unique_until > now() THEN e.unique_key END
    FROM verdicts AS v
    WHERE e.id = v.id AND e.lease = v.lease AND e.status = 'running'
    RETURNING e.*, v.reason
), dead AS (
    INSERT INTO dead_letter_queue (id, execution_id, execution_data, failure_reason)
    SELECT 'dead_' || s.id || '_' || s.lease, s.id, to_jsonb(s) - 'reason' - 'ready' - 'due_at', s.reason
    FROM settled AS s
    WHERE s.status = 'failed'
    ON CONFLICT (id) DO NOTHING
), woken AS (
    -- A longer name, from a raw row, cannot be a channel: the tick finds it.
    SELECT count(pg_notify(q.queue, '')) AS queues
    FROM (SELECT DISTINCT queue FROM settled WHERE status = 'pending' AND octet_length(queue) BETWEEN 1 AND 63) AS q
)
SELECT (SELECT count(*) FROM settled)::int AS settled, (SELECT queues FROM woken)::int AS woken,
       ARRAY(SELECT s.id FROM settled AS s WHERE s.status = 'cancelled') AS cancelled,
       CASE WHEN (SELECT count(*) FROM settled) < (SELECT count(*) FROM verdicts)
            THEN ARRAY(SELECT s.id FROM settled AS s) END AS written
