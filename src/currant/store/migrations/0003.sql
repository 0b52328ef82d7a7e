-- Version 3: unique keys that outlive their execution, and schedules.

-- An execution that has ended keeps its unique_key until then.
ALTER TABLE executions ADD COLUMN unique_until timestamptz;

-- One row for each function with a cron expression. Whoever moves next_run_at on enqueues the run: no double run.
CREATE TABLE schedules (
    function_name text PRIMARY KEY,
    cron text NOT NULL,
    timezone text NOT NULL,
    -- What its executions are inserted with.
    queue text NOT NULL,
    priority int NOT NULL DEFAULT 5,
    max_retries int NOT NULL DEFAULT 3,
    timeout_seconds int,
    options jsonb NOT NULL DEFAULT '{}',
    next_run_at timestamptz NOT NULL,
    last_run_at timestamptz,
    last_execution_id text,
    -- When a node that knows the function last started, or fired it.
    seen_at timestamptz NOT NULL DEFAULT now()
);
