"""Ctrl-C at the moments that asyncio.run leaves open."""

import asyncio
import gc
import signal
import warnings
from collections.abc import Callable, Iterator

import pytest

from currant.cli.interrupts import run_async


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


async def fine() -> str:
    return "fine"


@pytest.fixture(autouse=True)
def _strict() -> Iterator[None]:
    """A loop or a coroutine that is left behind says so when it is collected, and the test fails."""
    # What other tests have left behind is not to be found here.
    gc.collect()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
        gc.collect()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_result_and_the_error_are_the_works_own() -> None:
    async def fails() -> None:
        raise LookupError("none")

    assert run_async(fine) == "fine"
    with pytest.raises(LookupError, match="none"):
        run_async(fails)


def test_an_interrupt_while_the_loop_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[asyncio.AbstractEventLoop] = []
    make_pipe = asyncio.SelectorEventLoop._make_self_pipe  # type: ignore[attr-defined]

    def interrupted(loop: asyncio.SelectorEventLoop) -> None:
        made.append(loop)
        interrupt()
        make_pipe(loop)

    monkeypatch.setattr(asyncio.SelectorEventLoop, "_make_self_pipe", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_async(fine)
    assert made[0].is_closed()


def test_an_interrupt_while_the_loop_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[asyncio.AbstractEventLoop] = []
    close = asyncio.SelectorEventLoop.close

    def interrupted(loop: asyncio.SelectorEventLoop) -> None:
        interrupt()
        close(loop)
        closed.append(loop)

    monkeypatch.setattr(asyncio.SelectorEventLoop, "close", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_async(fine)
    assert closed


@pytest.mark.parametrize("sends", [interrupt, lambda: asyncio.get_running_loop().call_later(0.01, interrupt)])
def test_an_interrupt_cancels_the_work_which_cleans_up(sends: Callable[[], object]) -> None:
    cleaned = []

    async def work() -> None:
        sends()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append(True)

    with pytest.raises(KeyboardInterrupt):
        run_async(work)
    assert cleaned


def test_a_second_interrupt_does_not_wait_for_what_hangs() -> None:
    async def hangs() -> None:
        interrupt()
        try:
            await asyncio.Event().wait()
        finally:
            interrupt()
            await asyncio.Event().wait()

    with pytest.raises(KeyboardInterrupt):
        run_async(hangs)


def test_a_handler_of_somebody_else_stays() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert run_async(fine) == "fine"
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
