-- Version 2: leases, crashes, scheduled and cancelled executions, and indexes that let completions be HOT.
-- Rewrites executions: it adds a stored generated column, and the whole table is locked meanwhile.

-- Version 1 named its CHECKs itself, so the one over the states is found by what it says, not by a name. One of the user's
-- own over other columns besides stays.
DO $$
DECLARE
    found text;
BEGIN
    FOR found IN
        SELECT c.conname FROM pg_constraint AS c
        JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attname = 'status'
        WHERE c.conrelid = 'executions'::regclass AND c.contype = 'c' AND c.conkey = ARRAY[a.attnum]
          AND pg_get_constraintdef(c.oid) LIKE '%''suspended''%'
    LOOP
        EXECUTE format('ALTER TABLE executions DROP CONSTRAINT %I', found);
    END LOOP;
END $$;

ALTER TABLE executions
    ADD CONSTRAINT executions_status CHECK (
        status IN ('pending', 'scheduled', 'running', 'suspended', 'completed', 'failed', 'cancelled')
    ) NOT VALID;

-- The only trace of the state in an index is "ready": it changes at the claim and not at the completion, so that a
-- completion changes no indexed column. It derives from status: version-1 clients keep it right without knowing it.
ALTER TABLE executions
    ADD COLUMN lease bigint NOT NULL DEFAULT 0,
    ADD COLUMN crashes int NOT NULL DEFAULT 0,
    ADD COLUMN run_at timestamptz,
    ADD COLUMN cancel_requested_at timestamptz,
    ADD COLUMN unique_key text,
    ADD COLUMN ready boolean GENERATED ALWAYS AS (status = 'pending') STORED;

ALTER TABLE executions VALIDATE CONSTRAINT executions_status;

-- A row has three versions on its page before vacuum: as enqueued, as claimed, as completed. The TID scans of the hot path
-- do not prune, so all three must fit for a completion to be HOT: at 50 one in 20 was, at 30 nearly all are.
ALTER TABLE executions SET (fillfactor = 30);

-- A column in a partial index's predicate counts as indexed: version 1's would end the HOT completions. They too are
-- found by what they say. The user's own stay, whatever they cost; `currant migrate --dry-run` names them.
DO $$
DECLARE
    found regclass;
BEGIN
    FOR found IN
        SELECT i.indexrelid FROM pg_index AS i
        WHERE i.indrelid = 'executions'::regclass AND NOT i.indisunique
          AND substring(pg_get_indexdef(i.indexrelid) FROM ' USING (.*)$')
              ~ '^btree \((queue, status, priority DESC, created_at\) WHERE|worker_id, status\) WHERE|created_at DESC\)$)'
    LOOP
        EXECUTE format('DROP INDEX %s', found);
    END LOOP;
END $$;

-- Workflow and activity rows, which nothing claims yet, must not block the head of a queue.
CREATE INDEX executions_ready ON executions (queue, priority DESC, created_at, id) WHERE ready AND type = 'job';
CREATE INDEX executions_run_at ON executions (queue, run_at) WHERE run_at IS NOT NULL;
CREATE UNIQUE INDEX executions_unique ON executions (function_name, unique_key) WHERE unique_key IS NOT NULL;
CREATE INDEX workflow_signals_workflow ON workflow_signals (workflow_id);

-- What version 1 left running and no heartbeat vouches for would stay so for ever. The mark of a dead node, "currant:version-1",
-- lets the first node reclaim it (held.sql); no row of executions is touched. Who has a heartbeat, however old, is declared
-- dead like any node.
INSERT INTO worker_heartbeats (worker_id, last_heartbeat, queues, status, metadata)
SELECT 'currant:version-1', now(), '{}', 'stopped', '{"reclaim": true}'
WHERE EXISTS (
    SELECT FROM executions AS e
    WHERE e.status = 'running' AND e.type = 'job' AND NOT EXISTS (
        SELECT FROM worker_heartbeats AS h
        WHERE h.worker_id = e.worker_id AND h.status = 'running' AND h.last_heartbeat IS NOT NULL
    )
);
