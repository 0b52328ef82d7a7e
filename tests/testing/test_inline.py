"""The inline mode: what becomes of an execution, and what the test sees of it."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from currant import (
    ConfigurationError,
    CurrantError,
    ExecutionCancelled,
    ExecutionFailed,
    ExecutionNotFound,
    PayloadTooLarge,
    backends,
    enqueue_many,
    enqueue_many_sync,
)
from currant.registry import registry
from currant.testing import Inline, inline
from tests.support import in_loop
from tests.testing import jobs

LATER = datetime.now(UTC) + timedelta(days=1)


@in_loop
async def test_a_call_has_run_when_queue_returns() -> None:
    with inline() as box:
        handle = await jobs.double.queue(4)
        (execution,) = box.executions
        assert (execution.id, execution.status, execution.result) == (handle.id, "completed", 8)
        assert await handle.result() == 8


@in_loop
async def test_arguments_and_results_go_through_json() -> None:
    with inline() as box:
        assert await (await jobs.echo.queue((1, 2))).result() == [1, 2]
        assert box.calls_of(jobs.echo) == [(([1, 2],), {})]


@in_loop
async def test_arguments_that_do_not_fit_fail_the_execution_without_a_retry() -> None:
    with inline() as box:
        await jobs.double.queue("four")  # type: ignore[arg-type]
        (execution,) = box.executions
        assert (execution.status, execution.attempts, execution.args) == ("failed", 1, ("four",))
        assert execution.error is not None
        assert execution.error.type == "DoesNotFit"


@in_loop
async def test_arguments_that_are_too_large_are_refused_and_none_of_many_runs() -> None:
    with inline() as box:
        with pytest.raises(PayloadTooLarge):
            await enqueue_many([jobs.echo.call(1), jobs.echo.call("x" * (2 << 20))])
        assert box.executions == []
    assert jobs.log == []


@in_loop
async def test_a_failure_is_tried_again_at_once_and_told_by_the_handle() -> None:
    with inline() as box:
        assert await (await jobs.flaky.queue(3)).result() == 3
        handle = await jobs.flaky.queue(4)
        with pytest.raises(ExecutionFailed, match="RuntimeError: attempt 3") as caught:
            await handle.result()
        assert isinstance(caught.value.__cause__, RuntimeError)
        assert caught.value.type == "RuntimeError"
        assert box.executions[1].exception is caught.value.__cause__
    assert jobs.log == [1, 2, 3, 1, 2, 3]


@in_loop
async def test_a_retry_does_not_wait() -> None:
    with inline() as box:
        await jobs.again.queue()
        assert [each.status for each in box.executions] == ["failed"]
    assert jobs.log == ["again"] * 3


@in_loop
async def test_what_snoozes_is_kept_and_runs_again_in_the_next_call() -> None:
    with inline() as box:
        handle = await jobs.snoozing.queue(3)
        (execution,) = box.executions
        assert (execution.status, execution.attempts) == ("scheduled", 0)
        assert await box.run_due() == []
        assert await box.run_all() == [execution]
        assert execution.status == "scheduled"
        await box.run_due(LATER)
        assert await handle.result() == "awake"
    assert jobs.log == ["snoozing"] * 3


@in_loop
async def test_a_discarded_execution_is_cancelled() -> None:
    with inline():
        with pytest.raises(ExecutionCancelled, match="nothing to do"):
            await (await jobs.discarded.queue()).result()


@in_loop
async def test_a_result_that_is_not_kept_is_not_found() -> None:
    with inline():
        handle = await jobs.unkept.queue()
        with pytest.raises(ExecutionNotFound):
            await handle.result()


@in_loop
async def test_a_job_runs_before_its_parent_goes_on() -> None:
    with inline():
        assert await (await jobs.parent.queue("x")).result() == "x"
    assert jobs.log == ["parent begins", "x", "parent goes on"]


@in_loop
async def test_a_job_does_not_see_the_context_variables_of_the_caller() -> None:
    with inline():
        jobs.held.set("something")
        assert await (await jobs.sees.queue()).result() == "nothing"


@in_loop
async def test_a_job_that_enqueues_itself_without_end_is_told() -> None:
    with inline():
        with pytest.raises(CurrantError, match=r"50 executions have each enqueued the next .*mode='collect'"):
            await jobs.endless.queue()


@in_loop
async def test_a_loop_without_end_is_told_in_collect_mode_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("currant.testing.backend.RUNS_MAX", 100)
    with inline(mode="collect") as box:
        await jobs.endless.queue()
        with pytest.raises(CurrantError, match="100 executions, and there are more"):
            await box.run_all()


@in_loop
async def test_collected_calls_run_by_priority_and_then_in_order() -> None:
    with inline(mode="collect") as box:
        await enqueue_many([jobs.echo.call(1), jobs.echo.call(2), jobs.echo.options(priority=9).call(3)])
        assert jobs.log == []
        assert [each.args for each in await box.run_all()] == [(3,), (1,), (2,)]
    assert jobs.log == [3, 1, 2]


@in_loop
async def test_collected_calls_of_jobs_run_in_the_same_run_all() -> None:
    with inline(mode="collect") as box:
        handle = await jobs.parent.queue("x")
        assert [each.function for each in await box.run_all()] == [jobs.parent.name]
        # The job waited for the other, which ran for it.
        assert await handle.result() == "x"
    assert jobs.log == ["parent begins", "parent goes on", "x"]


@in_loop
async def test_a_test_that_waits_for_what_has_not_run_is_told() -> None:
    with inline(mode="collect"):
        handle = await jobs.echo.queue(1)
        with pytest.raises(CurrantError, match=r"echo\(1\): pending> has not run: .* call run_all"):
            await handle.result()


@in_loop
async def test_delayed_calls_run_when_they_are_due() -> None:
    with inline() as box:
        await jobs.echo.options(delay=60).queue("minute")
        await jobs.echo.options(run_at=LATER).queue("day")
        await jobs.echo.queue("now")
        await box.run_due(datetime.now(UTC) + timedelta(hours=1))
        assert jobs.log == ["now", "minute"]
        await box.run_all()
        assert jobs.log == ["now", "minute", "day"]


@in_loop
async def test_a_moment_without_a_time_zone_is_refused() -> None:
    with inline() as box:
        with pytest.raises(ConfigurationError, match="time zone"):
            await box.run_due(datetime(2026, 1, 1))


@in_loop
async def test_a_unique_key_is_held_until_the_end_or_as_long_as_it_says() -> None:
    with inline(mode="collect") as box:
        first = await jobs.echo.options(unique="k").queue(1)
        second, other = await enqueue_many(
            [jobs.echo.options(unique="k").call(2), jobs.double.options(unique="k").call(2)]
        )
        assert (second, second.first, other.first) == (first, False, True)
        await box.run_all()
        held = await jobs.echo.options(unique="k", unique_for=3600).queue(3)
        assert held.first
        await box.run_all()
        assert await jobs.echo.options(unique="k").queue(4) == held
        box.clear()
        assert (await jobs.echo.options(unique="k").queue(5)).first
    assert jobs.log == [1, 3]


@in_loop
async def test_a_connection_of_the_callers_is_not_used() -> None:
    with inline():
        no_connection: Any = object()
        assert await (await jobs.double.options(connection=no_connection).queue(1)).result() == 2
        (handle,) = await enqueue_many([jobs.double.call(2)], connection=no_connection)
        assert await handle.result() == 4


def test_a_connection_of_the_callers_is_not_used_by_sync_calls() -> None:
    with inline():
        no_connection: Any = object()
        (handle,) = enqueue_many_sync([jobs.double.call(2)], connection=no_connection)
        assert handle.result_sync() == 4


@in_loop
async def test_errors_are_raised_when_everything_has_run() -> None:
    with inline(raise_errors=True) as box:
        with pytest.raises(RuntimeError, match="attempt 3") as caught:
            await jobs.careless_parent.queue()
        assert [each.status for each in box.executions] == ["completed", "failed", "failed"]
    first, second = caught.value.__notes__
    assert "jobs.flaky(99): failed, RuntimeError: attempt 3>, in attempt 3" in first
    assert "1 more failed:" in second
    assert "jobs.flaky(98)" in second


@in_loop
async def test_an_error_without_an_exception_of_the_jobs_is_raised_as_a_failed_execution() -> None:
    with inline(raise_errors=True):
        with pytest.raises(ExecutionFailed, match="DoesNotFit"):
            await jobs.double.queue("four")  # type: ignore[arg-type]


@in_loop
async def test_errors_of_collected_calls_are_raised_by_run_all() -> None:
    with inline(mode="collect", raise_errors=True) as box:
        await jobs.flaky.queue(9)
        await jobs.double.queue(1)
        with pytest.raises(RuntimeError):
            await box.run_all()
        assert [each.status for each in box.executions] == ["failed", "completed"]


@in_loop
async def test_middleware_runs() -> None:
    import contextlib
    from collections.abc import AsyncIterator

    @contextlib.asynccontextmanager
    async def around(execution: Any) -> AsyncIterator[None]:
        jobs.log.append(("before", execution.function))
        yield
        jobs.log.append("after")

    registry.middleware.append(around)
    try:
        with inline():
            await jobs.echo.queue(1)
    finally:
        registry.middleware.remove(around)
    assert jobs.log == [("before", jobs.echo.name), 1, "after"]
    assert registry.middleware == []


def test_every_thread_meets_the_inline_mode_and_it_ends_with_its_block() -> None:
    before = backends.current()
    with inline() as box:
        thread = threading.Thread(target=lambda: jobs.echo.queue_sync("thread"))
        thread.start()
        thread.join()
        with inline() as inner:
            jobs.echo.queue_sync("inner")
        assert inner.calls_of(jobs.echo) == [(("inner",), {})]
        assert box.calls_of(jobs.echo) == [(("thread",), {})]
    assert backends.current() is before


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="'run' or 'collect', got 'later'"):
        with inline(mode="later"):  # type: ignore[arg-type]
            pass


def test_the_plugins_fixture_is_there(currant_inline: Inline) -> None:
    jobs.echo.queue_sync(1)
    assert currant_inline.calls_of(jobs.echo) == [((1,), {})]
