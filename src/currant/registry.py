"""The functions that can be executed, by name, and what runs around them. The registry is the only global state."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple, TypeVar

from currant.errors import RegistrationError


class Definition(NamedTuple):
    """A registered function and the defaults of its executions; `timeout_s` None means no limit."""

    name: str
    #: A coroutine function runs in the child's event loop, any other in a thread.
    function: Callable[..., Any]
    queue: str
    retries: int
    timeout_s: float | None
    priority: int
    is_async: bool = True
    #: How long ended executions are kept, in seconds; None: as the settings say.
    keep_completed_s: float | None = None
    keep_failed_s: float | None = None
    #: When it runs by itself, and by which clock.
    cron: str | None = None
    timezone: str = "UTC"


#: A hook at a child's start or stop: called without arguments, awaited if it returns an awaitable.
Hook = Callable[[], Any]
#: Makes the context that an execution runs in.
Middleware = Callable[[Any], AbstractAsyncContextManager[Any]]


class Registry:
    """Name to function. A name is taken once; the same function may be registered again (a module reloaded)."""

    def __init__(self) -> None:
        self._definitions: dict[str, Definition] = {}
        self.start_hooks: list[Hook] = []
        self.stop_hooks: list[Hook] = []
        #: From the outermost to the innermost.
        self.middleware: list[Middleware] = []

    def add(self, definition: Definition) -> None:
        """Raises RegistrationError when another function holds the name."""
        known = self._definitions.get(definition.name)
        if known is not None and _identity(known.function) != _identity(definition.function):
            raise RegistrationError(
                f"the name {definition.name!r} is taken by {place(known.function)};"
                " give one of the two a name= of its own"
            )
        self._definitions[definition.name] = definition

    def get(self, name: str) -> Definition | None:
        return self._definitions.get(name)

    def __iter__(self) -> Iterator[Definition]:
        return iter(self._definitions.values())


registry = Registry()

C = TypeVar("C", bound=Callable[..., Any])


def put(callables: list[C], new: C) -> None:
    """Appends it, or puts it in the place of the same function as it was before (a module reloaded)."""
    for index, known in enumerate(callables):
        if known == new or (_has_own_name(new) and _has_own_name(known) and _identity(known) == _identity(new)):
            callables[index] = new
            return
    callables.append(new)


def function_name(function: Callable[..., Any]) -> str:
    """Returns `module.qualname`; raises RegistrationError where that would not be found again by another process."""
    name = f"{function.__module__}.{function.__qualname__}"
    if function.__module__ == "__main__":
        raise RegistrationError(
            f"{function.__qualname__} is defined in a script run as __main__, where no worker can import it:"
            " move it to a module, or give it a name="
        )
    if "<locals>" in name or "<lambda>" in name:
        raise RegistrationError(f"{name} is defined inside a function, where no worker can import it: give it a name=")
    return name


def place(function: Any) -> str:
    """Returns which function it is and where it is written, for messages."""
    original = inspect.unwrap(function)
    code = getattr(original, "__code__", None)
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if module is None or name is None:
        return repr(function)
    return f"{module}.{name}" + (f" ({code.co_filename}, line {code.co_firstlineno})" if code else "")


def _has_own_name(function: Callable[..., Any]) -> bool:
    """Tells whether nothing else has its name: two closures of one function, two lambdas, two bound methods do."""
    name = getattr(function, "__qualname__", "<")
    return not inspect.ismethod(function) and "<" not in name


def _identity(function: Callable[..., Any]) -> tuple[str, str, str | None]:
    # Without the line: the module may have been changed and reloaded.
    code = getattr(inspect.unwrap(function), "__code__", None)
    return function.__module__, function.__qualname__, code.co_filename if code else None
