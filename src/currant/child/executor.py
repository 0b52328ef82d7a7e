"""One execution, from its JSON to its ending. Whatever user code raises ends here."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Container
from types import CoroutineType
from typing import Any

import msgspec

from currant import payload
from currant.child import failures
from currant.child.middleware import run_within
from currant.context import CurrentExecution, running
from currant.errors import NotJSON, PayloadError, PayloadTooLarge
from currant.executions import Ending, Execution, encode_failure
from currant.registry import Definition, registry

Result = tuple[Ending, bytes | None]

_UNKNOWN: Result = (Ending.UNKNOWN, None)
_RELEASED: Result = (Ending.RELEASED, None)
_COMPLETED_NONE: Result = (Ending.COMPLETED, b"null")

_decode = msgspec.json.Decoder().decode
_JSON_TYPES = {
    list: "an array",
    dict: "an object",
    str: "a string",
    int: "a number",
    float: "a number",
    bool: "a boolean",
    type(None): "null",
}


class _RejectedError(Exception):
    """This execution can never succeed as it is."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


async def execute(
    execution: Execution, definition: Definition | None, payload_bytes_max: int, cancel_asked: Container[int]
) -> Result:
    """Runs one execution in the current task and returns how it ended, with the JSON of its result or its error.

    Never raises, not even a BaseException: one would end the loop, and with it the neighbours.

    Args:
        execution: what to run; its `timeout_s` counts from now.
        definition: the function, or None when no module registers it.
        payload_bytes_max: the limit of the result's JSON.
        cancel_asked: the cells that we were asked to cancel. It is read at the end: what ends by a cancellation is
            released when we were asked, and has failed when user code cancelled itself.
    """
    if definition is None:
        return _UNKNOWN
    running.set(CurrentExecution(execution.id, execution.lease, execution.attempt, execution.function, execution.queue))
    timeout_s, scope = execution.timeout_s, None
    try:
        call = _call(execution, definition, payload_bytes_max)
        if registry.middleware:
            call = run_within(registry.middleware, call)
        if timeout_s is None:
            result = await call
        else:
            async with asyncio.timeout(timeout_s) as scope:
                result = await call
            if scope.expired() or _is_over(scope):
                return _timed_out(timeout_s, None)
        return _COMPLETED_NONE if result is None else (Ending.COMPLETED, _encode(result, definition, payload_bytes_max))
    except _RejectedError as error:
        return Ending.REJECTED, encode_failure(error.kind, failures.message(error))
    except asyncio.CancelledError as error:
        return _RELEASED if execution.cell in cancel_asked else (Ending.FAILED, failures.encode_error(error))
    except BaseException as error:
        if timeout_s is not None and scope is not None and scope.expired():
            return _timed_out(timeout_s, error)
        return Ending.FAILED, failures.encode_error(error)


def _call(execution: Execution, definition: Definition, payload_bytes_max: int) -> Awaitable[Any]:
    """Calls the function, which for an `async def` binds the arguments and runs nothing yet."""
    function = definition.function
    try:
        if execution.args == b"[]" and execution.kwargs == b"{}":
            call = function()
        else:
            args, kwargs = _arguments(execution, payload_bytes_max)
            call = function(*args, **kwargs)
    except TypeError as error:
        # Raised in this very frame: by the call itself, not by anything that it called.
        if error.__traceback__ is None or error.__traceback__.tb_next is not None:
            raise
        raise _RejectedError("TypeError", f"{definition.name}{_signature(function)}: {error}") from None
    if type(call) is CoroutineType or inspect.isawaitable(call):
        return call
    raise _RejectedError(
        "TypeError", f"{definition.name} returned {type(call).__qualname__}, not a coroutine: write `async def`"
    )


def _arguments(execution: Execution, payload_bytes_max: int) -> tuple[list[Any], dict[str, Any]]:
    if execution.args is None or execution.kwargs is None:
        raise _RejectedError(
            PayloadTooLarge.__name__,
            f"the arguments of {execution.function} are larger than CURRANT_PAYLOAD_BYTES_MAX, {payload_bytes_max};"
            " store the data elsewhere and pass a reference, or raise the limit",
        )
    args, kwargs = _decoded(execution.args, "args"), _decoded(execution.kwargs, "kwargs")
    if type(args) is not list:
        raise _RejectedError("TypeError", f"args must be a JSON array, got {_JSON_TYPES[type(args)]}")
    if type(kwargs) is not dict:
        raise _RejectedError("TypeError", f"kwargs must be a JSON object, got {_JSON_TYPES[type(kwargs)]}")
    return args, kwargs


def _decoded(data: bytes, what: str) -> Any:
    try:
        return _decode(data)
    except (ValueError, RecursionError) as error:
        raise _RejectedError(NotJSON.__name__, f"{what} cannot be read as JSON: {error}") from None


def _encode(result: Any, definition: Definition, payload_bytes_max: int) -> bytes:
    what = f"the result of {definition.name}"
    try:
        if type(result) is str:
            # A huge text is refused before it is copied: its JSON is never shorter.
            payload.check_size(len(result) + 2, payload_bytes_max, what)
        body = payload.encode(result, what)
        payload.check_size(len(body), payload_bytes_max, what)
    except PayloadError as error:
        raise _RejectedError(type(error).__name__, str(error)) from None
    return body


def _is_over(scope: asyncio.Timeout) -> bool:
    """Tells whether the time is over although nothing was cancelled: blocking code kept the loop from doing it."""
    when = scope.when()
    return when is not None and asyncio.get_running_loop().time() >= when


def _timed_out(timeout_s: float, error: BaseException | None) -> Result:
    # The timeout's own exception says nothing: the cancellation behind it names the line that was waited at.
    if isinstance(error, TimeoutError) and isinstance(error.__cause__, asyncio.CancelledError):
        error = error.__cause__
    trace = failures.traceback_text(error) if error is not None else None
    return Ending.FAILED, encode_failure("Timeout", f"ran longer than its timeout of {timeout_s:g} s", trace)


def _signature(function: Callable[..., Any]) -> str:
    try:
        return str(inspect.signature(function))
    except (TypeError, ValueError):
        return "(…)"
