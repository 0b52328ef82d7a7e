"""`@job` and what it makes of a function."""

import inspect
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Generic, NamedTuple, ParamSpec, TypeVar, overload

import msgspec

from currant import payload
from currant.enqueueing import NewExecution
from currant.errors import ConfigurationError, RegistrationError
from currant.identifiers import new_ids
from currant.names import check_name, check_queue
from currant.registry import Definition, function_name, place, registry

P = ParamSpec("P")
R = TypeVar("R")

_INT32_MAX = 2**31 - 1


class Handle(NamedTuple):
    """An enqueued execution, known by its id."""

    id: str


class Call(NamedTuple):
    """A call to be enqueued, made by `Job.call` and checked there: for `enqueue_many`."""

    execution: NewExecution


class Job(Generic[P, R]):
    """A function that can be enqueued. Calling it runs it at once, in this process, as tests do."""

    def __init__(self, definition: Definition) -> None:
        self._definition = definition
        self._signature = inspect.signature(definition.function)
        self._positional = _positional_bounds(self._signature)
        self.__name__ = definition.function.__name__
        self.__qualname__ = definition.function.__qualname__
        self.__module__ = definition.function.__module__
        self.__doc__ = definition.function.__doc__
        self.__wrapped__ = definition.function

    @property
    def name(self) -> str:
        """The function's name in the database."""
        return self._definition.name

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Awaitable[R]:
        return self._definition.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<job {self.name} on queue {self._definition.queue!r}>"

    def options(
        self,
        *,
        queue: str | None = None,
        retries: int | None = None,
        timeout: float | None = None,
        priority: int | None = None,
    ) -> "Job[P, R]":
        """Returns the same job with other defaults; None keeps what `@job` said.

        Raises:
            ConfigurationError: a value is out of range.
        """
        old = self._definition
        return Job(
            old._replace(
                queue=old.queue if queue is None else check_queue(queue),
                retries=old.retries if retries is None else _check_retries(retries),
                timeout_s=old.timeout_s if timeout is None else _check_timeout(timeout),
                priority=old.priority if priority is None else _check_priority(priority),
            )
        )

    def call(self, *args: P.args, **kwargs: P.kwargs) -> Call:
        """Returns the call without enqueueing it, for `enqueue_many`.

        Raises:
            TypeError: the arguments do not fit the function.
            NotJSON: the arguments cannot be stored.
        """
        return Call(self._new_execution(args, kwargs))

    async def queue(self, *args: P.args, **kwargs: P.kwargs) -> Handle:
        """Enqueues a call; it is durable when this returns.

        Raises:
            TypeError: the arguments do not fit the function.
            NotJSON, PayloadTooLarge: the arguments cannot be stored.
            DatabaseError: it could not be written.
        """
        (handle,) = await enqueue_many([self.call(*args, **kwargs)])
        return handle

    def _new_execution(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> NewExecution:
        low, high = self._positional
        if kwargs or not low <= len(args) <= high:
            try:
                self._signature.bind(*args, **kwargs)
            except TypeError as error:
                raise TypeError(f"{self.name}{self._signature}: {error}") from None
        definition = self._definition
        args_json = b"[]" if not args else payload.encode(args, f"{self.name}: args")
        kwargs_json = b"{}" if not kwargs else payload.encode(kwargs, f"{self.name}: kwargs")
        return new_execution(definition, args_json, kwargs_json)


def new_execution(definition: Definition, args_json: bytes, kwargs_json: bytes) -> NewExecution:
    """Returns a row to be inserted; the id is given when it is written, so that ids sort in the order of writing."""
    timeout_s = definition.timeout_s
    whole = timeout_s is None or timeout_s == int(timeout_s)
    return NewExecution(
        function=definition.name,
        queue=definition.queue,
        priority=definition.priority,
        args=args_json,
        kwargs=kwargs_json,
        # Version 1's column holds whole seconds: a fraction goes into the options, and the column is rounded up.
        options=b"{}" if whole else msgspec.json.encode({"timeout": timeout_s}),
        max_retries=definition.retries,
        timeout_s=None if timeout_s is None else -int(-timeout_s // 1),
    )


async def enqueue_many(calls: Iterable[Call]) -> list[Handle]:
    """Enqueues all the calls in one statement, or none of them when it fails; returns their handles in the same order.

    Raises:
        TypeError: something else than calls is given.
        PayloadTooLarge: the arguments of one are over the limit.
        DatabaseError: they could not be written.
    """
    calls = list(calls) if isinstance(calls, Iterable) else [calls]
    for call in calls:
        if not isinstance(call, Call):
            raise TypeError(f"enqueue_many takes calls, as in [send.call(1), send.call(2)], got {call!r}")
    ids = new_ids(len(calls))
    # Here and not above: a child imports the user's modules, and with them this one, but no database's driver.
    from currant import client

    await client.backend().enqueue(ids, [call.execution for call in calls])
    return [Handle(id) for id in ids]


@overload
def job(function: Callable[P, Awaitable[R]], /) -> Job[P, R]: ...
@overload
def job(
    *,
    queue: str = "default",
    retries: int = 3,
    timeout: float | None = None,
    priority: int = 5,
    name: str | None = None,
) -> Callable[[Callable[P, Awaitable[R]]], Job[P, R]]: ...
def job(
    function: Callable[P, Awaitable[R]] | None = None,
    /,
    *,
    queue: str = "default",
    retries: int = 3,
    timeout: float | None = None,
    priority: int = 5,
    name: str | None = None,
) -> Job[P, R] | Callable[[Callable[P, Awaitable[R]]], Job[P, R]]:
    """Makes an async function a job.

    Args:
        queue: where its executions wait, 1 to 63 bytes.
        retries: how often it is tried again after a failure: at most `retries` + 1 runs.
        timeout: seconds after which a run is cancelled and counts as failed; None means no limit.
        priority: higher runs first.
        name: its name in the database; `module.qualname` if not given.

    Raises:
        RegistrationError: it is not an async function, its name is taken, or no worker could import it.
        ConfigurationError: a value is out of range.
    """

    def register(function: Callable[P, Awaitable[R]]) -> Job[P, R]:
        if inspect.isasyncgenfunction(function):
            raise RegistrationError(f"@job needs a function that returns, and {place(function)} yields")
        if not inspect.isfunction(function) or not inspect.iscoroutinefunction(function):
            raise RegistrationError(f"@job needs an async function, and {place(function)} is none: write `async def`")
        definition = Definition(
            name=check_name(name) if name is not None else function_name(function),
            function=function,
            queue=check_queue(queue),
            retries=_check_retries(retries),
            timeout_s=None if timeout is None else _check_timeout(timeout),
            priority=_check_priority(priority),
        )
        registry.add(definition)
        return Job(definition)

    return register if function is None else register(function)


def _positional_bounds(signature: inspect.Signature) -> tuple[int, int]:
    """Returns how many positional arguments alone fit; (1, 0), which nothing fits, when keywords are needed."""
    low = high = 0
    for parameter in signature.parameters.values():
        required = parameter.default is parameter.empty
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            low, high = low + required, high + 1
        elif parameter.kind is parameter.KEYWORD_ONLY and required:
            return 1, 0
        elif parameter.kind is parameter.VAR_POSITIONAL:
            high = 1 << 30
    return low, high


def _check_retries(retries: int) -> int:
    if type(retries) is not int or not 0 <= retries <= _INT32_MAX:
        raise ConfigurationError(f"retries must be an integer of at least 0, got {retries!r}")
    return retries


def _check_timeout(timeout: float) -> float:
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 < timeout < _INT32_MAX:
        raise ConfigurationError(f"timeout must be a number of seconds greater than 0, got {timeout!r}")
    return float(timeout)


def _check_priority(priority: int) -> int:
    if type(priority) is not int or not -_INT32_MAX <= priority <= _INT32_MAX:
        raise ConfigurationError(f"priority must be an integer of 32 bits, got {priority!r}")
    return priority
