"""One execution, from its JSON to its ending. Whatever user code raises ends here."""

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import CoroutineType
from typing import Any

from currant import payload
from currant.child import copies, failures
from currant.child.middleware import run_within
from currant.child.threads import Threads
from currant.codec import codec_of
from currant.context import CurrentExecution, running
from currant.endings import Discard, Retry, Snooze
from currant.errors import PayloadError, PayloadTooLarge, RegistrationError
from currant.executions import CANCELLED, NULL, Ending, Execution, encode_failure
from currant.limits import seconds_of
from currant.registry import Definition, registry

#: The ending, the JSON of the result or the error, and the wait that the function asked for, in seconds.
Result = tuple[Ending, bytes | None, float | None]

_UNKNOWN: Result = (Ending.UNKNOWN, None, None)
#: Of what completed and returned None, as most do, it is this very one.
COMPLETED_NONE: Result = (Ending.COMPLETED, NULL, None)


class _RejectedError(Exception):
    """This execution can never succeed as it is."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


async def execute(
    execution: Execution,
    definition: Definition | None,
    payload_bytes_max: int,
    cancel_asked: Mapping[int, Ending],
    threads: Threads,
) -> Result:
    """Runs one execution in the current task and returns how it ended.

    Never raises, not even a BaseException: one would end the loop, and with it the neighbours.

    Args:
        execution: what to run; its `timeout_s` counts from now.
        definition: the function, or None when no module registers it.
        payload_bytes_max: the limit of the result's JSON.
        cancel_asked: the cells that we were asked to cancel, and how each then ends. It is read at the end: what ends
            by a cancellation ends so when we were asked, and has failed when user code cancelled itself.
        threads: where a synchronous function runs.
    """
    if definition is None:
        return _UNKNOWN
    timeout_s, scope = execution.timeout_s, None
    if timeout_s is not None and timeout_s <= 0:
        # From a raw row: nothing else may store one.
        return (
            Ending.REJECTED,
            encode_failure("ConfigurationError", f"its timeout is {timeout_s:g} s: not above 0"),
            None,
        )
    running.set(
        CurrentExecution(
            execution.id,
            execution.lease,
            execution.attempt,
            execution.function,
            execution.queue,
            None if timeout_s is None else datetime.now(UTC) + timedelta(seconds=timeout_s),
            execution.cell,
        )
    )
    try:
        if definition.is_async:
            call = _call(execution, definition, payload_bytes_max)
        else:
            call = _call_in_thread(execution, definition, payload_bytes_max, threads)
        if registry.middleware:
            call = run_within(registry.middleware, call)
        if timeout_s is None:
            result = await call
        else:
            async with asyncio.timeout(timeout_s) as scope:
                result = await call
            if scope.expired() or _is_over(scope):
                return _timed_out(timeout_s, None)
        if result is None:
            return COMPLETED_NONE
        return Ending.COMPLETED, _encode(result, definition, payload_bytes_max), None
    except BaseException as error:
        late = timeout_s is not None and scope is not None and scope.expired()
        try:
            return _ended_by(error, cancel_asked.get(execution.cell), timeout_s if late else None)
        except BaseException as trouble:
            # Out of what the exception's class does when it is looked at.
            return Ending.FAILED, failures.encode_error(trouble), None


def cancelled(ending: Ending) -> Result:
    """Returns the result of what we were asked to cancel, to end so."""
    return ending, CANCELLED if ending is Ending.CANCELLED else None, None


def _ended_by(error: BaseException, cancel_asked: Ending | None, late_s: float | None) -> Result:
    """`late_s`: the timeout, when it is over."""
    if copies.here:
        copies.leave(error)
    # By its type alone: isinstance() believes what an object says of its class.
    kind = type(error)
    if late_s is not None and not issubclass(kind, asyncio.CancelledError):
        return _timed_out(late_s, error)
    if issubclass(kind, _RejectedError):
        assert isinstance(error, _RejectedError)
        return Ending.REJECTED, encode_failure(error.kind, failures.message(error)), None
    if issubclass(kind, asyncio.CancelledError) and cancel_asked is not None:
        return cancelled(cancel_asked)
    if issubclass(kind, Retry):
        return Ending.RETRIED, encode_failure("Retry", failures.message(error)), _wait_of(error)
    if issubclass(kind, Snooze):
        return Ending.SNOOZED, None, _wait_of(error)
    if issubclass(kind, Discard):
        return Ending.CANCELLED, encode_failure("Discarded", failures.message(error)), None
    return Ending.FAILED, failures.encode_error(error), None


def _wait_of(error: BaseException) -> float | None:
    # Checked again: a subclass of the user's may hold anything there, or nothing.
    after_s = getattr(error, "after_s", None)
    return None if after_s is None else seconds_of(after_s, "after")


def _call_in_thread(
    execution: Execution, definition: Definition, payload_bytes_max: int, threads: Threads
) -> Awaitable[Any]:
    timeout_s = execution.timeout_s
    ends_at = None if timeout_s is None else asyncio.get_running_loop().time() + timeout_s
    call = functools.partial(_call, execution, definition, payload_bytes_max)
    return threads.call(call, execution.cell, ends_at)


def _call(execution: Execution, definition: Definition, payload_bytes_max: int) -> Any:
    """Calls the function, which for an `async def` binds the arguments and runs nothing yet."""
    function = definition.function
    try:
        if execution.args == b"[]" and execution.kwargs == b"{}":
            call = function()
        else:
            args, kwargs = _arguments(execution, definition, payload_bytes_max)
            call = function(*args, **kwargs)
    except TypeError as error:
        # Raised in this very frame: by the call itself, not by anything that it called.
        if error.__traceback__ is None or error.__traceback__.tb_next is not None:
            raise
        raise _RejectedError("TypeError", f"{definition.name}{_signature(function)}: {error}") from None
    if (type(call) is CoroutineType or inspect.isawaitable(call)) is definition.is_async:
        return call
    what = type(call).__qualname__
    if definition.is_async:
        raise _RejectedError("TypeError", f"{definition.name} returned {what}, not a coroutine: write `async def`")
    if isinstance(call, CoroutineType):
        call.close()
    raise _RejectedError(
        "TypeError", f"{definition.name} is a plain function and returned an awaitable, {what}: write `async def`"
    )


def _arguments(
    execution: Execution, definition: Definition, payload_bytes_max: int
) -> tuple[list[Any], dict[str, Any]]:
    if execution.args is None or execution.kwargs is None:
        raise _RejectedError(
            PayloadTooLarge.__name__,
            f"the arguments of {execution.function} are larger than CURRANT_PAYLOAD_BYTES_MAX, {payload_bytes_max};"
            " store the data elsewhere and pass a reference, or raise the limit",
        )
    try:
        return codec_of(definition.function, definition.name).decode_arguments(execution.args, execution.kwargs)
    except (PayloadError, RegistrationError) as error:
        raise _RejectedError(type(error).__name__, f"{definition.name}: {error}") from None


def _encode(result: Any, definition: Definition, payload_bytes_max: int) -> bytes:
    what = f"the result of {definition.name}"
    try:
        # A huge one is refused before it is copied: its JSON is never shorter.
        payload.check_size(payload.least_size(result, payload_bytes_max), payload_bytes_max, what)
        body = codec_of(definition.function, definition.name).encode_result(result)
        payload.check_size(len(body), payload_bytes_max, what)
    except (PayloadError, RegistrationError) as error:
        raise _RejectedError(type(error).__name__, str(error)) from None
    return body


def _is_over(scope: asyncio.Timeout) -> bool:
    """Tells whether the time is over although nothing was cancelled: blocking code kept the loop from doing it."""
    when = scope.when()
    return when is not None and asyncio.get_running_loop().time() >= when


def _timed_out(timeout_s: float, error: BaseException | None) -> Result:
    # The timeout's own exception says nothing: the cancellation behind it names the line that was waited at.
    if error is not None and issubclass(type(error), TimeoutError):
        cause = error.__cause__
        error = cause if issubclass(type(cause), asyncio.CancelledError) else error
    trace = failures.traceback_text(error) if error is not None else None
    return Ending.TIMED_OUT, encode_failure("Timeout", f"ran longer than its timeout of {timeout_s:g} s", trace), None


def _signature(function: Callable[..., Any]) -> str:
    try:
        return str(inspect.signature(function))
    except (TypeError, ValueError):
        return "(…)"
