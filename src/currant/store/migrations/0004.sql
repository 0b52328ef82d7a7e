-- Version 4: queues that are paused.

-- A row for each queue that no node is to claim from. Resuming it deletes the row. Nodes of before know nothing of it.
CREATE TABLE paused_queues (
    name text PRIMARY KEY,
    paused_at timestamptz NOT NULL DEFAULT now(),
    -- Who and why, for people.
    paused_by text NOT NULL,
    reason text
);
