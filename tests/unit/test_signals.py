"""Signals that come while the loop is made: none is lost, and none breaks it."""

import asyncio
import functools
import os
import signal
from collections.abc import Iterator

import pytest
import uvloop

from currant.supervisor import signals


@pytest.fixture(autouse=True)
def _handlers_as_before() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in signals.SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", signals.ENDS)
def test_a_stop_that_comes_before_the_loop_runs_is_asked_for_when_it_does(number: signal.Signals) -> None:
    asked: list[signal.Signals] = []
    both = asyncio.Event()

    def ask(each: signal.Signals) -> None:
        asked.append(each)
        if len(asked) == 2:
            both.set()

    async def serve() -> None:
        asks = {each: functools.partial(ask, each) for each in signals.ENDS}
        signals.answer(asyncio.get_running_loop(), asks, came)
        os.kill(os.getpid(), signal.SIGINT)
        await both.wait()

    came = signals.hold()
    os.kill(os.getpid(), number)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(serve(), 60))
    assert sorted(asked) == sorted([number, signal.SIGINT])


def test_a_stop_whose_exception_was_swallowed_is_asked_for_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("atexit.register", lambda _: None)
    signals.answer_before_start()
    with pytest.raises(SystemExit):
        os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGINT)
    assert signals.hold() == [signal.SIGTERM, signal.SIGINT]
