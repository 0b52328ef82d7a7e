"""Where enqueues, cancels and waits for results go: the border between the public API and what carries them out.

Outside of Currant's own processes that is the database (client/), inside a job the child's socket (child/backend.py),
in a user's tests the inline mode (testing/backend.py).
"""

from collections.abc import Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, NamedTuple, Protocol, TypeVar, runtime_checkable

import msgspec

T = TypeVar("T")

# What a child sends is checked where it is decoded: beyond these, the database has no such number or moment.
Int32 = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=2**31)]
UnixTime = Annotated[float, msgspec.Meta(ge=-1e12, le=1e12)]


class NewExecution(msgspec.Struct, array_like=True, gc=False):
    """An execution about to be inserted; `args`, `kwargs` and `options` are JSON, `timeout_s` whole seconds."""

    function: str
    queue: str
    priority: Int32
    args: bytes
    kwargs: bytes
    options: bytes
    max_retries: Int32
    timeout_s: Int32 | None
    #: Runs so many seconds after it is written, by the database's clock; None: at once.
    delay_s: Seconds | None = None
    #: Runs at this moment, in Unix time; None: at once.
    run_at_s: UnixTime | None = None
    #: At most one execution of the function that has not ended holds this key.
    unique_key: str | None = None
    #: The key is held so long at least, in seconds from the enqueue; None: until the end of the execution.
    unique_for_s: Seconds | None = None

    @property
    def is_plain(self) -> bool:
        """Whether it runs at once and holds no key: what the shortest statement can insert."""
        return self.delay_s is None and self.run_at_s is None and self.unique_key is None


class Enqueued(NamedTuple):
    """What an enqueue left. Not `first`: the id is that of the execution that held the unique key before."""

    id: str
    first: bool


class Ended(msgspec.Struct, array_like=True, gc=False):
    """How an execution ended; `body` is the JSON of its result or error. `status` None: there is no such row."""

    id: str
    status: str | None
    body: bytes | None


class Backend(Protocol):
    """Each method raises DatabaseError when the database cannot be asked; nothing has been done then."""

    async def enqueue(self, executions: Iterable[NewExecution]) -> list[Enqueued]:
        """Stores all of them, or none; any number, also from a generator. Raises PayloadTooLarge, too."""
        ...

    async def ended(self, id: str) -> Ended:
        """Waits until the execution has ended. May be cancelled at any time."""
        ...

    async def cancel(self, ids: Sequence[str]) -> list[bool]:
        """Cancels executions; False for each that had ended before, or does not exist."""
        ...

    def run_sync(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine that uses this backend for a caller without an event loop, and waits for it."""
        ...


@runtime_checkable
class Looks(Protocol):
    """A backend that can say at once whether an execution has ended: for `result(timeout=0)`."""

    async def look(self, id: str) -> Ended | None:
        """Returns how it ended, or None. Raises DatabaseError."""
        ...


class _Installed(NamedTuple):
    backend: Backend
    #: Whether it takes calls with a connection of the caller's as well.
    within: bool


#: What was installed last; with nothing the environment decides.
_installed: list[_Installed] = []


def current() -> Backend | None:
    """Returns the backend that was installed in this process; None: the environment's."""
    return _installed[0].backend if _installed else None


def install(backend: Backend) -> None:
    """Makes it the backend of the whole process, whatever the environment says."""
    _installed[:] = [_Installed(backend, False)]


@contextmanager
def installed(backend: Backend, *, within: bool = False) -> Iterator[None]:
    """Makes it the backend of the whole process meanwhile; afterwards there is the one from before.

    Args:
        within: it takes enqueues with a connection of the caller's as well: nothing is written on that.
    """
    before = _installed[:]
    _installed[:] = [_Installed(backend, within)]
    try:
        yield
    finally:
        _installed[:] = before


def within() -> Backend | None:
    """Returns the backend that takes enqueues with a connection of the caller's; None: they are written on that."""
    return _installed[0].backend if _installed and _installed[0].within else None
