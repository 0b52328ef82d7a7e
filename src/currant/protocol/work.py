"""The messages between the supervisor and a child."""

from typing import Annotated

import msgspec

from currant.backends import Ended, NewExecution
from currant.executions import Ending, Execution, Outcome
from currant.protocol.timings import Timings

#: A child watches at most so many executions at a time.
WATCHED_MAX = 100_000
#: Of what it has sent and is not answered, a child has at most so much, or one larger frame, of its enqueues and of its
#: cancels; the next frame waits. Outcomes do not.
WINDOW_BYTES = 4 << 20
#: So much text, at the most, says where the executions of a child stand.
STACKS_CHARS_MAX = 256 << 10
#: In place of a status: the execution has ended, and its result is larger than a frame.
TOO_LARGE = "too large"


class Run(msgspec.Struct, tag="run", array_like=True, gc=False):
    """To the child: run these, in this order, as slots allow."""

    executions: list[Execution]


class Recall(msgspec.Struct, tag="recall", array_like=True, gc=False):
    """To the child: give back those of these that have not started. It answers with one Recalled."""

    cells: list[int]


class Cancel(msgspec.Struct, tag="cancel", array_like=True, gc=False):
    """To the child: cancel those of these that run, drop those that do not yet.

    What ends by it ends so: RELEASED for a drain, CANCELLED when someone asked for that.
    """

    cells: list[int]
    ending: Ending = Ending.RELEASED


class Ping(msgspec.Struct, tag="ping", array_like=True, gc=False):
    """To the child: does its event loop turn? `sent_s`: when it was sent, by the monotonic clock, which all share."""

    number: int
    sent_s: float


class Inspect(msgspec.Struct, tag="inspect", array_like=True, gc=False):
    """To the child: for how long does what runs run, and, with `stacks`, where does it stand? It answers Inspected."""

    number: int
    stacks: bool = False


class Stop(msgspec.Struct, tag="stop", array_like=True, gc=False):
    """To the child, which holds nothing any more: run the stop hooks and end."""


class SetLevel(msgspec.Struct, tag="set_level", array_like=True, gc=False):
    """To the child: the level of its log, unless the user's code has configured logging."""

    level: str


class Reply(msgspec.Struct, tag="reply", array_like=True, gc=False):
    """To the child: its request of that number is done and committed, or refused: `error` says why.

    `held`: for an Enqueue, where a unique key was held, the holder's id, else None. `cancelled`: for a CancelIds.
    """

    number: int
    error: str | None = None
    held: list[str | None] = []
    cancelled: list[bool] = []


class Results(msgspec.Struct, tag="results", array_like=True, gc=False):
    """To the child: these executions that it watches have ended, or are not there. Each ends its watch."""

    ended: list[Ended]


class Hello(msgspec.Struct, tag="hello", array_like=True, gc=False):
    """From the child: it is ready for work."""

    pid: int


class Outcomes(msgspec.Struct, tag="outcomes", array_like=True, gc=False):
    """From the child: what became of some executions.

    `spent_s`: since it was given the first of them, or sent the outcomes before.
    """

    outcomes: list[Outcome]
    #: The cells of those that completed and returned None, as most do: no Outcome is made for each.
    done: list[int] = []
    spent_s: float = 0.0
    timings: list[Timings] = []


class Recalled(msgspec.Struct, tag="recalled", array_like=True, gc=False):
    """From the child: these have not started, and will not."""

    cells: list[int]


class BootFailed(msgspec.Struct, tag="boot_failed", array_like=True, gc=False):
    """From the child in place of Hello, before it ends: a hook of the user's failed."""

    message: str
    traceback: str


class Overrun(msgspec.Struct, tag="overrun", array_like=True, gc=False):
    """From the child: the time of this execution is over, and it goes on, in a thread or in spite of a cancellation."""

    cell: int


class Pong(msgspec.Struct, tag="pong", array_like=True, gc=False):
    """From the child's event loop, to the Ping of that number: everything that was sent before has been taken.

    `lag_s`: by how much the loop was late, at the most, since the last Pong.
    """

    number: int
    lag_s: float
    timings: list[Timings] = []


class Inspection(msgspec.Struct, array_like=True, gc=False):
    """Of an execution that runs, by its cell: `stack` is "" when it was not asked for, or there was no room for it."""

    cell: int
    run_s: Annotated[float, msgspec.Meta(ge=0, le=2.0**48)] | None
    stack: str = ""


class Inspected(msgspec.Struct, tag="inspected", array_like=True, gc=False):
    """From the child, to the Inspect of that number. `others`: the stacks of what belongs to no execution."""

    number: int
    executions: list[Inspection]
    others: str = ""


class Lend(msgspec.Struct, tag="lend", array_like=True, gc=False):
    """From the child: how many of its executions wait for others, and have lent their slots."""

    lent: int


class Enqueue(msgspec.Struct, tag="enqueue", array_like=True, gc=False):
    """From the child: insert these. Answered by a Reply after the commit."""

    number: int
    ids: list[str]
    executions: list[NewExecution]

    def __post_init__(self) -> None:
        if len(self.ids) != len(self.executions) or not self.ids:
            raise ValueError(f"{len(self.ids)} ids for {len(self.executions)} executions")


class CancelIds(msgspec.Struct, tag="cancel_ids", array_like=True, gc=False):
    """From the child: cancel these executions, wherever they are. Answered by a Reply."""

    number: int
    ids: list[str]


class Watch(msgspec.Struct, tag="watch", array_like=True, gc=False):
    """From the child: tell, in Results, when these have ended."""

    ids: list[str]


class Unwatch(msgspec.Struct, tag="unwatch", array_like=True, gc=False):
    """From the child: nobody waits for these any more."""

    ids: list[str]


ToChild = Run | Recall | Cancel | Ping | Inspect | Stop | SetLevel | Reply | Results
FromChild = (
    Hello | BootFailed | Outcomes | Recalled | Overrun | Pong | Inspected | Lend | Enqueue | CancelIds | Watch | Unwatch
)

to_child_decoder = msgspec.msgpack.Decoder(ToChild)
from_child_decoder = msgspec.msgpack.Decoder(FromChild)
