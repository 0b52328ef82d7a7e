"""What people are shown of the database: executions, dead letters, queues, schedules, and what it was asked."""

from collections.abc import Mapping
from typing import Any

import msgspec


class Record(msgspec.Struct):
    """One row of the executions table as people look at it; times are ISO 8601."""

    id: str
    status: str
    function: str
    queue: str
    priority: int
    attempt: int
    crashes: int
    max_retries: int
    args: Any
    kwargs: Any
    result: Any
    error: Any
    created_at: str
    claimed_at: str | None
    completed_at: str | None
    run_at: str | None
    node: str | None
    type: str = "job"
    lease: int = 0
    timeout_s: float | None = None
    #: When a running one runs out of time; None: it may take as long as it likes, or does not run.
    deadline: str | None = None
    cancel_requested_at: str | None = None
    unique_key: str | None = None
    unique_until: str | None = None


class Listed(msgspec.Struct):
    """An execution in a list: what can be had of a row without reading its arguments and result."""

    id: str
    status: str
    function: str
    queue: str
    priority: int
    attempt: int
    crashes: int
    max_retries: int
    error_type: str | None
    created_at: str
    claimed_at: str | None
    completed_at: str | None
    run_at: str | None
    node: str | None


class DeadLetter(msgspec.Struct):
    """A dead letter: the copy of an execution that failed for good. `execution` is the row, where it was asked for."""

    id: str
    execution_id: str
    function: str | None
    queue: str | None
    attempt: int | None
    error_type: str | None
    reason: str
    failed_at: str
    execution: Any = None


class Pause(msgspec.Struct):
    """A queue that is paused: since when, by whom, and why."""

    queue: str
    paused_at: str
    paused_by: str
    reason: str | None = None


class Queue(msgspec.Struct):
    """What waits in a queue. A count that `_cut` marks stopped there: there are more."""

    name: str
    pending: int
    pending_cut: bool
    scheduled: int
    scheduled_cut: bool
    #: When the oldest pending one was enqueued, and when the next scheduled one is due.
    oldest_pending_at: str | None
    next_run_at: str | None
    #: The nodes that serve it and live.
    nodes: list[str]
    #: What waits for a node that knows its function; not among the scheduled.
    parked: int = 0
    parked_cut: bool = False
    #: None: it is not paused.
    pause: Pause | None = None


class Schedule(msgspec.Struct):
    """One row of the schedules table; times are ISO 8601."""

    function: str
    cron: str
    timezone: str
    queue: str
    next_run_at: str
    last_run_at: str | None
    last_execution_id: str | None
    #: When a node that knows the function last started, or fired it.
    seen_at: str


class Retried(msgspec.Struct):
    """What became of the wish to retry an execution; `status` is what it was before, None: it is not there."""

    id: str
    status: str | None
    type: str | None
    retried: bool


class StatementUse(msgspec.Struct):
    """How often a named statement was sent, the rows that it returned or wrote, and the seconds until its answers."""

    calls: int
    rows: int
    seconds: float

    def __add__(self, other: "StatementUse") -> "StatementUse":
        """What both were together."""
        return StatementUse(self.calls + other.calls, self.rows + other.rows, self.seconds + other.seconds)


class Cancelled(msgspec.Struct):
    """What became of the wish to cancel an execution. `status` is what it is now; None: it is not there."""

    id: str
    cancelled: bool
    status: str | None
    reason: str | None

    @classmethod
    def of(cls, id: str, done: bool, ended: Mapping[str, str | None]) -> "Cancelled":
        """Makes it of the database's word.

        Args:
            done: it had not ended before.
            ended: of those that have ended, or are not there, the status now.
        """
        if done:
            return cls(id, True, ended.get(id, "running"), None)
        if id not in ended:
            return cls(id, False, None, "it is no job, and only jobs can be cancelled")
        status = ended[id]
        return cls(id, False, status, "no execution has this id" if status is None else f"it is {status} already")
