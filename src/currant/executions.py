"""What an execution is, which states it can have, and what follows from an outcome. Pure: no I/O, no clock."""

import enum
from collections.abc import Callable
from typing import Annotated

import msgspec

#: The JSON of None: the result of most.
NULL = b"null"
#: No execution waits longer: 68 years.
WAIT_S_MAX = 2.0**31


class Status(enum.StrEnum):
    """The states of an execution, as the database spells them."""

    PENDING = "pending"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    SUSPENDED = "suspended"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


#: Which state may follow which. `release`, a crash and a reclaim lead from running back to pending.
TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.PENDING: frozenset({Status.RUNNING, Status.SCHEDULED, Status.CANCELLED}),
    Status.SCHEDULED: frozenset({Status.PENDING, Status.CANCELLED}),
    Status.RUNNING: frozenset(
        {Status.COMPLETED, Status.FAILED, Status.SCHEDULED, Status.PENDING, Status.SUSPENDED, Status.CANCELLED}
    ),
    Status.SUSPENDED: frozenset({Status.PENDING, Status.CANCELLED}),
    Status.COMPLETED: frozenset(),
    Status.FAILED: frozenset({Status.PENDING}),
    Status.CANCELLED: frozenset({Status.PENDING}),
}


class Execution(msgspec.Struct, array_like=True, gc=False):
    """A claimed execution: what the supervisor holds and what a child needs to run it.

    `args` and `kwargs` are JSON as bytes, which only the child parses; None stands for arguments that were too large to
    be fetched. `tid` is where the row lay after the claim. `timeout_s` None means no limit.
    """

    id: str
    lease: int
    tid: bytes
    function: str
    queue: str
    attempt: int
    crashes: int
    max_retries: int
    timeout_s: float | None
    args: bytes | None
    kwargs: bytes | None
    #: Where the child marks that it has started: an index into the memory it shares with the supervisor.
    cell: int = -1
    #: Deleted when it succeeds: nobody wants its result.
    discard: bool = False
    #: When it became due, by the monotonic clock, which the supervisor and its children share; 0: that is not known.
    due_s: float = 0.0


class Ending(enum.IntEnum):
    """How an execution came back from its child."""

    COMPLETED = 0
    #: User code raised: retried while retries are left.
    FAILED = 1
    #: It can never succeed as it is (arguments that do not fit, a result that is not JSON): not retried.
    REJECTED = 2
    #: Cut off by a drain, or never started: given back without counting the attempt.
    RELEASED = 3
    #: Its child died while it ran.
    CRASHED = 4
    #: No module of this node registers the function.
    UNKNOWN = 5
    #: The function raised Retry: as FAILED, after a wait of its own choice.
    RETRIED = 6
    #: The function raised Snooze: runs again later, uncounted.
    SNOOZED = 7
    #: The function raised Discard, or someone asked to cancel it.
    CANCELLED = 8
    #: The node that ran it is dead, or was taken for dead: a crash that is hardly its own doing.
    LOST = 9
    #: It ran longer than its timeout: as FAILED.
    TIMED_OUT = 10
    #: This node does not run it now: later, uncounted, as SNOOZED.
    PUT_OFF = 11


class Outcome(msgspec.Struct, array_like=True, gc=False):
    """What became of one dispatched execution, named by its cell. `body` is JSON: the result, or the error.

    `delay_s` belongs to RETRIED (None: the usual wait) and SNOOZED.
    """

    cell: int
    ending: Ending
    body: bytes | None = None
    # Checked where it is decoded: user code can write to its child's socket, and the database has no such moment.
    delay_s: Annotated[float, msgspec.Meta(ge=0, le=2**31)] | None = None


class Failure(msgspec.Struct, omit_defaults=True):
    """The contents of the `error` column."""

    type: str
    message: str
    traceback: str | None = None


class Verdict(msgspec.Struct, array_like=True, gc=False):
    """What is to be written for one execution that did not complete.

    `uncount` is taken from its attempts, `crash` added to its crashes. `delay_s` says when a scheduled one runs,
    counted from the moment of writing, by the database's clock. `ending` is what it follows from.
    """

    execution: Execution
    status: Status
    error: bytes | None = None
    delay_s: float | None = None
    uncount: int = 0
    crash: int = 0
    reason: str | None = None
    ending: Ending = Ending.FAILED
    #: Set False by a write that found fewer rows than it should: those that it did not write.
    written: bool = True


class RetryPolicy(msgspec.Struct, frozen=True):
    """How long a retry waits and how many crashes an execution is allowed.

    The wait doubles with each run and is drawn from its upper half ("equal jitter" of the AWS Architecture Blog,
    "Exponential Backoff And Jitter", 2015).
    """

    base_s: float
    max_s: float
    crashes_max: int

    def delay_s(self, runs: int, random: Callable[[], float]) -> float:
        """Returns the wait in seconds after the given number of runs; `random` draws from [0, 1)."""
        full = min(self.max_s, self.base_s * 2.0 ** min(runs - 1, 60))
        return full * (0.5 + random() / 2)


def judge(
    execution: Execution,
    ending: Ending,
    error: bytes | None,
    policy: RetryPolicy,
    random: Callable[[], float],
    delay_s: float | None = None,
) -> Verdict:
    """Decides what follows from an ending other than COMPLETED and UNKNOWN; `delay_s` is the outcome's."""
    runs = execution.attempt - execution.crashes
    match ending:
        case Ending.RELEASED:
            return Verdict(execution, Status.PENDING, uncount=1)
        case Ending.CRASHED if execution.crashes + 1 < policy.crashes_max:
            return Verdict(execution, Status.PENDING, error, crash=1)
        case Ending.LOST if execution.crashes + 1 < 2 * policy.crashes_max:
            # Hosts fail for reasons of their own: three bad ones are not to end what they happened to run. One that
            # takes its host down each time has to end all the same.
            return Verdict(execution, Status.PENDING, error, crash=1)
        case Ending.CRASHED | Ending.LOST:
            return Verdict(execution, Status.FAILED, error, crash=1, reason=f"crashed {execution.crashes + 1} times")
        case Ending.FAILED | Ending.TIMED_OUT | Ending.RETRIED if runs <= execution.max_retries:
            wait_s = policy.delay_s(runs, random) if delay_s is None else _bounded(delay_s)
            return Verdict(execution, Status.SCHEDULED, error, delay_s=wait_s)
        case Ending.FAILED | Ending.TIMED_OUT | Ending.RETRIED:
            return Verdict(execution, Status.FAILED, error, reason=f"failed in its last attempt ({runs} of {runs})")
        case Ending.REJECTED:
            return Verdict(execution, Status.FAILED, error, reason="cannot succeed: not retried")
        case Ending.SNOOZED | Ending.PUT_OFF:
            return Verdict(execution, Status.SCHEDULED, delay_s=_bounded(delay_s or 0.0), uncount=1)
        case Ending.CANCELLED:
            return Verdict(execution, Status.CANCELLED, error)
        case _:
            raise AssertionError(f"no verdict for {ending!r}")


def _bounded(wait_s: float) -> float:
    """Whatever a child sends: a wait that the database can add to its clock."""
    return min(max(wait_s, 0.0), WAIT_S_MAX) if wait_s == wait_s else 0.0


def encode_failure(kind: str, message: str, traceback: str | None = None) -> bytes:
    """Returns the JSON of an error as jsonb can hold it: NUL and lone surrogates are written out as escapes."""
    return msgspec.json.encode(Failure(_storable(kind), _storable(message), traceback and _storable(traceback)))


def _storable(text: str) -> str:
    return text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()


#: The error of an execution that ended because someone asked for it.
CANCELLED = encode_failure("Cancelled", "cancelled by request")
