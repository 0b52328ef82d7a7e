"""The jobs that the bench runs, and which of them. The module needs the registry alone, as little as a user's could.

What is given to the functions as `payload` is there for its size alone. Those that return something return the moment,
in Unix time of this machine, at which they began.
"""

import asyncio
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from currant.errors import ConfigurationError
from currant.registry import Definition, registry

QUEUE = "currant-bench"
KINDS = ("noop", "sleep", "cpu", "io", "fail", "mixed")
#: What `mixed` is made of when nothing else is asked.
MIX = (("noop", 0.6), ("sleep", 0.2), ("cpu", 0.1), ("io", 0.1))
#: A run in which nothing ends for 30 s is taken for one that hangs; the last retry of five comes after 16 s.
SLEEP_MS_MAX, RETRIES_MAX = 20_000.0, 5
#: All that a child has at a time hold its event loop, one after the other, which must answer now and then.
CPU_MS_MAX = 250.0
IO_BYTES_MAX = 64 << 20
#: How often a job that is not meant to fail may be tried again.
_RETRIES = 3
#: A busy loop looks at the clock after so many turns, some 10 µs.
_TURNS = 500


@dataclass(frozen=True, kw_only=True)
class JobSpec:
    """What each job does. A parameter counts where its kind is run."""

    kind: str = "noop"
    sleep_ms: float = 50.0
    #: Of the thread's own CPU time.
    cpu_ms: float = 5.0
    #: Sent through a socket pair, and read at its other end.
    io_bytes: int = 4096
    #: The share of the jobs of the kind `fail` that do, in each of their runs.
    fail_percent: float = 100.0
    #: How often one that fails is tried again before it has failed for good.
    retries: int = 1
    #: The kinds that `mixed` is made of, and their shares, which make 1.
    mix: tuple[tuple[str, float], ...] = ()

    @property
    def parts(self) -> tuple[tuple[str, float], ...]:
        """The kinds that are run, none of which is `mixed`, and the share of each."""
        return self.mix or MIX if self.kind == "mixed" else ((self.kind, 1.0),)

    @property
    def text(self) -> str:
        """The kind with its parameters, as in `sleep 50 ms`."""
        if self.kind != "mixed":
            return self._text_of(self.kind)
        return "mixed: " + ", ".join(f"{100 * share:.3g} % {self._text_of(kind)}" for kind, share in self.parts)

    def _text_of(self, kind: str) -> str:
        match kind:
            case "sleep":
                return f"sleep {self.sleep_ms:g} ms"
            case "cpu":
                return f"cpu {self.cpu_ms:g} ms"
            case "io":
                return f"io {self.io_bytes:,} bytes"
            case "fail":
                return f"fail {self.fail_percent:g} %, {self.retries} {'retry' if self.retries == 1 else 'retries'}"
            case _:
                return kind


def make_spec(
    kind: str | None = None,
    *,
    sleep_ms: float | None = None,
    cpu_ms: float | None = None,
    io_bytes: int | None = None,
    fail_percent: float | None = None,
    retries: int | None = None,
    mix: str | None = None,
) -> JobSpec:
    """Returns what the options ask for; None stands for one that is not given.

    Args:
        mix: as in `noop=70,sleep=30`.

    Raises:
        ConfigurationError: an option breaks its rule, or belongs to a kind that is not run.
    """
    spec = JobSpec(kind=kind or "noop", mix=() if mix is None else _mix(mix))
    if spec.kind not in KINDS:
        raise ConfigurationError(f"--job-type must be {', '.join(KINDS[:-1])} or {KINDS[-1]}, got {kind}")
    if mix is not None and spec.kind != "mixed":
        raise ConfigurationError("--mix needs --job-type mixed")
    run = {part for part, _ in spec.parts}
    for option, value, of in (
        ("--sleep-ms", sleep_ms, "sleep"),
        ("--cpu-ms", cpu_ms, "cpu"),
        ("--io-bytes", io_bytes, "io"),
        ("--fail-percent", fail_percent, "fail"),
        ("--retries", retries, "fail"),
    ):
        if value is not None and of not in run:
            raise ConfigurationError(f"{option} needs --job-type {of}, or mixed with it in --mix")
    _check("--sleep-ms", sleep_ms, 0, SLEEP_MS_MAX)
    _check("--cpu-ms", cpu_ms, 0, CPU_MS_MAX)
    _check("--io-bytes", io_bytes, 1, IO_BYTES_MAX)
    _check("--fail-percent", fail_percent, 0, 100)
    _check("--retries", retries, 0, RETRIES_MAX)
    return JobSpec(
        kind=spec.kind,
        sleep_ms=spec.sleep_ms if sleep_ms is None else sleep_ms,
        cpu_ms=spec.cpu_ms if cpu_ms is None else cpu_ms,
        io_bytes=spec.io_bytes if io_bytes is None else io_bytes,
        fail_percent=spec.fail_percent if fail_percent is None else fail_percent,
        retries=spec.retries if retries is None else retries,
        mix=spec.mix,
    )


def _mix(text: str) -> tuple[tuple[str, float], ...]:
    kinds = KINDS[:-1]
    try:
        parts = {kind.strip(): float(part) for kind, part in (each.split("=") for each in text.split(","))}
    except ValueError:
        parts = {}
    good = parts and all(kind in kinds and 0 < part <= 1e9 for kind, part in parts.items())
    if not good or len(parts) != len(text.split(",")):
        raise ConfigurationError(
            f"--mix must have different ones of {', '.join(kinds)}, each with a number greater than 0,"
            f" as in noop=70,sleep=30, got {text}"
        )
    return tuple((kind, part / sum(parts.values())) for kind, part in parts.items())


def _check(option: str, value: float | None, low: float, high: float) -> None:
    if value is not None and not low <= value <= high:
        raise ConfigurationError(f"{option} must be from {low:g} to {high:,.0f}, got {value:g}")


async def noop(payload: object = None) -> None:
    """Does nothing, at once."""


async def stamp(payload: object = None) -> float:
    """Does nothing but look at the clock: what a paced run runs in place of `noop`."""
    return time.time()


async def sleep(ms: float, payload: object = None) -> float:
    """Waits, as for a service elsewhere."""
    began_s = time.time()
    await asyncio.sleep(ms / 1000)
    return began_s


async def cpu(ms: float, payload: object = None) -> float:
    """Computes for so much of the thread's CPU time: on a busy machine that takes longer."""
    began_s = time.time()
    until_s = time.thread_time() + ms / 1000
    while time.thread_time() < until_s:
        for _ in range(_TURNS):
            pass
    return began_s


async def io(size: int, payload: object = None) -> float:
    """Sends so many bytes through a pair of sockets, and reads them at the other end."""
    began_s = time.time()
    loop = asyncio.get_running_loop()
    near, far = socket.socketpair()
    with near, far:
        near.setblocking(False)
        far.setblocking(False)
        sending = asyncio.ensure_future(loop.sock_sendall(near, bytes(size)))
        left = size
        while left:
            left -= len(await loop.sock_recv(far, 1 << 16))
        await sending
    return began_s


class MeantToFail(Exception):
    """What a job of the kind `fail` raises."""


async def fail(fails: bool, payload: object = None) -> float:
    """Fails, if it is meant to."""
    if fails:
        raise MeantToFail("this job was asked to fail")
    return time.time()


def _define(function: Callable[..., Any]) -> Definition:
    definition = Definition(
        name=f"currant.bench.{function.__name__}",
        function=function,
        queue=QUEUE,
        retries=_RETRIES,
        timeout_s=None,
        priority=5,
    )
    registry.add(definition)
    return definition


NOOP, STAMP, SLEEP = _define(noop), _define(stamp), _define(sleep)
CPU, IO, FAIL = _define(cpu), _define(io), _define(fail)
