-- Version 4: queues that are paused, and when an execution became due.

-- A row for each queue that no node is to claim from. Resuming it deletes the row. Nodes of before know nothing of it.
CREATE TABLE paused_queues (
    name text PRIMARY KEY,
    paused_at timestamptz NOT NULL DEFAULT now(),
    -- Who and why, for people.
    paused_by text NOT NULL,
    reason text
);

-- Of an execution that was not pending from the beginning: the end of its delay, of its retry's wait, of its parking; or when
-- it was given back. NULL: since it was created. No row is rewritten.
ALTER TABLE executions ADD COLUMN due_at timestamptz;
