"""A version-1 database with data, as version 1's own client and workers leave it: plain SQL, nothing of Currant's."""

import json
import uuid
from importlib import resources
from typing import Any, Final

import psycopg
from psycopg import sql

#: Every column of every table of version 1.
COLUMNS: Final = {
    "executions": [
        *("id", "type", "function_name", "queue", "status", "priority", "args", "kwargs", "options", "result", "error"),
        *("attempt", "max_retries", "parent_workflow_id", "checkpoint", "created_at", "claimed_at", "completed_at"),
        *("timeout_seconds", "worker_id"),
    ],
    "worker_heartbeats": ["worker_id", "last_heartbeat", "queues", "status", "metadata"],
    "workflow_signals": ["id", "workflow_id", "signal_name", "payload", "created_at", "consumed"],
    "dead_letter_queue": ["id", "execution_id", "execution_data", "failure_reason", "failed_at"],
    "schema_migrations": ["version", "applied_at"],
}

#: The published facts and no more: nothing is NOT NULL that they do not say, and CHECKs have names of their own.
LOOSE: Final = """
CREATE TABLE executions (
    id text PRIMARY KEY, type text CONSTRAINT kind_is_known CHECK (type IN ('job', 'activity', 'workflow')),
    function_name text, queue text,
    status text CONSTRAINT "State, of course" CHECK (
        status IN ('pending', 'running', 'suspended', 'completed', 'failed')),
    priority int DEFAULT 5, args jsonb DEFAULT '[]', kwargs jsonb DEFAULT '{}', options jsonb DEFAULT '{}',
    result jsonb, error jsonb, attempt int DEFAULT 0, max_retries int DEFAULT 3,
    parent_workflow_id text CONSTRAINT fk_parent REFERENCES executions (id) ON DELETE CASCADE, checkpoint jsonb,
    created_at timestamptz DEFAULT now(), claimed_at timestamptz, completed_at timestamptz, timeout_seconds int,
    worker_id text,
    CONSTRAINT activities_have_parents CHECK (
        type = 'activity' AND parent_workflow_id IS NOT NULL OR type <> 'activity' AND parent_workflow_id IS NULL)
);
CREATE INDEX "Waiting" ON executions (queue, status, priority DESC, created_at) WHERE status = 'pending';
CREATE INDEX ix_1 ON executions (worker_id, status) WHERE status = 'running' OR status = 'suspended';
CREATE INDEX ix_2 ON executions (parent_workflow_id) WHERE parent_workflow_id IS NOT NULL;
CREATE INDEX ix_3 ON executions (created_at DESC);
CREATE TABLE worker_heartbeats (worker_id text PRIMARY KEY, last_heartbeat timestamptz, queues text[],
    status text CHECK (status IN ('running', 'stopped')), metadata jsonb);
CREATE TABLE workflow_signals (id text PRIMARY KEY,
    workflow_id text REFERENCES executions (id) ON DELETE CASCADE, signal_name text, payload jsonb DEFAULT '{}',
    created_at timestamptz, consumed boolean DEFAULT false);
CREATE TABLE dead_letter_queue (id text PRIMARY KEY, execution_id text, execution_data jsonb, failure_reason text,
    failed_at timestamptz);
CREATE TABLE schema_migrations (version int PRIMARY KEY, applied_at timestamptz);
"""

STATES: Final = ("pending", "running", "suspended", "completed", "failed")
ODD: Final = "ünïcödé 漢字 🍒 \\ \" ' %s {} \t\n"
# Too large for its page, and not to be compressed away.
LARGE: Final = [uuid.uuid4().hex for _ in range(3000)]


def make(connection: psycopg.Connection[Any], *, loose: bool = False) -> None:
    """Makes version 1's tables, empty: those that Currant publishes, or by the letter of the facts alone."""
    published = resources.files("currant.store").joinpath("migrations", "0001.sql").read_text("utf-8")
    connection.execute(LOOSE.encode() if loose else published.encode())
    connection.execute("INSERT INTO schema_migrations (version, applied_at) VALUES (1, now() - interval '1 year')")


def insert(connection: psycopg.Connection[Any], table: str, **values: Any) -> None:
    """One row; lists and dicts are JSON, but for `queues`."""
    as_json = {
        name: json.dumps(value) if isinstance(value, list | dict) and name != "queues" else value
        for name, value in values.items()
    }
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, as_json)),
        sql.SQL(", ").join(sql.Placeholder() * len(as_json)),
    )
    connection.execute(statement, list(as_json.values()))


def execution(connection: psycopg.Connection[Any], status: str, kind: str = "job", **values: Any) -> str:
    """Inserts an execution of the function `jobs.echo`, and returns its id."""
    id = f"{kind[:3]}_{uuid.uuid4().hex}"
    fixed = {"id": id, "type": kind, "function_name": "jobs.echo", "queue": "test", "status": status}
    insert(connection, "executions", **{**fixed, **values})
    return str({**fixed, **values}["id"])


def fill(connection: psycopg.Connection[Any]) -> None:
    """Every type in every state, with everything that can be in a row, and rows in every other table."""
    for status in STATES:
        claimed: dict[str, Any] = (
            {} if status == "pending" else {"attempt": 1, "worker_id": "v1_old", "claimed_at": "2024-02-29 12:00Z"}
        )
        ended: dict[str, Any] = (
            {"completed_at": "2024-02-29 23:59:59.999999+05"} if status in ("completed", "failed") else {}
        )
        for _ in range(3):
            execution(connection, status, **claimed, **ended)
        workflow = execution(connection, status, "workflow", checkpoint={"step": 3, "odd": ODD}, **claimed, **ended)
        for step in range(2):
            execution(
                connection,
                status,
                "activity",
                parent_workflow_id=workflow,
                args=[step],
                priority=step,
                **claimed,
                **ended,
            )
        for consumed in (True, False):
            insert(
                connection, "workflow_signals", id=f"sig_{uuid.uuid4().hex}", workflow_id=workflow,
                signal_name=ODD, payload={"odd": ODD}, created_at="2024-01-01Z", consumed=consumed,
            )  # fmt: skip
    for status in ("pending", "completed"):
        _fill_with_odd_values(connection, status)
    execution(connection, "failed", attempt=4, error={"type": "ValueError", "traceback": ODD}, args=[ODD])
    dead = execution(connection, "failed", attempt=4, max_retries=3)
    for id in (dead, "job_long_gone"):
        insert(
            connection, "dead_letter_queue", id=f"dlq_{uuid.uuid4().hex}", execution_id=id,
            execution_data={"id": id, "large": LARGE}, failure_reason=ODD, failed_at="2024-01-01Z",
        )  # fmt: skip
    _fill_workers(connection)


def _fill_with_odd_values(connection: psycopg.Connection[Any], status: str) -> None:
    result: dict[str, Any] = (
        {"result": {"odd": ODD, "large": LARGE, "number": 12345678901234567890}} if status == "completed" else {}
    )
    execution(connection, status, args=[LARGE], **result)
    execution(connection, status, args=[ODD], kwargs={}, options={"odd": ODD, "timeout": 20}, **result)
    execution(connection, status, kwargs={"value": None}, priority=-(2**31), max_retries=0)
    execution(connection, status, priority=2**31 - 1, timeout_seconds=30, max_retries=2**31 - 1)
    execution(connection, status, created_at="1999-12-31 23:59:59.123456Z", args=[1e100])
    execution(connection, status, id=f"job_{status}{''.join(ODD.split())}", created_at="2099-01-01Z")


def _fill_workers(connection: psycopg.Connection[Any]) -> None:
    for worker, status, metadata in (
        ("v1_old", "running", {"pid": 7}),
        ("v1_stopped", "stopped", None),
        ("v1_odd", "stopped", ["no", "object"]),
    ):
        insert(
            connection, "worker_heartbeats", worker_id=worker, last_heartbeat="2024-02-29 12:00Z",
            queues=["test", ODD], status=status, metadata=metadata,
        )  # fmt: skip


def dump(connection: psycopg.Connection[Any], *tables: str) -> dict[str, list[tuple[Any, ...]]]:
    """Returns version 1's columns of every row, as texts, sorted; of these tables or of all."""
    found = {}
    for table in tables or COLUMNS:
        columns = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(each)) for each in COLUMNS[table])
        found[table] = connection.execute(
            sql.SQL("SELECT {} FROM {} ORDER BY 1").format(columns, sql.Identifier(table))
        ).fetchall()
    return found
