"""How a supervisor is: what `currantctl status` asks and is told."""

from typing import ClassVar

import msgspec

from currant.records import StatementUse


class StatusRequest(msgspec.Struct, tag="status", array_like=True):
    """To the supervisor: how is it? With `waiting`, it asks the database too what waits there."""

    waiting: bool = True
    #: How long the answer may take, in seconds.
    answer_s: ClassVar[float | None] = 10.0


class ChildStatus(msgspec.Struct):
    """A child, or an empty place: `running` of its `slots` are taken, `waiting` is its backlog.

    `child` is the number of the place; `finished` counts since the child's start.
    """

    child: int
    pid: int | None
    state: str
    slots: int
    running: int
    waiting: int
    finished: int
    #: Of all children since the supervisor's start it alone has this number; None: the place is empty.
    id: int | None = None
    #: What the place is for.
    role: str = "work"
    #: Which fork server it comes from: the first, the second, ...
    generation: int = 0
    #: By how much its event loop was late, at the most, in the last ten seconds or so.
    lag_s: float = 0.0
    #: For how long its event loop has not answered, counted from when that was noticed; None: it answers.
    stalled_s: float | None = None
    #: Slot-seconds in which an execution had started and not ended, without those that wait for others; since it was
    #: ready, as is `slot_s`: the slots multiplied with the time.
    busy_slot_s: float = 0.0
    slot_s: float = 0.0
    #: Of its process: what it has used of processors, and what it has of memory now; 0 when that is not known.
    cpu_s: float = 0.0
    memory_bytes: int = 0


class FunctionStatus(msgspec.Struct):
    """What became of the executions of one function in one queue, since the node's start.

    `finished`: how many, by outcome, as the database has them. `waits`: how many were waited for, from when they were
    due until they started, `waits_s` seconds together; `runs` the same from then until their end, and `run_buckets` how
    many were how long: see BOUNDS_S in protocol/timings.py.
    """

    queue: str
    function: str
    claimed: int
    started: int
    finished: dict[str, int]
    timeouts: int
    waits: int
    waits_s: float
    runs: int
    runs_s: float
    run_buckets: list[int]


class ErrorStatus(msgspec.Struct):
    """An execution that went wrong `age_s` ago. `reason`: why it failed for good; None: it is tried again."""

    age_s: float
    execution: str
    function: str
    queue: str
    attempt: int
    type: str
    message: str
    reason: str | None


class StatusReply(msgspec.Struct, tag="status"):
    """From the supervisor. Counts are since its start, rates over the last seconds."""

    node: str
    pid: int
    phase: str
    uptime_s: float
    queues: list[str]
    children: list[ChildStatus]
    #: Executions by what became of them; see `Counts` in supervisor/events.py.
    executions: dict[str, int]
    #: Children that ended and should not have.
    child_deaths: int
    #: Outcomes that are not in the database yet.
    unsaved: int
    completed_per_s: float
    statements_per_s: float
    #: Connections that are lost at the moment, and why.
    connections_lost: dict[str, str]
    #: What waits in each queue, counted up to a bound; None when the database does not answer.
    pending: dict[str, int] | None
    #: What waits for a node that knows its function, by function; None when the database does not answer.
    parked: dict[str, int] | None
    #: Executions that have met crashes and wait to run alone.
    suspects: int = 0
    #: What the node lacks at the moment: the reason by the part.
    degraded: dict[str, str] = {}
    #: Which of the node's queues are paused, as far as it knows.
    paused: list[str] = []
    #: What was sent to the database, by name: see store/usage.py.
    statements: dict[str, StatementUse] = {}
    #: How often a connection was lost, or could not be made: an outage counts once for each connection.
    connection_errors: int = 0
    #: Of each queue: how many are scheduled, up to the same bound, and for how long the oldest pending one has waited,
    #: in seconds; None when the database does not answer.
    scheduled: dict[str, int] | None = None
    oldest_s: dict[str, float] | None = None
    #: Where counting in a queue stops; 0: nothing was counted.
    count_max: int = 0
    #: Those that took the most time first.
    functions: list[FunctionStatus] = []
    #: The last few, the newest first.
    errors: list[ErrorStatus] = []
    #: Why the database goes on refusing statements, which are tried again; None: it does not.
    refused: str | None = None
    #: Whether it claims nothing, by `currantctl drain`.
    drained: bool = False
