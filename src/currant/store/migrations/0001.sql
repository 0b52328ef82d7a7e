-- Version 1, as published. Databases that hold it keep working: later versions only add.

CREATE TABLE executions (
    id text PRIMARY KEY,
    type text NOT NULL CHECK (type IN ('job', 'activity', 'workflow')),
    function_name text NOT NULL,
    queue text NOT NULL,
    status text NOT NULL CHECK (status IN ('pending', 'running', 'suspended', 'completed', 'failed')),
    priority int NOT NULL DEFAULT 5,
    args jsonb NOT NULL DEFAULT '[]',
    kwargs jsonb NOT NULL DEFAULT '{}',
    options jsonb NOT NULL DEFAULT '{}',
    result jsonb,
    error jsonb,
    attempt int NOT NULL DEFAULT 0,
    max_retries int NOT NULL DEFAULT 3,
    parent_workflow_id text REFERENCES executions (id) ON DELETE CASCADE,
    checkpoint jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    claimed_at timestamptz,
    completed_at timestamptz,
    timeout_seconds int,
    worker_id text,
    CHECK ((type = 'activity') = (parent_workflow_id IS NOT NULL))
);

CREATE INDEX executions_pending ON executions (queue, status, priority DESC, created_at) WHERE status = 'pending';
CREATE INDEX executions_worker ON executions (worker_id, status) WHERE status IN ('running', 'suspended');
CREATE INDEX executions_parent ON executions (parent_workflow_id) WHERE parent_workflow_id IS NOT NULL;
CREATE INDEX executions_created ON executions (created_at DESC);

CREATE TABLE worker_heartbeats (
    worker_id text PRIMARY KEY,
    last_heartbeat timestamptz NOT NULL DEFAULT now(),
    queues text[] NOT NULL,
    status text NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'stopped')),
    metadata jsonb
);

CREATE TABLE workflow_signals (
    id text PRIMARY KEY,
    workflow_id text NOT NULL REFERENCES executions (id) ON DELETE CASCADE,
    signal_name text NOT NULL,
    payload jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    consumed boolean NOT NULL DEFAULT false
);

CREATE TABLE dead_letter_queue (
    id text PRIMARY KEY,
    execution_id text NOT NULL,
    execution_data jsonb NOT NULL,
    failure_reason text NOT NULL,
    failed_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE schema_migrations (
    version int PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
);
