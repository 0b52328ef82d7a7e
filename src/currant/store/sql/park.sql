-- Parks executions whose function this node does not know: scheduled for a moment that never comes, one for each function
-- (see parking.py), and not counted as an attempt. Who was asked to cancel meanwhile is cancelled.
-- Locks: each execution's row. Index: executions_pkey, a probe for each row; the lease and the state are the fence.
UPDATE executions AS e
SET status = CASE WHEN e.cancel_requested_at IS NULL THEN 'scheduled' ELSE 'cancelled' END,
    attempt = e.attempt - 1,
    run_at = CASE WHEN e.cancel_requested_at IS NULL
                  THEN timestamptz '9000-01-01 00:00:00+00' + make_interval(secs => p.moment) END,
    error = jsonb_build_object(
        'type', 'UnknownFunction',
        'message', 'no module of the node registers ' || left(e.function_name, 500) || ': it waits for a node that does'
    ),
    completed_at = CASE WHEN e.cancel_requested_at IS NULL THEN NULL ELSE now() END,
    unique_key = CASE WHEN e.cancel_requested_at IS NULL OR e.unique_until > now() THEN e.unique_key END,
    claimed_at = NULL,
    worker_id = NULL
FROM unnest(%(ids)s::text[], %(leases)s::bigint[], %(moments)s::float8[]) AS p (id, lease, moment)
WHERE e.id = p.id AND e.lease = p.lease AND e.status = 'running'
