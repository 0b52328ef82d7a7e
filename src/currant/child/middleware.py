"""The user's contexts around an execution."""

from collections.abc import Awaitable, Sequence
from types import CoroutineType
from typing import Any

from currant.context import current_execution
from currant.registry import Middleware, place


async def run_within(middleware: Sequence[Middleware], call: Awaitable[Any]) -> Any:
    """Awaits the call within the contexts, the first being the outermost, and returns its result.

    Args:
        middleware: what makes the contexts of the current execution.
        call: must not do anything before it is awaited: a context that cannot be entered is the end of it.

    Returns:
        The result, or None when a context swallowed what the call, or a context within, raised.
    """
    try:
        return await _enter(middleware, 0, call)
    finally:
        if type(call) is CoroutineType:
            # If it was never awaited Python would warn. One that has run is closed already.
            call.close()


async def _enter(middleware: Sequence[Middleware], index: int, call: Awaitable[Any]) -> Any:
    if index == len(middleware):
        return await call
    make = middleware[index]
    context: Any = make(current_execution())
    if not hasattr(type(context), "__aenter__") or not hasattr(type(context), "__aexit__"):
        raise TypeError(
            f"the middleware {place(make)} returned {type(context).__qualname__}, which is no async context manager"
        )
    async with context:
        return await _enter(middleware, index + 1, call)
    return None
