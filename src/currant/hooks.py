"""What users put around their jobs: hooks at a child's start and stop, and middleware around each execution."""

import contextlib
import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar, cast

from currant.context import CurrentExecution
from currant.errors import RegistrationError
from currant.registry import Hook, place, put, registry

H = TypeVar("H", bound=Callable[[], Any])
M = TypeVar("M", bound=Callable[[CurrentExecution], AsyncIterator[Any] | AbstractAsyncContextManager[Any]])


def on_child_start(function: H) -> H:
    """Has the function called in each child after its fork, before its first execution: to open a pool, load a model.

    It runs on the child's event loop, in the order of registration, and is awaited if it is a coroutine function. What
    it sets in context variables, executions find there. All start hooks of a child together may take
    CURRANT_BOOT_TIMEOUT_S. One that fails ends its child: at the node's start that is `currantd`'s end, with the
    traceback, as with a module that cannot be imported; later the child is tried again, with a growing delay.

    Args:
        function: takes no arguments; what it returns is dropped.

    Returns:
        The function, unchanged.

    Raises:
        RegistrationError: it cannot be called so.
    """
    _add_hook(registry.start_hooks, function, "on_child_start")
    return function


def on_child_stop(function: H) -> H:
    """Has the function called in each child that ends in an orderly way, when nothing runs in it any more.

    The stop hooks run in the reverse order of registration, each also when one before it failed, and have some seconds
    in all. They do not run in a child that was killed or whose supervisor was, and not where a start hook failed.

    Args:
        function: takes no arguments; what it returns is dropped.

    Returns:
        The function, unchanged.

    Raises:
        RegistrationError: it cannot be called so.
    """
    _add_hook(registry.stop_hooks, function, "on_child_stop")
    return function


def middleware(function: M) -> M:
    """Puts a context around each execution: the one registered first is the outermost.

        @currant.middleware
        async def tracing(execution: CurrentExecution) -> AsyncIterator[None]:
            with span(execution.function):
                yield

    What the job raises is raised at the `yield`; the middleware may let it pass, raise another error, or swallow it:
    then the execution has completed with None. What fails before the `yield` fails the execution, and the job does not
    run. The job's timeout counts the middleware in.

    Args:
        function: an async generator function that yields once, or any callable that returns an async context manager.
            It gets the execution, as `current_execution()` returns it.

    Returns:
        The function, unchanged.

    Raises:
        RegistrationError: it is neither, or does not take one argument.
    """
    _check_callable(function, "middleware")
    if inspect.isgeneratorfunction(inspect.unwrap(function)):
        raise RegistrationError(f"middleware is asynchronous, and {place(function)} is not: write `async def`")
    if inspect.iscoroutinefunction(function):
        raise RegistrationError(
            f"{place(function)} has no `yield`, which says where the execution runs: middleware yields once,"
            " or returns an async context manager"
        )
    if not _takes(function, 1):
        raise RegistrationError(
            f"middleware takes one argument, the execution, and {place(function)} takes {_signature(function)}"
        )
    if inspect.isasyncgenfunction(function):
        put(registry.middleware, contextlib.asynccontextmanager(function))
    else:
        put(registry.middleware, cast(Callable[[Any], AbstractAsyncContextManager[Any]], function))
    return function


def _add_hook(hooks: list[Hook], function: Hook, decorator: str) -> None:
    _check_callable(function, decorator)
    if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
        raise RegistrationError(f"{decorator} needs a function that returns, and {place(function)} yields")
    if not _takes(function, 0):
        raise RegistrationError(
            f"{decorator} calls its function without arguments, and {place(function)} takes {_signature(function)}"
        )
    put(hooks, function)


def _check_callable(function: object, decorator: str) -> None:
    if not callable(function):
        raise RegistrationError(f"{decorator} needs a function, and {function!r} is none: write @{decorator} over one")


def _takes(function: Callable[..., Any], count: int) -> bool:
    try:
        inspect.signature(function).bind(*[None] * count)
    except TypeError:
        return False
    except ValueError:
        # Something compiled, which does not tell.
        return True
    return True


def _signature(function: Callable[..., Any]) -> str:
    return str(inspect.signature(function))
