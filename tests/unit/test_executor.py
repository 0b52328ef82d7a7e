"""One execution and its ending, whatever user code, its arguments or its result do."""

import asyncio
import contextvars
import functools
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from currant.child import failures
from currant.child.executor import execute
from currant.context import current_execution
from currant.endings import Discard, Retry, Snooze
from currant.errors import NotJSON
from currant.executions import Ending, Execution
from currant.registry import Definition
from tests.faults import hostile
from tests.unit.support import no_threads

LIMIT = 1 << 20
CELL = 7


def run(
    function: Callable[..., Any] | None,
    args: bytes | None = b"[]",
    kwargs: bytes | None = b"{}",
    timeout_s: float | None = None,
    cancel_asked: Ending | None = None,
) -> tuple[Ending, Any]:
    """Executes the function and returns its ending and the body, decoded."""
    execution = Execution("job_1", 3, b"", "app.f", "default", 2, 0, 3, timeout_s, args, kwargs, CELL)
    definition = Definition("app.f", function, "default", 3, None, 5) if function is not None else None
    asked = {} if cancel_asked is None else {CELL: cancel_asked}
    ending, body, _ = asyncio.run(execute(execution, definition, LIMIT, asked, no_threads()))
    return ending, None if body is None else msgspec.json.decode(body)


def raising(error: BaseException | type[BaseException]) -> Callable[[], Awaitable[Any]]:
    async def function() -> NoReturn:
        raise error

    return function


def returning(value: Any) -> Callable[[], Awaitable[Any]]:
    async def function() -> Any:
        return value

    return function


# What goes well


async def add(a: int, b: int = 10) -> int:
    return a + b


def test_a_result_is_json() -> None:
    assert run(add, b"[1, 2]") == (Ending.COMPLETED, 3)
    assert run(add, b"[1]", b'{"b": 5}') == (Ending.COMPLETED, 6)
    assert run(add, b"[]", b'{"a": 1}') == (Ending.COMPLETED, 11)


def test_no_result_is_null() -> None:
    assert run(returning(None)) == (Ending.COMPLETED, None)


def test_code_knows_its_own_execution() -> None:
    async def who() -> list[Any]:
        me = current_execution()
        return [me.id, me.lease, me.attempt, me.function, me.queue]

    assert run(who) == (Ending.COMPLETED, ["job_1", 3, 2, "app.f", "default"])


def test_an_unknown_function_is_told_apart() -> None:
    assert run(None) == (Ending.UNKNOWN, None)


# Row 26: user code raises


class Unprintable(Exception):
    def __str__(self) -> str:
        raise ValueError("no")


class Hostile(Exception):
    def __str__(self) -> str:
        raise SystemExit(3)


def chained(length: int, padding: str = "") -> Exception:
    error = Exception("first")
    for number in range(length):
        later = Exception(f"number {number}{padding}")
        later.__cause__ = error
        error = later
    return error


def circular() -> Exception:
    one, other = ValueError("one"), ValueError("other")
    one.__context__, other.__context__ = other, one
    return one


def deep_group(depth: int) -> Exception:
    error: Exception = ValueError("core")
    for _ in range(depth):
        error = ExceptionGroup("group", [error])
    return error


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (ValueError("bad"), "ValueError", "bad"),
        (SystemExit(3), "SystemExit", "3"),
        (KeyboardInterrupt(), "KeyboardInterrupt", ""),
        (GeneratorExit(), "GeneratorExit", ""),
        (asyncio.CancelledError("mine"), "asyncio.exceptions.CancelledError", "mine"),
        (MemoryError(), "MemoryError", ""),
        (StopIteration(), "RuntimeError", "coroutine raised StopIteration"),
        (TimeoutError("the user's own"), "TimeoutError", "the user's own"),
        (Unprintable(), f"{__name__}.Unprintable", "<unprintable: its __str__ raised ValueError>"),
        (Hostile(), f"{__name__}.Hostile", "<unprintable: its __str__ raised SystemExit>"),
        (chained(5000), "Exception", "number 4999"),
        (circular(), "ValueError", "one"),
        (deep_group(500), "ExceptionGroup", "group (1 sub-exception)"),
        (ValueError("nul \0 and \ud800"), "ValueError", "nul \\x00 and \\ud800"),
    ],
)
def test_what_user_code_raises_is_that_executions_failure(error: BaseException, kind: str, message: str) -> None:
    ending, body = run(raising(error))
    assert (ending, body["type"], body["message"]) == (Ending.FAILED, kind, message)
    assert "test_executor.py" in body["traceback"]
    assert len(body["traceback"]) < 40_000


@pytest.mark.parametrize("kind", hostile.RAISED)
def test_what_an_exception_does_when_it_is_looked_at_hurts_nobody(kind: str) -> None:
    ending, body = run(raising(hostile.RAISED[kind][0]()))
    assert ending is Ending.FAILED
    assert hostile.RAISED[kind][2] in body["message"]
    assert len(body["traceback"]) < 40_000


def test_a_class_that_lies_keeps_its_frames() -> None:
    _, body = run(raising(hostile.Liar("said")))
    assert (body["type"], body["message"]) == ("tests.faults.hostile.Liar", "said")
    assert "test_executor.py" in body["traceback"]


def test_the_name_of_a_type_is_bounded() -> None:
    kind = type("x" * 10_000, (Exception,), {})
    assert len(failures.type_name(kind())) == 500


@pytest.mark.parametrize("timeout_s", [0, -5, -0.5])
def test_a_timeout_that_a_raw_row_should_not_have_is_refused_by_name(timeout_s: float) -> None:
    ending, body = run(add, b"[1]", timeout_s=timeout_s)
    assert (ending, body["type"]) == (Ending.REJECTED, "ConfigurationError")
    assert f"{timeout_s:g} s" in body["message"]


def test_a_traceback_begins_with_the_users_frame() -> None:
    _, body = run(raising(ValueError("bad")))
    head, first, *_ = body["traceback"].splitlines()
    assert head == "Traceback (most recent call last):"
    assert "test_executor.py" in first
    assert "currant/child" not in body["traceback"]


def test_endless_recursion_fails_with_a_bounded_traceback() -> None:
    async def down() -> None:
        await down()

    ending, body = run(down)
    assert (ending, body["type"]) == (Ending.FAILED, "RecursionError")
    assert len(body["traceback"]) < 40_000


def test_a_huge_message_is_cut() -> None:
    ending, body = run(raising(ValueError("x" * 50_000_000)))
    assert ending is Ending.FAILED
    assert body["message"].endswith("… (49991808 characters more)")
    assert len(body["message"]) < 9_000
    assert "test_executor.py" in body["traceback"]


def test_a_long_traceback_keeps_its_end() -> None:
    ending, body = run(raising(chained(45, "y" * 690)))
    assert ending is Ending.FAILED
    assert len(body["traceback"]) < 40_000
    assert body["traceback"].startswith("(")
    assert body["traceback"].endswith(f"number 44{'y' * 690}\n")


@given(st.text())
def test_any_message_is_storable(text: str) -> None:
    body = msgspec.json.decode(failures.encode_error(ValueError(text)))
    body["message"].encode()
    assert "\0" not in body["message"] + body["traceback"]


def test_a_cancellation_that_we_asked_for_is_a_release() -> None:
    assert run(raising(asyncio.CancelledError()), cancel_asked=Ending.RELEASED) == (Ending.RELEASED, None)


def test_what_ends_well_despite_our_cancellation_is_kept() -> None:
    assert run(returning(1), cancel_asked=Ending.RELEASED) == (Ending.COMPLETED, 1)
    assert run(returning(1), cancel_asked=Ending.CANCELLED) == (Ending.COMPLETED, 1)


def test_a_cancellation_by_request_ends_as_cancelled_and_says_so() -> None:
    ended = run(raising(asyncio.CancelledError()), cancel_asked=Ending.CANCELLED)
    assert ended == (Ending.CANCELLED, {"type": "Cancelled", "message": "cancelled by request"})


# What a job raises to say how it goes on


async def outcome_of(function: Callable[..., Any]) -> tuple[Ending, Any, float | None]:
    execution = Execution("job_1", 3, b"", "app.f", "default", 2, 0, 3, None, b"[]", b"{}", CELL)
    definition = Definition("app.f", function, "default", 3, None, 5)
    ending, body, delay_s = await execute(execution, definition, LIMIT, {}, no_threads())
    return ending, None if body is None else msgspec.json.decode(body), delay_s


def wrapping(error: BaseException) -> Callable[[], Awaitable[Any]]:
    async def function() -> NoReturn:
        try:
            raise ValueError("what went wrong")
        except ValueError as cause:
            raise error from cause

    return function


class OwnRetry(Retry):
    def __init__(self) -> None:
        Exception.__init__(self, "mine")


@pytest.mark.parametrize("how", [raising, wrapping])
@pytest.mark.parametrize(
    ("error", "ended"),
    [
        (Retry("busy"), (Ending.RETRIED, {"type": "Retry", "message": "busy"}, None)),
        (Retry("busy", after=2), (Ending.RETRIED, {"type": "Retry", "message": "busy"}, 2.0)),
        (
            Retry(after=timedelta(minutes=1)),
            (Ending.RETRIED, {"type": "Retry", "message": "the function asked to be tried again"}, 60.0),
        ),
        (OwnRetry(), (Ending.RETRIED, {"type": "Retry", "message": "mine"}, None)),
        (Snooze(1.5), (Ending.SNOOZED, None, 1.5)),
        (Discard("too old"), (Ending.CANCELLED, {"type": "Discarded", "message": "too old"}, None)),
    ],
)
def test_a_job_says_how_it_goes_on_and_the_error_has_no_traceback(
    how: Callable[[BaseException], Callable[[], Awaitable[Any]]],
    error: BaseException,
    ended: tuple[Ending, Any, float | None],
) -> None:
    assert asyncio.run(outcome_of(how(error))) == ended


def test_what_replaces_a_retry_on_its_way_out_counts() -> None:
    async def gives_up() -> None:
        try:
            raise Retry("busy")
        except Retry as retry:
            raise ValueError("no more") from retry

    ending, body, _ = asyncio.run(outcome_of(gives_up))
    assert (ending, body["type"]) == (Ending.FAILED, "ValueError")


# Timeouts


def test_the_deadline_is_when_the_timeout_ends() -> None:
    async def deadline() -> list[str | None]:
        at = current_execution().deadline
        return [None if at is None else at.isoformat()]

    before = datetime.now(UTC)
    _, (at,) = run(deadline, timeout_s=30.0)
    assert before + timedelta(seconds=30) <= datetime.fromisoformat(at) <= datetime.now(UTC) + timedelta(seconds=30)
    assert run(deadline) == (Ending.COMPLETED, [None])


def test_past_its_timeout_it_fails_and_the_traceback_names_the_line() -> None:
    async def slow() -> None:
        await asyncio.Event().wait()  # here it waits

    ending, body = run(slow, timeout_s=0.01)
    assert ending is Ending.TIMED_OUT
    assert (body["type"], body["message"]) == ("Timeout", "ran longer than its timeout of 0.01 s")
    assert "here it waits" in body["traceback"]


def test_a_timeout_counts_also_when_blocking_code_kept_the_loop_from_cancelling() -> None:
    async def blocking() -> int:
        time.sleep(0.05)
        return 1

    ending, body = run(blocking, timeout_s=0.01)
    assert (ending, body["type"]) == (Ending.TIMED_OUT, "Timeout")


@pytest.mark.parametrize("end", ["returns", "raises"])
def test_a_timeout_counts_also_when_the_cancellation_was_swallowed(end: str) -> None:
    async def stubborn() -> int:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if end == "raises":
                raise ValueError("while cleaning up") from None
        return 1

    ending, body = run(stubborn, timeout_s=0.01)
    assert (ending, body["type"]) == (Ending.TIMED_OUT, "Timeout")


def test_a_timeout_error_of_the_users_own_is_an_ordinary_failure() -> None:
    async def own() -> None:
        async with asyncio.timeout(0.01):
            await asyncio.Event().wait()

    for timeout_s in (None, 30.0):
        ending, body = run(own, timeout_s=timeout_s)
        assert (ending, body["type"]) == (Ending.FAILED, "TimeoutError")


def test_within_its_timeout_it_completes() -> None:
    assert run(returning(1), timeout_s=30.0) == (Ending.COMPLETED, 1)


# Rows 29 to 31: results


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (object(), "the result of app.f is of type object, which is not JSON"),
        ({"a": [float("nan")]}, "the result of app.f['a'][0] is nan, which JSON cannot hold"),
        (float("inf"), "the result of app.f is inf, which JSON cannot hold"),
        ("\0", "the result of app.f holds a NUL character, which Postgres cannot store"),
        (["\ud800"], "the result of app.f[0] holds a lone surrogate, which is not Unicode text"),
        (
            {1: 2},
            "the result of app.f holds a key of type int that would come back as another:"
            " annotate its keys as `int` (the result is annotated as `Any`)",
        ),
        (
            b"x",
            "the result of app.f is of type bytes and would come back as str:"
            " annotate it as `bytes` (the result is annotated as `Any`)",
        ),
    ],
)
def test_a_result_that_is_not_json_is_rejected(value: Any, message: str) -> None:
    ending, body = run(returning(value))
    assert (ending, body) == (Ending.REJECTED, {"type": "NotJSON", "message": message})


@pytest.mark.parametrize("value", ["x" * LIMIT, b"x" * (1 << 28), "ä" * (LIMIT - 10), ["x" * 1000] * 2000])
def test_a_huge_result_is_rejected(value: Any) -> None:
    ending, body = run(returning(value))
    assert (ending, body["type"]) == (Ending.REJECTED, "PayloadTooLarge")
    assert "are more than CURRANT_PAYLOAD_BYTES_MAX, 1048576" in body["message"]


def test_an_error_of_the_payloads_raised_by_user_code_is_an_ordinary_failure() -> None:
    ending, body = run(raising(NotJSON("from an enqueue inside")))
    assert (ending, body["type"]) == (Ending.FAILED, "currant.errors.NotJSON")


# Rows 32 and 33: arguments


@pytest.mark.parametrize(
    ("args", "kwargs", "kind", "message"),
    [
        (None, None, "PayloadTooLarge", "the arguments of app.f are larger than CURRANT_PAYLOAD_BYTES_MAX, 1048576;"),
        (b'{"a": 1}', b"{}", "DoesNotFit", "app.f: args must be a JSON array, got an object"),
        (b"3", b"{}", "DoesNotFit", "app.f: args must be a JSON array, got a number"),
        (b"null", b"{}", "DoesNotFit", "app.f: args must be a JSON array, got null"),
        (b"[1]", b"[]", "DoesNotFit", "app.f: kwargs must be a JSON object, got an array"),
        (b"[]", b'"text"', "DoesNotFit", "app.f: kwargs must be a JSON object, got a string"),
        (b"[1", b"{}", "NotJSON", "app.f: args cannot be read as JSON: "),
        (b"[NaN]", b"{}", "NotJSON", "app.f: args cannot be read as JSON: "),
        (b"[" * 100_000, b"{}", "NotJSON", "app.f: args cannot be read as JSON: "),
        (b"[1]", b"\xff", "NotJSON", "app.f: kwargs cannot be read as JSON: "),
        (b'[1, "2"]', b"{}", "DoesNotFit", "app.f: argument `b`: Expected `int`, got `str`"),
        (b"[]", b"{}", "TypeError", "app.f(a: int, b: int = 10) -> int: "),
        (b"[1, 2, 3]", b"{}", "TypeError", "app.f(a: int, b: int = 10) -> int: "),
        (b"[1]", b'{"a": 1}', "TypeError", "app.f(a: int, b: int = 10) -> int: "),
        (b"[1]", b'{"c": 1}', "TypeError", "app.f(a: int, b: int = 10) -> int: "),
    ],
)
def test_arguments_that_do_not_fit_are_rejected(
    args: bytes | None, kwargs: bytes | None, kind: str, message: str
) -> None:
    ending, body = run(add, args, kwargs)
    assert (ending, body["type"]) == (Ending.REJECTED, kind)
    assert body["message"].startswith(message)


def test_a_type_error_within_the_function_is_an_ordinary_failure() -> None:
    async def adding(a: Any) -> Any:
        return await add(a, "2")  # type: ignore[arg-type]

    ending, body = run(adding, b"[1]")
    assert (ending, body["type"]) == (Ending.FAILED, "TypeError")


def test_a_type_error_within_a_plain_function_is_an_ordinary_failure() -> None:
    @functools.wraps(add)
    def wrapper(a: int) -> Awaitable[int]:
        return add(a + "1")  # type: ignore[operator]

    ending, body = run(wrapper, b"[1]")
    assert (ending, body["type"]) == (Ending.FAILED, "TypeError")


def test_a_function_that_is_not_async_is_rejected() -> None:
    ending, body = run(lambda: 3)
    assert (ending, body["message"]) == (Ending.REJECTED, "app.f returned int, not a coroutine: write `async def`")


def test_what_the_function_sets_stays_in_its_task() -> None:
    variable = contextvars.ContextVar("variable", default="before")

    async def both() -> str:
        execution = Execution("job_1", 1, b"", "app.f", "q", 1, 0, 3, None, b"[]", b"{}", CELL)

        async def set_it() -> None:
            variable.set("after")

        definition = Definition("app.f", set_it, "q", 3, None, 5)
        await asyncio.create_task(execute(execution, definition, LIMIT, {}, no_threads()))
        return variable.get()

    assert asyncio.run(both()) == "before"
