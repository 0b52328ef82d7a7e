"""`@job` and what it makes of a function."""

import inspect
from collections.abc import Callable, Coroutine, Iterable
from datetime import datetime, timedelta
from typing import Any, Generic, Literal, NamedTuple, ParamSpec, Self, TypeVar, cast, overload

from currant.annotations import signature_of
from currant.backends import Enqueued, NewExecution
from currant.codec import codec_of
from currant.cron import check_cron
from currant.enqueueing import Connection, enqueue, enqueue_sync
from currant.errors import ConfigurationError, RegistrationError
from currant.handles import Handle
from currant.limits import check_keep, check_key, check_moment, check_priority, check_retries, check_timeout, seconds_of
from currant.names import check_name, check_queue
from currant.new_executions import new_execution
from currant.registry import Definition, function_name, place, registry

P = ParamSpec("P")
R = TypeVar("R")


class Call(NamedTuple):
    """A call to be enqueued, made by `Job.call` and checked there: for `enqueue_many`."""

    execution: NewExecution
    #: Makes the result of its JSON.
    decode: Callable[[bytes], Any]


class _When(NamedTuple):
    """What `.options()` says of single executions, beyond a definition."""

    delay_s: float | None = None
    run_at_s: float | None = None
    unique: str | None = None
    unique_for_s: float | None = None
    connection: Connection | None = None


class Job(Generic[P, R]):
    """A function that can be enqueued."""

    def __init__(self, definition: Definition, when: _When = _When()) -> None:  # noqa: B008
        self._definition = definition
        self._when = when
        self._codec = codec_of(definition.function, definition.name)
        # One for all handles: a bound method made anew would weigh as much as a handle.
        self._decode = self._codec.decode_result
        self._signature = signature_of(definition.function)
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

    def __repr__(self) -> str:
        return f"<job {self.name} on queue {self._definition.queue!r}>"

    def options(
        self,
        *,
        queue: str | None = None,
        retries: int | None = None,
        timeout: float | timedelta | None = None,
        priority: int | None = None,
        delay: float | timedelta | None = None,
        run_at: datetime | None = None,
        unique: str | None = None,
        unique_for: float | timedelta | None = None,
        connection: Connection | None = None,
    ) -> Self:
        """Returns the same job with other defaults; None keeps what was said before.

        Args:
            queue, retries, timeout, priority: as for `@job`.
            delay: seconds, or a timedelta, from the enqueue to the earliest start, by the database's clock.
            run_at: the earliest start, a datetime with a time zone; excludes `delay`.
            unique: a key: while an execution of the function with this key has not ended, another enqueue makes none,
                and returns a handle of that one, with `first` False.
            unique_for: seconds from the enqueue that the key is held at least, even when the execution ends before.
            connection: a psycopg connection, async for `.queue()`, sync for `.queue_sync()`: the execution is written
                in its transaction, and exists when that commits.

        Raises:
            ConfigurationError: a value is out of range.
        """
        old, when = self._definition, self._when
        if delay is not None and run_at is not None:
            raise ConfigurationError("delay and run_at exclude each other")
        if unique_for is not None and unique is None and when.unique is None:
            raise ConfigurationError("unique_for needs a key: give unique= as well")
        definition = old._replace(
            queue=old.queue if queue is None else check_queue(queue),
            retries=old.retries if retries is None else check_retries(retries),
            timeout_s=old.timeout_s if timeout is None else check_timeout(timeout),
            priority=old.priority if priority is None else check_priority(priority),
        )
        if delay is not None or run_at is not None:
            when = when._replace(
                delay_s=_seconds_or(None, delay, "delay"), run_at_s=None if run_at is None else check_moment(run_at)
            )
        return type(self)(
            definition,
            when._replace(
                unique=when.unique if unique is None else check_key(unique),
                unique_for_s=_seconds_or(when.unique_for_s, unique_for, "unique_for"),
                connection=when.connection if connection is None else connection,
            ),
        )

    def call(self, *args: P.args, **kwargs: P.kwargs) -> Call:
        """Returns the call without enqueueing it, for `enqueue_many`.

        Raises:
            TypeError: the arguments do not fit the function.
            NotJSON: the arguments cannot be stored.
            ConfigurationError: the options have a connection, which `enqueue_many` takes for all of its calls.
        """
        return self._call(args, kwargs)

    def call_json(self, args: bytes = b"[]", kwargs: bytes = b"{}") -> Call:
        """Returns the call with arguments given as JSON, which are checked as a worker will read them.

        Raises:
            TypeError: the arguments do not fit the function.
            NotJSON, DoesNotFit: they are no JSON, or not what the function's annotations say.
            ConfigurationError: as for `call`.
        """
        values, named = self._codec.decode_arguments(args, kwargs)
        return self._call(tuple(values), named)

    async def queue(self, *args: P.args, **kwargs: P.kwargs) -> Handle[R]:
        """Enqueues a call; it is durable when this returns, or, with a connection, when its transaction commits.

        Raises:
            TypeError: the arguments do not fit the function.
            NotJSON, PayloadTooLarge: the arguments cannot be stored.
            DatabaseError: it could not be written.
        """
        (enqueued,) = await enqueue([self._new_execution(args, kwargs)], self._when.connection)
        return self._handle(enqueued)

    def queue_sync(self, *args: P.args, **kwargs: P.kwargs) -> Handle[R]:
        """Does as `queue` for code without an event loop. Raises what `queue` does."""
        (enqueued,) = enqueue_sync([self._new_execution(args, kwargs)], self._when.connection)
        return self._handle(enqueued)

    def handle(self, id: str) -> Handle[R]:
        """Returns the handle of an execution of this function that was enqueued before."""
        return Handle(id, decode=self._decode)

    def _handle(self, enqueued: Enqueued) -> Handle[R]:
        return Handle(enqueued.id, enqueued.first, self._decode)

    def _call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        if self._when.connection is not None:
            # It would be written elsewhere, and stay when the caller's transaction is rolled back.
            raise ConfigurationError(
                "a call is for enqueue_many: leave connection= out of the options, and give the connection to it:"
                " enqueue_many(calls, connection=...)"
            )
        return Call(self._new_execution(args, kwargs), self._decode)

    def _new_execution(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> NewExecution:
        low, high = self._positional
        if kwargs or not low <= len(args) <= high:
            try:
                self._signature.bind(*args, **kwargs)
            except TypeError as error:
                raise TypeError(f"{self.name}{self._signature}: {error}") from None
        execution = new_execution(self._definition, *self._codec.encode_arguments(args, kwargs))
        when = self._when
        execution.delay_s, execution.run_at_s = when.delay_s, when.run_at_s
        execution.unique_key, execution.unique_for_s = when.unique, when.unique_for_s
        return execution


class AsyncJob(Job[P, R]):
    """A job made of a coroutine function. Calling it runs it at once, in this process, as tests do."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        return cast(Coroutine[Any, Any, R], self._definition.function(*args, **kwargs))


class SyncJob(Job[P, R]):
    """A job made of an ordinary function, which runs in a thread. Calling it runs it at once, in this one."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return cast(R, self._definition.function(*args, **kwargs))


def job_named(name: str) -> Job[..., Any] | None:
    """Returns the job that is registered under this name in the database, in the modules imported so far."""
    definition = registry.get(name)
    if definition is None:
        return None
    return AsyncJob(definition) if definition.is_async else SyncJob(definition)


async def enqueue_many(calls: Iterable[Call], *, connection: Connection | None = None) -> list[Handle[Any]]:
    """Enqueues calls, of one function or several, all of them or none; returns their handles in the same order.

    Args:
        calls: any iterable of calls, also a generator of any length: they are written in batches, in one transaction.
        connection: a psycopg connection of the caller's, in whose transaction they are written.

    Raises:
        TypeError: something else than calls is given.
        PayloadTooLarge: the arguments of one are over the limit.
        DatabaseError: they could not be written.
    """
    decoders: list[Callable[[bytes], Any]] = []
    return _handles(await enqueue(_executions_of(calls, decoders), connection), decoders)


def enqueue_many_sync(calls: Iterable[Call], *, connection: Connection | None = None) -> list[Handle[Any]]:
    """Does as `enqueue_many` for code without an event loop. Raises what `enqueue_many` does."""
    decoders: list[Callable[[bytes], Any]] = []
    return _handles(enqueue_sync(_executions_of(calls, decoders), connection), decoders)


@overload
def job(function: Callable[P, Coroutine[Any, Any, R]], /) -> AsyncJob[P, R]: ...  # type: ignore[overload-overlap]
@overload
def job(function: Callable[P, R], /) -> SyncJob[P, R]: ...
@overload
def job(
    *,
    queue: str = "default",
    retries: int = 3,
    timeout: float | timedelta | None = None,
    priority: int = 5,
    name: str | None = None,
    keep_completed: float | timedelta | Literal["forever"] | None = None,
    keep_failed: float | timedelta | Literal["forever"] | None = None,
    cron: str | None = None,
    timezone: str | None = None,
) -> "_Decorator": ...
def job(
    function: Callable[..., Any] | None = None,
    /,
    *,
    queue: str = "default",
    retries: int = 3,
    timeout: float | timedelta | None = None,
    priority: int = 5,
    name: str | None = None,
    keep_completed: float | timedelta | Literal["forever"] | None = None,
    keep_failed: float | timedelta | Literal["forever"] | None = None,
    cron: str | None = None,
    timezone: str | None = None,
) -> Any:
    """Makes a function a job: a coroutine function runs in a child's event loop, any other in a thread of the child.

    Args:
        queue: where its executions wait, 1 to 63 bytes.
        retries: how often it is tried again after a failure: at most `retries` + 1 runs.
        timeout: seconds after which a run counts as failed; None means no limit. A coroutine is cancelled then;
            a thread cannot be: its slot stays taken, and the failure is recorded when it, or its child, has ended.
        priority: higher runs first.
        name: its name in the database; `module.qualname` if not given.
        keep_completed, keep_failed: seconds that its ended executions are kept, or "forever", in place of what the
            settings say; with `keep_completed=0` a completed one is deleted at once, and its result with it.
        cron: when it is run by itself, without arguments: five fields (minute, hour, day of the month, month, day of
            the week), or six with seconds in front. Of moments that no node was there for, however many, one run is
            made up for, at once. One run does not wait for the end of the one before.
        timezone: by whose clock, as in "Europe/Berlin"; UTC if not given.

    Raises:
        RegistrationError: it is no function that can run, its name is taken, no worker could import it, or it has a
            `cron` and needs arguments.
        ConfigurationError: a value is out of range, or `cron` or `timezone` cannot be read.
    """

    def register(function: Callable[..., Any]) -> Job[..., Any]:
        is_async = _check_kind(function)
        definition = Definition(
            name=check_name(name) if name is not None else function_name(function),
            function=function,
            queue=check_queue(queue),
            retries=check_retries(retries),
            timeout_s=None if timeout is None else check_timeout(timeout),
            priority=check_priority(priority),
            is_async=is_async,
            keep_completed_s=None if keep_completed is None else check_keep(keep_completed, "keep_completed"),
            keep_failed_s=None if keep_failed is None else check_keep(keep_failed, "keep_failed"),
            cron=cron,
            timezone=timezone or "UTC",
        )
        _check_schedule(function, cron, timezone)
        registry.add(definition)
        return AsyncJob(definition) if is_async else SyncJob(definition)

    return register if function is None else register(function)


class _Decorator:
    """What `@job(...)` returns, for type checkers."""

    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> AsyncJob[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> SyncJob[P, R]: ...
    def __call__(self, function: Callable[..., Any], /) -> Any:
        raise NotImplementedError


def _check_kind(function: Callable[..., Any]) -> bool:
    """Returns whether it is a coroutine function; raises RegistrationError when it cannot become a job."""
    if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
        raise RegistrationError(f"@job needs a function that returns, and {place(function)} yields")
    if not inspect.isfunction(function):
        raise RegistrationError(f"@job needs a function, and {place(function)} is none: write `def` or `async def`")
    return inspect.iscoroutinefunction(function)


def _check_schedule(function: Callable[..., Any], cron: str | None, timezone: str | None) -> None:
    if cron is None:
        if timezone is not None:
            raise ConfigurationError(f"timezone is for cron, and there is none: give cron= as well, got {timezone!r}")
        return
    check_cron(cron, "UTC" if timezone is None else timezone)
    try:
        signature_of(function).bind()
    except TypeError as error:
        raise RegistrationError(
            f"a function with cron= is called without arguments, and {place(function)} cannot be: {error};"
            " give them defaults"
        ) from None


def _executions_of(calls: Iterable[Call], decoders: list[Callable[[bytes], Any]]) -> Iterable[NewExecution]:
    """Returns what is to be written, and puts what decodes each result into `decoders` as it goes."""
    if isinstance(calls, Call) or not isinstance(calls, Iterable):
        raise _no_call(calls)

    def execution_of(call: Call) -> NewExecution:
        if not isinstance(call, Call):
            raise _no_call(call)
        decoders.append(call.decode)
        return call.execution

    # What is there already is checked before anything is written, what a generator yields when it does.
    return [execution_of(call) for call in calls] if isinstance(calls, list | tuple) else map(execution_of, calls)


def _handles(enqueued: list[Enqueued], decoders: list[Callable[[bytes], Any]]) -> list[Handle[Any]]:
    """Returns a handle for each; takes them from the lists as it goes, which may be very long."""
    handles: list[Handle[Any]] = []
    enqueued.reverse()
    decoders.reverse()
    while enqueued:
        handles.append(Handle(*enqueued.pop(), decoders.pop()))
    return handles


def _no_call(value: object) -> TypeError:
    return TypeError(f"enqueue_many takes calls, as in [send.call(1), send.call(2)], got {value!r}")


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


def _seconds_or(before: float | None, value: float | timedelta | None, name: str) -> float | None:
    return before if value is None else seconds_of(value, name)
