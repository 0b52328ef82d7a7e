-- Parks executions whose function this node does not know: scheduled, not counted as an attempt, each time for twice as
-- long, from 1 s to 5 min. A node that knows the function takes them at its boot.
-- Locks: each execution's row. Index: executions_pkey, a probe for each row; the lease and the state are the fence.
UPDATE executions AS e
SET status = 'scheduled',
    attempt = e.attempt - 1,
    run_at = now() + make_interval(secs => least(300, 2 ^ least(p.times, 20))),
    error = jsonb_build_object(
        'type', 'UnknownFunction',
        'message', 'no module of the node registers ' || e.function_name || ': it waits for a node that does',
        'parked', p.times + 1
    ),
    claimed_at = NULL,
    worker_id = NULL
FROM (
    SELECT d.id, d.lease,
        CASE WHEN jsonb_typeof(o.error -> 'parked') = 'number'
             THEN least(greatest((o.error ->> 'parked')::numeric, 0), 1000)::int ELSE 0 END AS times
    FROM unnest(%(ids)s::text[], %(leases)s::bigint[]) AS d (id, lease)
    JOIN executions AS o ON o.id = d.id
) AS p
WHERE e.id = p.id AND e.lease = p.lease AND e.status = 'running'
