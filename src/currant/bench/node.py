"""The `currantd` that is measured: started, asked how it is, and ended again."""

import asyncio
import contextlib
import math
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

from rich.console import Console

from currant import settings
from currant.bench.plan import BenchFailed, Plan
from currant.bench.sampler import INTERVAL_PER_CHILD_S
from currant.errors import CurrantError
from currant.protocol.status import StatusReply
from currant.supervisor.asking import ask
from currant.supervisor.instance import SOCKET_NAME

#: How long the start may take, and so much more for each child.
BOOT_S, BOOT_PER_CHILD_S = 60.0, 0.5
#: How long nothing may move while something waits, beside what a job takes.
STALL_S = 30.0
#: How often currantd is asked, which costs it no statement.
POLL_S = 0.25
POLL_BOOT_S = 0.05
#: How often its metrics are asked for while it works, and how long they may take.
SCRAPE_S, SCRAPE_TIMEOUT_S = 1.0, 30.0
#: The grace period of its drain, and how long all of its end may take before it is killed.
GRACE_S, STOP_S = 1.0, 30.0
TAIL_LINES = 25
#: Between the attempts of jobs that are meant to fail.
RETRY_S = 0.1


class Node:
    """One `currantd` with its log and runtime directory in a temporary folder; a context, which it lives in."""

    def __init__(
        self,
        plan: Plan,
        url: str,
        console: Console,
        *,
        modules: str = "currant.bench.jobs",
        queues: Sequence[str] | None = None,
    ) -> None:
        """
        Args:
            queues: by default those of the plan.
        """
        self._plan, self._console = plan, console
        self._modules, self._queues = modules, plan.queue_names if queues is None else queues
        self._seen: tuple[float, StatusReply] | None = None
        self._metrics_url: str | None = None
        self._scraped_at = 0.0
        self._folder = tempfile.TemporaryDirectory(prefix="currant-bench-")
        self._runtime_dir = Path(self._folder.name) / "run"
        self._log = Path(self._folder.name) / "currantd.log"
        # In the environment, where other users cannot read the address's password.
        environment = settings.child_environment(see_database=True) | {settings.environment_name("database_url"): url}
        environment |= {
            settings.environment_name(name): str(value)
            for name, value in plan.switches._asdict().items()
            if value is not None
        }
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "currant.cli.tied", str(os.getpid()), *self._options()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,  # Ctrl-C is for the bench, which then ends this
            )

    def _options(self) -> list[str]:
        options = {
            "--modules": self._modules,
            "--queues": ",".join(self._queues),
            "--procs": self._plan.workers,
            "--concurrency": self._plan.concurrency,
            "--grace": GRACE_S,
            "--runtime-dir": self._runtime_dir,
            "--log-level": "info",
            "--log-format": "console",
        }
        if "fail" in dict(self._plan.job.parts):
            # Nothing happens between two attempts: it is the attempts that are measured.
            options |= {"--retry-base": RETRY_S, "--retry-max": RETRY_S}
        return [f"{name}={value}" for name, value in options.items()]

    async def ready(self) -> None:
        """Returns when all children are ready. Raises BenchFailed when it ends instead, or takes too long."""
        boot_s = BOOT_S + BOOT_PER_CHILD_S * self._plan.workers
        deadline = time.monotonic() + boot_s
        while True:
            self._check_alive()
            if (self._runtime_dir / SOCKET_NAME).exists():
                reply = await self._ask_early()
                if reply and reply.phase == "running" and all(child.state == "ready" for child in reply.children):
                    self._metrics_url = self._find_metrics()
                    return
            if time.monotonic() > deadline:
                raise BenchFailed(f"currantd was not ready within {boot_s:g} s")
            await asyncio.sleep(POLL_BOOT_S)

    async def _ask_early(self) -> StatusReply | None:
        try:
            return await self.status()
        except CurrantError:
            return None  # bound, and not listening yet

    async def until_ended(
        self,
        goal: Callable[[], int | None],
        *,
        enqueued: Callable[[], int],
        until_s: float = math.inf,
        seen: Callable[[StatusReply], None] = lambda reply: None,
        poll_s: float = POLL_S,
    ) -> bool:
        """Returns whether so many executions have their outcome in the database; False when the time is over first.

        Args:
            goal: how many; None as long as nobody knows.
            enqueued: how many there are by now: with none waiting, nothing ends, and that is no stall.
            until_s: by time.monotonic.
            seen: gets what currantd says of itself, each time.
            poll_s: how often it is asked; less often at very many children.

        Raises:
            BenchFailed: currantd ended, or nothing moved for longer than a job takes.
        """
        poll_s = max(poll_s, INTERVAL_PER_CHILD_S * self._plan.workers)
        job = self._plan.job
        stall_s = STALL_S + (job.sleep_ms + job.cpu_ms) / 1000
        last, moved_at = dict[str, int](), time.monotonic()
        while True:
            self._check_alive()
            reply = self._just_seen(poll_s) or await self.status()
            seen(reply)
            await self._scrape()
            done, wanted = ended(reply), goal()
            if wanted is not None and done >= wanted and reply.unsaved == 0:
                return True
            if time.monotonic() >= until_s:
                return False
            if reply.executions != last or done >= enqueued():
                last, moved_at = reply.executions, time.monotonic()
            if time.monotonic() - moved_at > stall_s:
                raise BenchFailed(
                    f"nothing moved for {stall_s:g} s: {done:,} of {enqueued():,} had ended, by currantd's word"
                )
            await asyncio.sleep(poll_s)

    async def rest(self, seconds: float) -> None:
        """Waits so long, and asks nothing. Raises BenchFailed when currantd ends meanwhile."""
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0:
            self._check_alive()
            await asyncio.sleep(min(left_s, POLL_S))

    def _find_metrics(self) -> str | None:
        """Returns where its metrics are, by its own word: the system chose the port."""
        found = re.search(r"metrics served.*?(http://\S+)", self._log.read_text(errors="replace"))
        return found and found[1]

    async def _scrape(self) -> None:
        """Gets its metrics, as Prometheus does, but once a second. Raises BenchFailed when they do not come."""
        if self._metrics_url is None or time.monotonic() - self._scraped_at < SCRAPE_S:
            return
        self._scraped_at = time.monotonic()
        try:
            await asyncio.to_thread(_get, self._metrics_url)
        except OSError as error:
            self._check_alive()
            raise BenchFailed(f"currantd's metrics did not come: {error}") from None

    async def status(self) -> StatusReply:
        """Returns what currantd says of itself. Raises BenchFailed when it has ended."""
        try:
            reply = await asyncio.to_thread(ask, self._runtime_dir / SOCKET_NAME, waiting=False)
            self._seen = time.monotonic(), reply
            return reply
        except CurrantError:
            # Its end of the socket goes a moment before the process is seen to have ended.
            with contextlib.suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(self._process.wait, 5.0)
            self._check_alive()
            raise

    def _just_seen(self, within_s: float) -> StatusReply | None:
        """Returns what it said to whoever asked last, unless that was long ago: each question costs it a little."""
        return self._seen[1] if self._seen and time.monotonic() - self._seen[0] < within_s else None

    def _check_alive(self) -> None:
        status = self._process.poll()
        if status is not None:
            raise BenchFailed(f"currantd ended by itself, with status {status}")

    def __enter__(self) -> "Node":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            status = self._stop()
            failed = error is None and status != 0
            # Not after Ctrl-C: that is no failure.
            if failed or isinstance(error, Exception):
                self._show_log()
            if failed:
                raise BenchFailed(f"currantd did its work and then did not end well: status {status}")
        finally:
            self._folder.cleanup()

    def _stop(self) -> int:
        """Has currantd drain, or kills it after 30 s; returns its exit status, also if it has ended before."""
        self._process.terminate()
        try:
            return self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def _show_log(self) -> None:
        lines = self._log.read_text(errors="replace").splitlines()
        self._console.print(f"the last of {len(lines)} lines that currantd logged:", style="bold")
        for line in lines[-TAIL_LINES:]:
            self._console.print("  " + line, markup=False, highlight=False, soft_wrap=True)


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=SCRAPE_TIMEOUT_S) as answer:  # noqa: S310, what currantd says is http
        body: bytes = answer.read()
        return body


def ended(reply: StatusReply) -> int:
    """Returns how many executions have come to their end by currantd's word."""
    return reply.executions["completed"] + reply.executions["failed"]
