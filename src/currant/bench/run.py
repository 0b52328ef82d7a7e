"""From the plan to the document, on a database of its own."""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime

import psycopg
import uvloop
from rich.console import Console

from currant.bench.machine import environment
from currant.bench.measure import Bench
from currant.bench.modes import capacity, enqueue, idle, phases, ramp, scale, steady, sweep
from currant.bench.outcomes import clock_offset_s
from currant.bench.plan import Plan
from currant.bench.repeats import merge
from currant.bench.results import Document, Section
from currant.bench.server import is_same_machine
from currant.errors import DatabaseError
from currant.store import migrate
from currant.store.connections import connect
from currant.store.scratch import scratch_database

Mode = Callable[[Bench, Plan], Awaitable[Section]]

#: By the words of `--mode`.
MODES: dict[str, Mode] = {
    "capacity": capacity.run,
    "steady": steady.run,
    "sweep": sweep.run,
    "scale": scale.run,
    "idle": idle.run,
    "ramp": ramp.run,
    "phases": phases.run,
    "enqueue": enqueue.run,
}


def run_bench(plan: Plan, url: str | None, console: Console, *, embedded: bool, command: Sequence[str]) -> Document:
    """Measures in a schema of its own of the user's database, or on a throwaway server where `url` is None.

    Args:
        embedded: the throwaway server was asked for, which is how it is announced.
        command: the options as given, for the document.

    Raises:
        BenchFailed: there is no result; the end of currantd's log has been shown.
        DatabaseError, ConfigurationError, EmbeddedError: the database cannot be used.
        KeyboardInterrupt: SIGINT or SIGTERM; all is taken down again.
    """
    try:
        with _interrupted_at_sigterm(), scratch_database(url, "bench") as scratch:
            reason = "--embedded is given: " if embedded else "" if url else "no CURRANT_DATABASE_URL is set: "
            console.print(reason + scratch.line, highlight=False, soft_wrap=True)
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                return runner.run(_measure(plan, scratch.url, console, throwaway=url is None, command=command))
    except psycopg.Error as error:
        raise DatabaseError(f"the database refused or left: {' '.join(str(error).split())}") from error


async def _measure(plan: Plan, url: str, console: Console, *, throwaway: bool, command: Sequence[str]) -> Document:
    """Runs all modes once, then all again: what others do on the machine then meets each of them."""
    started = datetime.now(UTC).isoformat(timespec="seconds")
    connection = await connect(url, "currant:bench")
    try:
        await migrate.migrate(connection)
        where = "throwaway" if throwaway else "same machine" if is_same_machine(connection) else "another machine"
        bench = Bench(url, connection, console, await environment(connection, where), await clock_offset_s(connection))
        sections: dict[str, list[Section]] = {mode: [] for mode in plan.modes}
        for number in range(plan.repeat):
            for mode in plan.modes:
                if plan.repeat > 1:
                    console.print(f"repetition {number + 1} of {plan.repeat}: {mode}", highlight=False)
                sections[mode].append(await MODES[mode](bench, plan))
        return Document(
            started=started,
            command=list(command),
            environment=bench.environment,
            sections=[merge(each) for each in sections.values()],
        )
    finally:
        await connection.close()


@contextlib.contextmanager
def _interrupted_at_sigterm() -> Iterator[None]:
    """Makes a SIGTERM, and the terminal's end, go the way of Ctrl-C, which takes everything down."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    # A shell without job control starts processes with SIGINT ignored: what is raised below would then be lost.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if before[number] is signal.SIG_DFL:
            signal.signal(number, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
