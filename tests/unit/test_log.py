"""The log: its formats, its level, its repeats, and what nobody reads."""

import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from currant.cli import writer
from currant.cli.log import TOLD_MAX, Limit, make_log
from currant.errors import ConfigurationError
from currant.lines import renderer
from currant.supervisor.events import Event, Log
from currant.supervisor.loglevel import LogLevel
from currant.supervisor.repeats import KINDS_MAX, QUIET_S, Repeats
from tests.nodes import eventually

KEPT, SENT = 100, 5000


def test_lines_that_nobody_reads_are_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    monkeypatch.setattr(writer, "LINES_MAX", KEPT)
    with os.fdopen(writing, "w") as pipe:
        monkeypatch.setattr(sys, "stderr", pipe)
        written = make_log(LogLevel("info"))
        # More than the pipe and the queue hold.
        for number in range(SENT):
            written.info(f"line {number} of those that nobody reads", more="x" * 100)
        told = b""

        def accounted_for() -> bool:
            nonlocal told
            try:
                told += os.read(reading, 1 << 16)
            except BlockingIOError:
                pass
            text = told.decode()
            dropped = [int(count) for count in re.findall(r'"event": "lines dropped", "lines": (\d+)}', text)]
            return bool(dropped) and sum(dropped) + text.count("that nobody reads") == SENT

        eventually(accounted_for)
    os.close(reading)


class Pipe:
    """Standard error, and what has been written to it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self._reading, writing = os.pipe()
        os.set_blocking(self._reading, False)
        self._stream = os.fdopen(writing, "w")
        self._text = ""

    def make_log(self, level: LogLevel | None = None, form: str = "auto") -> Log:
        self._monkeypatch.setattr(sys, "stderr", self._stream)
        return make_log(level or LogLevel(), form)

    def lines(self, count: int) -> list[str]:
        """Waits for so many lines, and returns all that have come."""

        def came() -> bool:
            try:
                self._text += os.read(self._reading, 1 << 20).decode()
            except BlockingIOError:
                pass
            return self._text.count("\n") >= count

        eventually(came)
        return self._text.splitlines()

    def close(self) -> None:
        self._stream.close()
        os.close(self._reading)


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipe]:
    pipe = Pipe(monkeypatch)
    yield pipe
    pipe.close()


class Odd:
    def __str__(self) -> str:
        raise ValueError("no text of mine")


#: What no line may be broken by, and what JSON does not have.
ODD: dict[str, Any] = {
    "text": 'two\nlines, "quoted" \x1b[31m \udc80',
    "number": float("nan"),
    "odd": Odd(),
    "bytes": b"\xff",
    "keys": {(1, 2): {3}},
}


def test_off_a_terminal_each_line_is_one_json_object(pipe: Pipe) -> None:
    log = pipe.make_log()
    log.warning(Event.CHILD_DIED, child=1, reason="exit code 9", restart_in_s=0.5)
    log.error(Event.RELOAD_FAILED, **ODD)
    first, second = map(json.loads, pipe.lines(2))
    moment = first.pop("timestamp")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", moment)
    assert list(first.items()) == [
        ("level", "warning"),
        ("event", "child died"),
        ("child", 1),
        ("reason", "exit code 9"),
        ("restart_in_s", 0.5),
    ]
    assert (second["text"], second["number"]) == (ODD["text"], "nan")
    assert second["odd"] == "<unprintable: ValueError>"


def test_on_a_terminal_lines_are_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        monkeypatch.delenv("NO_COLOR", raising=False)
        monkeypatch.setenv("TERM", "xterm")
        make_log(LogLevel()).warning(Event.CHILD_DIED, reason="exit code 9")
        told = os.read(ours, 1000).decode()
        while "\n" not in told:
            told += os.read(ours, 1000).decode()
    os.close(ours)
    assert not told.startswith("{")
    assert "\x1b[" in told
    assert "child died" in told


@pytest.mark.parametrize("form", ["logfmt", "console"])
def test_other_formats_can_be_asked_for(pipe: Pipe, form: str) -> None:
    log = pipe.make_log(form=form)
    log.warning(Event.CHILD_DIED, reason="exit code 9")
    log.warning(Event.CHILD_DIED, **(ODD if form == "logfmt" else {}))
    line, *more = pipe.lines(2)
    assert len(more) == 1
    assert "\x1b" not in line
    assert ('event="child died" reason="exit code 9"' in line) == (form == "logfmt")
    assert "child died" in line


def test_the_level_can_be_changed_while_the_log_is_in_use(pipe: Pipe) -> None:
    level = LogLevel("warning")
    log = pipe.make_log(level)
    log.info(Event.READY)
    level.set("debug")
    log.debug(Event.RELOADING)
    level.set("error")
    log.warning(Event.DRAINING)
    log.error(Event.FENCED)
    assert [json.loads(line)["event"] for line in pipe.lines(2)] == [Event.RELOADING, Event.FENCED]
    with pytest.raises(ConfigurationError, match="must be debug, info, warning or error, got loud"):
        level.set("loud")


def test_what_repeats_itself_is_told_some_times_and_counted(pipe: Pipe) -> None:
    log = pipe.make_log()
    for _ in range(TOLD_MAX + 100):
        log.warning(Event.CHILD_DIED)
        log.warning(Event.STACKS)
    log.info(Event.STOPPED)
    told = [json.loads(line)["event"] for line in pipe.lines(2 * TOLD_MAX + 101)]
    assert told.count(Event.CHILD_DIED) == TOLD_MAX
    assert told.count(Event.STACKS) == TOLD_MAX + 100
    assert told.count(Event.STOPPED) == 1


def _limit(monkeypatch: pytest.MonkeyPatch) -> tuple[Limit, Callable[[float], None]]:
    now = [0.0]
    monkeypatch.setattr("currant.cli.log.time.monotonic", lambda: now[0])
    limit = Limit(renderer("json"))

    def pass_time(seconds: float) -> None:
        now[0] += seconds

    return limit, pass_time


def _repeat(limit: Limit, times: int) -> list[dict[str, Any]]:
    """Returns the fields of those that were let through."""
    admitted = []
    for _ in range(times):
        try:
            admitted.append(dict(limit.admit({"event": Event.CHILD_DIED})))
        except structlog.DropEvent:
            pass
    return admitted


def test_the_next_line_says_how_many_were_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    limit, pass_time = _limit(monkeypatch)
    assert len(_repeat(limit, TOLD_MAX + 7)) == TOLD_MAX
    pass_time(QUIET_S)
    assert _repeat(limit, 2) == [{"event": Event.CHILD_DIED, "left_out": 7}, {"event": Event.CHILD_DIED}]


def test_where_no_line_follows_a_line_of_its_own_says_how_many_were_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    limit, pass_time = _limit(monkeypatch)
    _repeat(limit, TOLD_MAX + 7)
    assert limit.overdue() == []
    pass_time(QUIET_S)
    (line,) = limit.overdue()
    fields = json.loads(line)
    assert (fields["event"], fields["of"], fields["lines"]) == (Event.LEFT_OUT, Event.CHILD_DIED, 7)
    assert limit.overdue(last=True) == []
    _repeat(limit, TOLD_MAX + 3)
    assert json.loads(limit.overdue(last=True)[0])["lines"] == 3


def test_any_number_of_kinds_is_bounded() -> None:
    repeats = Repeats(lambda: 0.0)
    for number in range(10 * KINDS_MAX):
        assert repeats.admit(number) == 0
    # The oldest are forgotten, the newest are not.
    assert repeats.admit(0) == 0
    assert repeats.admit(10 * KINDS_MAX - 1) is None
