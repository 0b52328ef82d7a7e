"""Synchronous functions: each in a thread, whose end is waited for whatever is cancelled meanwhile."""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest

from currant import Discard, Retry, Snooze, current_execution
from currant.child.executor import execute
from currant.child.threads import Threads
from currant.executions import Ending, Execution
from currant.registry import Definition
from tests.support import in_loop

CELL = 7


class Child:
    """An event loop's threads, and what they tell of."""

    def __init__(self) -> None:
        self.overruns: list[int] = []
        self.overran = asyncio.Event()
        self.asked: dict[int, Ending] = {}
        self.threads = Threads("currant-3", self._overran)

    def _overran(self, cell: int) -> None:
        self.overruns.append(cell)
        self.overran.set()

    async def run(
        self, function: Callable[..., Any], args: bytes = b"[]", timeout_s: float | None = None
    ) -> tuple[Ending, Any]:
        execution = Execution("job_1", 3, b"", "app.f", "q", 2, 0, 3, timeout_s, args, b"{}", CELL)
        definition = Definition("app.f", function, "q", 3, None, 5, is_async=False)
        ending, body, _ = await execute(execution, definition, 1 << 20, self.asked, self.threads)
        return ending, None if body is None else msgspec.json.decode(body)


@in_loop
async def test_a_plain_function_runs_in_a_thread_that_says_which_childs_it_is() -> None:
    def where(number: int) -> list[Any]:
        return [number, threading.current_thread().name, threading.current_thread() is threading.main_thread()]

    assert await Child().run(where, b"[1]") == (Ending.COMPLETED, [1, "currant-3_0", False])


@in_loop
async def test_no_thread_is_made_before_it_is_needed() -> None:
    async def plain() -> int:
        return threading.active_count()

    before = threading.active_count()
    child = Child()
    execution = Execution("job_1", 3, b"", "app.f", "q", 2, 0, 3, None, b"[]", b"{}", CELL)
    ended = await execute(execution, Definition("app.f", plain, "q", 3, None, 5), 1 << 20, {}, child.threads)
    assert ended == (Ending.COMPLETED, str(before).encode(), None)


@in_loop
async def test_the_thread_sees_its_execution_and_the_context_of_its_task() -> None:
    variable = contextvars.ContextVar("variable", default="nothing")
    variable.set("from the task")

    def look() -> list[Any]:
        before = variable.get()
        variable.set("from the thread")
        return [current_execution().id, current_execution().attempt, before]

    child = Child()
    assert await child.run(look) == (Ending.COMPLETED, ["job_1", 2, "from the task"])
    assert variable.get() == "from the task"


@in_loop
async def test_as_many_run_at_once_as_are_started() -> None:
    together = threading.Barrier(100, timeout=60)
    child = Child()
    ended = await asyncio.gather(*(child.run(lambda: together.wait() >= 0) for _ in range(100)))
    assert ended == [(Ending.COMPLETED, True)] * 100


@pytest.mark.parametrize(
    ("error", "ending", "kind"),
    [
        (ValueError("bad"), Ending.FAILED, "ValueError"),
        (SystemExit(3), Ending.FAILED, "SystemExit"),
        (KeyboardInterrupt(), Ending.FAILED, "KeyboardInterrupt"),
        (StopIteration(1), Ending.FAILED, "RuntimeError"),
        (GeneratorExit(), Ending.FAILED, "GeneratorExit"),
        (asyncio.CancelledError(), Ending.FAILED, "asyncio.exceptions.CancelledError"),
        (Retry("busy"), Ending.RETRIED, "Retry"),
        (Discard("old"), Ending.CANCELLED, "Discarded"),
    ],
)
def test_what_a_thread_raises_ends_its_execution_and_nothing_else(
    error: BaseException, ending: Ending, kind: str
) -> None:
    def fail() -> None:
        raise error

    async def main() -> None:
        child = Child()
        ended, body = await child.run(fail)
        assert (ended, body["type"]) == (ending, kind)
        if ended is Ending.FAILED:
            assert "test_threads.py" in body["traceback"]
            # It begins with the user's frame (a StopIteration's first is that of what turned it into a RuntimeError).
            assert kind == "RuntimeError" or "test_threads.py" in body["traceback"].splitlines()[1]
        assert await child.run(lambda: 1) == (Ending.COMPLETED, 1)

    asyncio.run(main())


@in_loop
async def test_a_thread_may_snooze() -> None:
    def later() -> None:
        raise Snooze(5)

    assert await Child().run(later) == (Ending.SNOOZED, None)


@in_loop
async def test_arguments_that_do_not_fit_and_results_that_are_not_json_are_rejected() -> None:
    def one(number: int) -> object:
        return object()

    async def coroutine() -> None: ...

    child = Child()
    ending, body = await child.run(one, b"[]")
    assert (ending, body["message"]) == (
        Ending.REJECTED,
        "app.f(number: int) -> object: test_arguments_that_do_not_fit_and_results_that_are_not_json_are_rejected."
        "<locals>.one() missing 1 required positional argument: 'number'",
    )
    ending, body = await child.run(one, b"[1]")
    assert (ending, body["type"]) == (Ending.REJECTED, "NotJSON")
    ending, body = await child.run(lambda: coroutine())
    assert (ending, body["message"]) == (
        Ending.REJECTED,
        "app.f is a plain function and returned an awaitable, coroutine: write `async def`",
    )


@in_loop
async def test_past_its_timeout_it_is_told_and_ends_as_a_timeout_when_the_thread_has_ended() -> None:
    go = threading.Event()
    child = Child()
    running = asyncio.ensure_future(child.run(go.wait, timeout_s=0.02))
    await child.overran.wait()
    assert child.overruns == [CELL]
    done, _ = await asyncio.wait((running,), timeout=0.05)
    assert not done
    go.set()
    ending, body = await running
    assert (ending, body) == (
        Ending.TIMED_OUT,
        {"type": "Timeout", "message": "ran longer than its timeout of 0.02 s"},
    )


@in_loop
async def test_past_its_timeout_a_timeout_is_what_it_ends_as_whatever_it_raises() -> None:
    child = Child()
    overran = threading.Event()

    def fail() -> None:
        overran.wait(60)
        raise Snooze(5)

    running = asyncio.ensure_future(child.run(fail, timeout_s=0.02))
    await child.overran.wait()
    overran.set()
    ending, body = await running
    assert (ending, body["type"]) == (Ending.TIMED_OUT, "Timeout")
    assert "fail" in body["traceback"]


@in_loop
async def test_within_its_timeout_nothing_is_told() -> None:
    for timeout_s in (0.05, 0.5, 5.0):
        child = Child()
        ended = await child.run(lambda: 1, timeout_s=timeout_s)
        if ended == (Ending.COMPLETED, 1):
            await asyncio.sleep(2 * timeout_s)
            assert child.overruns == []
            return
    raise AssertionError("each time, the machine stalled for longer than the timeout")


@in_loop
@pytest.mark.parametrize("asked", [Ending.RELEASED, Ending.CANCELLED])
async def test_a_cancelled_one_ends_with_its_thread_and_its_true_result(asked: Ending) -> None:
    go, begun = threading.Event(), threading.Event()

    def wait() -> str:
        begun.set()
        go.wait(60)
        return "done"

    child = Child()
    running = asyncio.ensure_future(child.run(wait))
    await asyncio.to_thread(begun.wait)
    child.asked[CELL] = asked
    for _ in range(3):
        running.cancel()
        await asyncio.sleep(0)
    assert not running.done()
    go.set()
    assert await running == (Ending.COMPLETED, "done")


@in_loop
async def test_a_call_that_gets_no_thread_fails_and_is_never_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    called: list[int] = []
    child = Child()
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        ending, body = await child.run(lambda: called.append(1))
    assert (ending, body["message"]) == (Ending.FAILED, "can't start new thread")
    # The pool has it still in its queue, before the next one.
    pool = child.threads._pool
    assert isinstance(pool, ThreadPoolExecutor)
    assert pool._work_queue.qsize() == 1
    assert await child.run(lambda: called.append(2)) == (Ending.COMPLETED, None)
    assert called == [2]
