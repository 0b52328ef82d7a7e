"""What a job can ask about its own execution."""

from contextvars import ContextVar
from datetime import datetime

import msgspec

from currant.errors import CurrantError


class CurrentExecution(msgspec.Struct, frozen=True):
    """The execution that the code runs in. (`id`, `lease`) is new with every run: a key for idempotent effects."""

    id: str
    lease: int
    #: Counts the runs, from 1, less those that a drain cut short.
    attempt: int
    function: str
    queue: str
    #: When its timeout ends, in UTC by this machine's clock; None without a timeout.
    deadline: datetime | None = None
    #: Where Currant finds it again in its child: of no use to others.
    cell: int = -1


running: ContextVar[CurrentExecution] = ContextVar("currant_execution")


def current_execution() -> CurrentExecution:
    """Returns the execution that the calling code runs in. Raises CurrantError outside of one."""
    try:
        return running.get()
    except LookupError:
        raise CurrantError(
            "no execution runs here: current_execution() is for code that Currant runs as a job"
        ) from None
