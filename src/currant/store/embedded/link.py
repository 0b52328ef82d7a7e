"""The starter's end of a watcher: its process, the pipe that says "still wanted", and what it reports."""

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path

from currant.errors import EmbeddedError
from currant.store.embedded import watcher
from currant.store.embedded.watcher import Order

# Longer than the watcher's own limits, which are the ones with a good message.
START_S = watcher.START_S + 5.0
STOP_S = 25.0


class WatcherLink:
    """A watcher at work. It takes this process's death or the pipe's end for a release."""

    def __init__(self, order: Order) -> None:
        self._unread = b""
        try:
            self._process = subprocess.Popen(
                # By path and isolated: neither the environment nor the current directory can change what it runs.
                [sys.executable, "-I", "-S", str(Path(watcher.__file__).resolve()), json.dumps(order._asdict())],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd="/",
                pass_fds=() if order.lock is None else (order.lock,),
                start_new_session=True,  # Ctrl-C is for the starter
            )
        except OSError as error:
            raise EmbeddedError(f"the watcher of the embedded Postgres cannot be started: {error}") from error

    def wait_ready(self) -> None:
        """Waits until the server takes connections, at most START_S; raises EmbeddedError with the reason if not."""
        event, reason = self._read_event(time.monotonic() + START_S)
        if event != "ready":
            raise EmbeddedError(f"the embedded Postgres did not start: {reason}")

    def release(self) -> None:
        """Says that this process needs the server no more. Waits until it ended or turns out to be used by others.

        Takes at most about STOP_S; a watcher that has not ended by then is killed, and Postgres with it.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(OSError):  # a forked child may hold the pipe, so closing it may say nothing
            self._process.stdin.write(b"release")
        deadline = time.monotonic() + STOP_S
        event = "ready"
        while event in ("ready", "failed"):  # reports of a start that was given up
            event, _ = self._read_event(deadline)
        if event != "shared":
            self._reap()
        self._process.stdin.close()
        self._process.stdout.close()

    def _reap(self) -> None:
        try:
            self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(5.0)

    def _read_event(self, deadline: float) -> tuple[str, str]:
        """The next report as (event, reason); "ended" when the watcher is gone, "late" after `deadline`."""
        assert self._process.stdout is not None
        output = self._process.stdout.fileno()
        poll = select.poll()
        poll.register(output, select.POLLIN)
        while b"\n" not in self._unread:
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                return "late", "its watcher says nothing"
            chunk = os.read(output, 65536)
            if not chunk:
                return "ended", "its watcher ended"
            self._unread += chunk
        line, self._unread = self._unread.split(b"\n", 1)
        report = json.loads(line)
        return report["event"], report["reason"]
