"""What can be a hook or middleware, and what middleware does around one execution."""

import asyncio
import contextlib
import functools
import gc
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import msgspec
import pytest

import currant
from currant.child.executor import execute
from currant.child.hooks import run_start_hooks, run_stop_hooks
from currant.context import CurrentExecution, current_execution
from currant.errors import RegistrationError
from currant.executions import Ending
from currant.protocol.work import BootFailed
from currant.registry import Definition, registry
from tests.unit.support import execution, no_threads

untyped: Any = currant


@pytest.fixture(autouse=True)
def _empty_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("start_hooks", "stop_hooks", "middleware"):
        monkeypatch.setattr(registry, name, [])


# Registration


def hook() -> None:
    pass


async def async_hook() -> str:
    return "dropped"


async def passing(execution: CurrentExecution) -> AsyncIterator[None]:
    yield


def test_what_is_registered_is_returned_unchanged_and_kept_in_order() -> None:
    assert currant.on_child_start(hook) is hook
    assert currant.on_child_start(async_hook) is async_hook
    assert currant.on_child_stop(async_hook) is async_hook
    assert currant.middleware(passing) is passing
    assert registry.start_hooks == [hook, async_hook]
    assert registry.stop_hooks == [async_hook]
    assert len(registry.middleware) == 1


def test_the_same_function_of_a_module_that_was_loaded_again_takes_its_own_place() -> None:
    spaces: list[dict[str, Any]] = []
    for _ in range(2):
        space: dict[str, Any] = {"__name__": "reloaded"}
        exec(compile("def one(): pass\nasync def around(e): yield", "reloaded.py", "exec"), space)
        currant.on_child_start(space["one"])
        currant.on_child_start(hook)
        currant.middleware(space["around"])
        spaces.append(space)
    assert registry.start_hooks == [spaces[1]["one"], hook]
    assert len(registry.middleware) == 1


def test_functions_that_only_share_a_name_are_each_kept() -> None:
    class Service:
        def start(self) -> None:
            pass

    def make() -> Callable[[], None]:
        def made() -> None:
            pass

        return made

    first, second = Service(), Service()
    for function in (first.start, second.start, make(), make(), lambda: None, lambda: None):
        currant.on_child_start(function)
    currant.on_child_start(first.start)
    assert len(registry.start_hooks) == 6


def generating() -> Iterator[None]:
    yield


async def takes_two(one: Any, two: Any) -> AsyncIterator[None]:
    yield


async def takes_none() -> AsyncIterator[None]:
    yield


async def without_yield(execution: CurrentExecution) -> None:
    pass


def sync_middleware(execution: CurrentExecution) -> Iterator[None]:
    yield


@pytest.mark.parametrize(
    ("decorator", "function", "message"),
    [
        ("on_child_start", 5, "on_child_start needs a function, and 5 is none"),
        ("on_child_stop", None, "on_child_stop needs a function, and None is none"),
        ("on_child_start", generating, r"needs a function that returns, and .*\.generating \(.*\) yields"),
        ("on_child_stop", takes_none, "needs a function that returns"),
        ("on_child_start", without_yield, r"without arguments, and .*\.without_yield .* takes \(execution"),
        ("middleware", "x", "middleware needs a function, and 'x' is none"),
        ("middleware", sync_middleware, r"is asynchronous, and .*\.sync_middleware .* is not: write `async def`"),
        ("middleware", contextlib.contextmanager(sync_middleware), "write `async def`"),
        ("middleware", without_yield, "has no `yield`"),
        ("middleware", takes_none, r"takes one argument, the execution, and .*\.takes_none .* takes \(\)"),
        ("middleware", takes_two, "takes one argument"),
    ],
)
def test_what_cannot_be_called_so_is_refused_with_the_reason(decorator: str, function: Any, message: str) -> None:
    with pytest.raises(RegistrationError, match=message):
        getattr(untyped, decorator)(function)
    assert not registry.start_hooks
    assert not registry.stop_hooks
    assert not registry.middleware


# Hooks that fail


def test_after_a_start_hook_that_failed_no_other_runs() -> None:
    ran: list[str] = []

    def failing() -> None:
        raise ValueError("no \ud800 way")

    hooks = [lambda: ran.append("first"), failing, lambda: ran.append("last")]
    failure = asyncio.run(run_start_hooks(hooks))
    assert isinstance(failure, BootFailed)
    assert "failing" in failure.message
    assert r"ValueError: no \ud800 way" in failure.message
    assert failure.traceback.startswith("Traceback")
    assert ran == ["first"]
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(failure), type=BootFailed) == failure


def test_all_stop_hooks_run_and_each_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    class Unprintable:
        def __call__(self) -> None:
            raise KeyboardInterrupt

        def __repr__(self) -> str:
            raise SystemExit

    async def failing() -> None:
        raise asyncio.CancelledError

    ran: list[str] = []
    asyncio.run(run_stop_hooks([Unprintable(), failing, lambda: ran.append("last")]))
    assert ran == ["last"]
    said = caplog.text
    assert "the stop hook <unprintable: its name raised SystemExit> failed:\n" in said
    assert "KeyboardInterrupt" in said
    assert "CancelledError" in said


# Middleware


def run(function: Callable[..., Any], timeout_s: float | None = None, *, args: bytes = b"[]") -> tuple[Ending, Any]:
    one = execution(args=args)
    one.timeout_s = timeout_s
    definition = Definition("app.f", function, "default", 3, None, 5)
    ending, body, _ = asyncio.run(execute(one, definition, 1 << 20, {}, no_threads()))
    return ending, None if body is None else msgspec.json.decode(body)


def noting(told: list[str], name: str) -> None:
    @currant.middleware
    async def note(execution: CurrentExecution) -> AsyncIterator[None]:
        assert execution is current_execution()
        told.append(f"{name} begins {execution.id}")
        try:
            yield
        except BaseException as error:
            told.append(f"{name} sees {error!r}")
            raise
        told.append(f"{name} ends")


def test_the_middleware_registered_first_is_the_outermost() -> None:
    told: list[str] = []

    async def function() -> int:
        told.append("runs")
        return 7

    noting(told, "outer")
    noting(told, "inner")
    assert run(function) == (Ending.COMPLETED, 7)
    assert told == ["outer begins job_1", "inner begins job_1", "runs", "inner ends", "outer ends"]


def test_an_error_passes_through_all_of_them() -> None:
    told: list[str] = []

    async def function() -> None:
        raise ValueError("no")

    noting(told, "outer")
    noting(told, "inner")
    ending, error = run(function)
    assert (ending, error["type"]) == (Ending.FAILED, "ValueError")
    assert told[2:] == ["inner sees ValueError('no')", "outer sees ValueError('no')"]


def test_a_swallowed_error_completes_the_execution_with_none() -> None:
    @currant.middleware
    def swallowing(execution: CurrentExecution) -> contextlib.AbstractAsyncContextManager[None]:
        return swallow()

    @contextlib.asynccontextmanager
    async def swallow() -> AsyncIterator[None]:
        with contextlib.suppress(ValueError, ZeroDivisionError):
            yield

    @currant.middleware
    async def failing_after(execution: CurrentExecution) -> AsyncIterator[None]:
        yield
        raise ZeroDivisionError

    async def bad() -> None:
        raise ValueError

    async def good() -> int:
        return 7

    assert run(bad) == (Ending.COMPLETED, None)
    # The function's result is lost with the error that came after it.
    assert run(good) == (Ending.COMPLETED, None)


def test_what_cannot_be_entered_fails_the_execution_and_the_function_does_not_run() -> None:
    told: list[str] = []

    async def function() -> None:
        told.append("runs")

    noting(told, "outer")

    @untyped.middleware  # type: ignore[untyped-decorator]
    def wrong(execution: CurrentExecution) -> object:
        return object()

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ending, error = run(function)
        gc.collect()
    # None of a coroutine that nobody awaited.
    assert caught == []
    assert (ending, error["type"]) == (Ending.FAILED, "TypeError")
    assert "wrong" in error["message"]
    assert "returned object, which is no async context manager" in error["message"]
    assert len(told) == 2
    assert told[1].startswith("outer sees TypeError")


def test_arguments_that_do_not_fit_are_refused_before_any_middleware() -> None:
    told: list[str] = []

    async def function() -> None:
        pass

    noting(told, "outer")
    assert run(function, args=b"[1]")[0] is Ending.REJECTED
    assert told == []


@pytest.mark.parametrize("moment", ["before", "after"])
def test_the_timeout_counts_the_middleware_in(moment: str) -> None:
    @currant.middleware
    async def slow(execution: CurrentExecution) -> AsyncIterator[None]:
        if moment == "before":
            await asyncio.sleep(3600)
        yield
        await asyncio.sleep(3600)

    async def function() -> None:
        pass

    ending, error = run(function, timeout_s=0.05)
    assert (ending, error["type"]) == (Ending.TIMED_OUT, "Timeout")


def test_a_timeout_that_middleware_swallows_is_one_all_the_same() -> None:
    @currant.middleware
    async def swallowing(execution: CurrentExecution) -> AsyncIterator[None]:
        with contextlib.suppress(asyncio.CancelledError):
            yield

    ending, error = run(functools.partial(asyncio.sleep, 3600), timeout_s=0.05)
    assert (ending, error["type"]) == (Ending.TIMED_OUT, "Timeout")


def test_a_class_or_a_decorated_function_is_middleware_too() -> None:
    told: list[str] = []

    class Around:
        def __init__(self, execution: CurrentExecution) -> None:
            self.id = execution.id

        async def __aenter__(self) -> None:
            told.append(f"class {self.id}")

        async def __aexit__(self, *_: object) -> None:
            told.append("class ends")

    currant.middleware(Around)

    @currant.middleware
    @contextlib.asynccontextmanager
    async def decorated(execution: CurrentExecution) -> AsyncIterator[None]:
        told.append("decorated")
        yield

    async def function() -> int:
        return 7

    assert run(function) == (Ending.COMPLETED, 7)
    assert told == ["class job_1", "decorated", "class ends"]
