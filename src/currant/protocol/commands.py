"""What `currantctl` asks of a supervisor, and what it is told. The replies are also what `--json` prints."""

from typing import ClassVar

import msgspec

from currant.protocol.status import StatusRequest
from currant.records import Cancelled

#: How long most answers may take, in seconds.
ANSWER_S = 10.0
#: What is told of executions that run, at the most.
RUNNING_MAX = 2000
CONTROL_REPLY_BYTES_MAX = 4 << 20


class ReloadRequest(msgspec.Struct, tag="reload", array_like=True):
    """Replace the children by such with the code as it is now. Answered when that is done."""

    #: As long as the user's modules and hooks take, each bounded by the boot timeout.
    answer_s: ClassVar[float | None] = None


class ReloadReply(msgspec.Struct, tag="reload"):
    """`error`: why the old code goes on; else the functions, and what is new and gone of them."""

    error: str | None
    functions: list[str] = []
    added: list[str] = []
    removed: list[str] = []


class DrainRequest(msgspec.Struct, tag="drain", array_like=True):
    """Claim nothing more, give back what has not started, and go on. Asked again, it only tells how far that is."""

    answer_s: ClassVar[float | None] = ANSWER_S


class DrainReply(msgspec.Struct, tag="drain"):
    """`already`: it was drained before. `held`: what its children still hold; `unsaved`: outcomes not written yet."""

    already: bool
    held: int
    unsaved: int


class ResumeRequest(msgspec.Struct, tag="resume", array_like=True):
    """Claim again."""

    answer_s: ClassVar[float | None] = ANSWER_S


class ResumeReply(msgspec.Struct, tag="resume"):
    """`already`: it was not drained."""

    already: bool


class ScaleRequest(msgspec.Struct, tag="scale", array_like=True):
    """Have so many children."""

    procs: int
    answer_s: ClassVar[float | None] = ANSWER_S


class ScaleReply(msgspec.Struct, tag="scale"):
    """How many children it is to have, and was to have before."""

    procs: int
    before: int


class RestartRequest(msgspec.Struct, tag="restart", array_like=True):
    """Replace the child in this place by one that is ready first. Answered when that one is at work."""

    child: int
    #: As long as a start may take, by the boot timeout.
    answer_s: ClassVar[float | None] = None


class RestartReply(msgspec.Struct, tag="restart"):
    """The process at work in the place now, and the one before, which ends when it has done what it had started."""

    child: int
    pid: int
    before: int


class CancelRequest(msgspec.Struct, tag="cancel", array_like=True):
    """Cancel an execution: here at once, if it is here, and in the database."""

    id: str
    answer_s: ClassVar[float | None] = ANSWER_S


class CancelReply(msgspec.Struct, tag="cancel"):
    """What became of it. `here`: this node held it."""

    here: bool
    outcome: Cancelled


class LogLevelRequest(msgspec.Struct, tag="log_level", array_like=True):
    """Log from this level on; None: only tell which it is."""

    level: str | None = None
    answer_s: ClassVar[float | None] = ANSWER_S


class LogLevelReply(msgspec.Struct, tag="log_level"):
    level: str
    before: str


class RunningRequest(msgspec.Struct, tag="running", array_like=True):
    """What runs? `most`: at most so many, those that run for the longest time."""

    most: int = RUNNING_MAX
    answer_s: ClassVar[float | None] = ANSWER_S


class Running(msgspec.Struct):
    """An execution that has started and not ended. `child` is the number of its place."""

    id: str
    function: str
    queue: str
    attempt: int
    child: int
    pid: int | None
    #: For how long it has run; None: its child does not say.
    run_s: float | None
    #: Its child does not answer: it has run for `run_s` at least.
    stalled: bool = False
    timeout_s: float | None = None


class RunningReply(msgspec.Struct, tag="running"):
    """`total`: how many run, of which `executions` are the first."""

    executions: list[Running]
    total: int


class StacksRequest(msgspec.Struct, tag="stacks", array_like=True):
    """Where do they stand? `child`: in the child of this place alone; None: in all, and in the supervisor."""

    child: int | None = None
    answer_s: ClassVar[float | None] = ANSWER_S


class Standing(msgspec.Struct):
    """Where an execution stands: one of its tasks, or the thread that it runs in. Outermost calls first."""

    id: str
    function: str
    run_s: float | None
    stack: str


class ProcessStacks(msgspec.Struct):
    """A process: what its executions do, and what else it does.

    `child` is the number of its place; None: it is the supervisor. `stalled`: it does not answer, so that what its
    threads do, in `others`, is all that is known, innermost calls first; the executions are then in `unknown`.
    """

    child: int | None
    pid: int | None
    executions: list[Standing] = []
    others: str = ""
    stalled: bool = False
    #: The ids of executions that have started there, whose stacks are not told.
    unknown: list[str] = []


class StacksReply(msgspec.Struct, tag="stacks"):
    processes: list[ProcessStacks]


#: Each has `answer_s`: how long its answer may take, in seconds; None: however long it takes.
Request = (
    StatusRequest
    | ReloadRequest
    | DrainRequest
    | ResumeRequest
    | ScaleRequest
    | RestartRequest
    | CancelRequest
    | LogLevelRequest
    | RunningRequest
    | StacksRequest
)
