"""The handle of an enqueued execution: wait for its result, or cancel it."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Generic, TypeVar, cast

import msgspec

from currant import backends
from currant.backends import Backend, Ended, Looks
from currant.errors import ConfigurationError, ExecutionCancelled, ExecutionFailed, ExecutionNotFound
from currant.limits import wait_s

R = TypeVar("R")

_decode = msgspec.json.Decoder().decode
#: What the answer for an execution that has ended may take; a shorter timeout would give up before any.
_ANSWER_S = 0.1


class Handle(Generic[R]):
    """An enqueued execution, known by its id. Two handles of one execution are equal."""

    __slots__ = ("_decode", "first", "id")

    def __init__(self, id: str, first: bool = True, decode: Callable[[bytes], Any] = _decode) -> None:
        """
        Args:
            id: as `.queue()` or `currant list` gave it.
            first: whether this enqueue made the execution; False: another held the unique key, and this is its handle.
            decode: makes the result of its JSON; `Job.handle` knows the function's annotation.

        Raises:
            ConfigurationError: the id is no string. Whether it is one of an execution is not looked at.
        """
        if not isinstance(id, str):
            raise ConfigurationError(f"an execution's id is a string, as in handle.id, got {id!r}")
        self.id = id
        self.first = first
        self._decode = decode

    async def result(self, timeout: float | timedelta | None = None) -> R:
        """Waits for the end of the execution and returns its result. Inside a job it lends its slot meanwhile.

        Args:
            timeout: seconds, or a timedelta, to wait; None: as long as it takes; 0: returns what is there already.

        Raises:
            TimeoutError: it has not ended by then; it goes on.
            ExecutionFailed: it failed for good.
            ExecutionCancelled: it was cancelled, or discarded itself.
            ExecutionNotFound: it is not in the database: it was pruned, or its result is not kept.
            DoesNotFit: the result is not what the function's annotation says.
            DatabaseError: the database cannot be asked.
        """
        return self._result_of(await self._ended(resolve(), timeout))

    def result_sync(self, timeout: float | timedelta | None = None) -> R:
        """The same for code without an event loop: in a thread, a script, a synchronous job."""
        backend = resolve()
        return self._result_of(backend.run_sync(self._ended(backend, timeout)))

    async def cancel(self) -> bool:
        """Cancels the execution: one that waits at once, one that runs as soon as its function lets it.

        Returns:
            False when it had ended before, or is not in the database.

        Raises:
            DatabaseError: the database cannot be asked.
        """
        (cancelled,) = await resolve().cancel([self.id])
        return cancelled

    def cancel_sync(self) -> bool:
        """The same for code without an event loop."""
        backend = resolve()
        (cancelled,) = backend.run_sync(backend.cancel([self.id]))
        return cancelled

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Handle) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"<handle of {self.id}>" if self.first else f"<handle of {self.id}, which was there before>"

    async def _ended(self, backend: Backend, timeout: float | timedelta | None) -> Ended:
        timeout_s = None if timeout is None else wait_s(timeout)
        if timeout_s == 0 and isinstance(backend, Looks):
            ended = await backend.look(self.id)
            if ended is None:
                raise self._late(timeout_s)
            return ended
        try:
            async with asyncio.timeout(None if timeout_s is None else max(timeout_s, _ANSWER_S)) as scope:
                return await backend.ended(self.id)
        except TimeoutError:
            if timeout_s is None or not scope.expired():
                raise
            raise self._late(timeout_s) from None

    def _late(self, timeout_s: float) -> TimeoutError:
        return TimeoutError(f"the execution {self.id} has not ended within {timeout_s:g} s; it goes on")

    def _result_of(self, ended: Ended) -> R:
        if ended.status == "completed":
            return cast(R, None if ended.body is None else self._decode(ended.body))
        if ended.status is None:
            raise ExecutionNotFound(
                f"the execution {self.id} is not in the database: it never was, it was pruned,"
                " or its result is not kept (keep_completed=0)"
            )
        error = _error_of(ended.body)
        if ended.status == "cancelled":
            raise ExecutionCancelled(f"the execution {self.id} was cancelled: {error.get('message') or 'by request'}")
        raise ExecutionFailed(self.id, str(error.get("type")), str(error.get("message")), error.get("traceback"))


def resolve() -> Backend:
    """Returns the backend of the calling code. Raises ConfigurationError when no database is named."""
    backend = backends.current()
    if backend is not None:
        return backend
    # Here and not above: a child imports the user's modules, and with them this one, but no database's driver.
    from currant import client

    return client.default()


def _error_of(body: bytes | None) -> dict[str, Any]:
    error = None if body is None else _decode(body)
    return error if isinstance(error, dict) else {"type": "Unknown", "message": str(error)}
