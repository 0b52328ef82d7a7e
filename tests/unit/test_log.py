"""The log's writer: what nobody reads is dropped, and counted."""

import os
import re
import sys

import pytest

from currant.cli import log
from tests.nodes import eventually

KEPT, SENT = 100, 5000


def test_lines_that_nobody_reads_are_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    monkeypatch.setattr(log, "LINES_MAX", KEPT)
    with os.fdopen(writing, "w") as pipe:
        monkeypatch.setattr(sys, "stderr", pipe)
        written = log.make_log("info")
        # More than the pipe and the queue hold.
        for number in range(SENT):
            written.info("a line of some length that nobody reads", number=number, more="x" * 100)
        told = b""

        def accounted_for() -> bool:
            nonlocal told
            try:
                told += os.read(reading, 1 << 16)
            except BlockingIOError:
                pass
            text = told.decode()
            dropped = [int(count) for count in re.findall(r"^(\d+) lines were dropped here", text, re.MULTILINE)]
            return bool(dropped) and sum(dropped) + text.count("that nobody reads") == SENT

        eventually(accounted_for)
    os.close(reading)
