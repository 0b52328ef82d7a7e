"""The inline mode: sync and async code, cancellations, and what is not for the job but for the test."""

import asyncio
import threading

import pytest

from currant import CurrantError, ExecutionCancelled, ExecutionFailed
from currant.testing import inline
from tests.support import in_loop
from tests.testing import jobs


def test_sync_jobs_of_a_sync_test_run_in_its_own_thread_outside_of_any_loop() -> None:
    with inline():
        assert jobs.sync_parent.queue_sync("x").result_sync() == "x"
    assert jobs.log == [threading.current_thread()] * 2


@in_loop
async def test_sync_jobs_of_an_async_test_run_in_threads() -> None:
    with inline():
        assert await (await jobs.sync_parent.queue("x")).result() == "x"
        assert threading.current_thread() not in jobs.log


@in_loop
async def test_sync_calls_may_come_from_an_async_test() -> None:
    with inline():
        assert jobs.sync_parent.queue_sync("x").result_sync() == "x"
        assert jobs.parent.queue_sync("x").result_sync() == "x"


@in_loop
async def test_an_async_job_that_blocks_its_loop_is_told_as_in_a_child() -> None:
    with inline() as box:
        await jobs.blocks_the_loop.options(retries=0).queue()
        await asyncio.to_thread(jobs.blocks_the_loop.options(retries=0).queue_sync)
        for execution in box.executions:
            assert execution.error is not None
            assert "await the method without _sync" in execution.error.message


def test_async_jobs_of_sync_calls_share_an_event_loop() -> None:
    with inline():
        assert jobs.loop_of.queue_sync().result_sync() == jobs.loop_of.queue_sync().result_sync()


def test_nothing_is_left_of_the_background_thread() -> None:
    with inline():
        jobs.echo.queue_sync(1)
    assert not [each for each in threading.enumerate() if each.name == "currant: inline"]


def test_a_sync_job_times_out_when_it_has_ended() -> None:
    with inline():
        with pytest.raises(ExecutionFailed, match="Timeout"):
            jobs.slow.queue_sync().result_sync()


@in_loop
async def test_what_waits_is_cancelled_and_does_not_run() -> None:
    with inline() as box:
        handle = await jobs.echo.options(delay=60).queue(1)
        assert await handle.cancel()
        assert not await handle.cancel()
        assert await box.run_all() == []
        with pytest.raises(ExecutionCancelled):
            await handle.result()
    assert jobs.log == []


@in_loop
async def test_what_runs_is_cancelled() -> None:
    with inline() as box:
        call = asyncio.ensure_future(jobs.waiting.queue())
        await jobs.waits_now()
        running = jobs.waiting.handle(box.executions[0].id)
        assert await running.cancel()
        assert await call == running
        with pytest.raises(ExecutionCancelled):
            await running.result()


@in_loop
async def test_a_job_may_cancel_itself() -> None:
    with inline():
        with pytest.raises(ExecutionCancelled):
            await (await jobs.cancels_itself.queue()).result()


@in_loop
async def test_a_test_that_gives_up_takes_its_execution_back() -> None:
    with inline() as box:
        call = asyncio.ensure_future(jobs.waiting.queue())
        await jobs.waits_now()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        (execution,) = box.executions
        assert (execution.status, execution.attempts) == ("pending", 0)


@in_loop
async def test_a_result_is_waited_for_while_another_task_runs_it() -> None:
    with inline() as box:
        call = asyncio.ensure_future(jobs.waiting.queue())
        await jobs.waits_now()
        handle = jobs.waiting.handle(box.executions[0].id)
        with pytest.raises(TimeoutError):
            await handle.result(timeout=0.01)
        await handle.cancel()
        await call


def test_an_interrupt_is_not_taken_for_a_failure() -> None:
    with inline():
        with pytest.raises(KeyboardInterrupt):
            jobs.interrupted.queue_sync()
        assert jobs.log == ["interrupted"]
        # And nothing is broken by it.
        assert jobs.double.queue_sync(1).result_sync() == 2


def test_an_interrupt_in_a_task_of_a_job_reaches_the_test() -> None:
    with inline():
        with pytest.raises(KeyboardInterrupt):
            jobs.gathers_an_interrupt.queue_sync()
        assert jobs.double.queue_sync(1).result_sync() == 2


def test_a_job_that_fails_the_test_by_pytests_means_does() -> None:
    with inline():
        with pytest.raises(pytest.fail.Exception, match="ends the test"):
            jobs.failing_the_test.queue_sync()
    assert jobs.log == ["failing"]


def test_a_call_in_the_background_thread_itself_is_refused() -> None:
    from currant.testing.portal import Portal

    portal = Portal("test")

    async def nothing() -> None: ...

    async def inner() -> None:
        portal.run(nothing())

    try:
        with pytest.raises(CurrantError, match="block the event loop"):
            portal.run(inner())
    finally:
        portal.close()
