"""The messages on a supervisor's control socket, between it and `currantctl`."""

import msgspec


class StatusRequest(msgspec.Struct, tag="status", array_like=True):
    """To the supervisor: how is it? With `waiting`, it asks the database too what waits there."""

    waiting: bool = True


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


class ReloadRequest(msgspec.Struct, tag="reload", array_like=True):
    """To the supervisor: replace the children by such with the code as it is now. Answered when that is done."""


class ReloadReply(msgspec.Struct, tag="reload"):
    """From the supervisor. `error`: why the old code goes on; else the functions, and what is new and gone of them."""

    error: str | None
    functions: list[str] = []
    added: list[str] = []
    removed: list[str] = []


ControlRequest = StatusRequest | ReloadRequest
ControlReply = StatusReply | ReloadReply

CONTROL_REQUEST_BYTES_MAX = 4096
CONTROL_REPLY_BYTES_MAX = 4 << 20

request_decoder = msgspec.msgpack.Decoder(ControlRequest)
reply_decoder = msgspec.msgpack.Decoder(ControlReply)
