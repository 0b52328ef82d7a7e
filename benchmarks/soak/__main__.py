"""`python -m benchmarks.soak`: the options, the run, the tables, the exit status."""

import argparse
import asyncio
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import psycopg
import uvloop
from rich.console import Console

from benchmarks import soak as package
from benchmarks.soak import outcome, report
from benchmarks.soak.load import Load
from benchmarks.soak.measure import Soak, run_held, run_many
from benchmarks.soak.outcome import Outcome
from currant import CurrantError, settings
from currant.bench import checks, machine
from currant.bench.jobs import QUEUE
from currant.bench.node import Node
from currant.bench.plan import Plan
from currant.bench.results import Check
from currant.bench.server import is_same_machine
from currant.errors import ConfigurationError
from currant.store import bench_queries, migrate
from currant.store.connections import Connection, connect
from currant.store.scratch import scratch_database

FAILED, MISUSED, INTERRUPTED = 1, 2, 130


def main() -> int:
    """Returns the exit status: 0 when all checks hold."""
    options = _parse()
    console = Console(highlight=False)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        _check(options)
        url = settings.load({"database_url": options.database_url}).database_url
        with scratch_database(url, "soak") as scratch:
            console.print(scratch.line, soft_wrap=True)
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                found = runner.run(_soak(options, scratch.url, console, throwaway=url is None))
        report.show(found, console)
        if options.json is not None:
            options.json.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
    except ConfigurationError as error:
        console.print(f"soak: error: {error}", markup=False, soft_wrap=True)
        return MISUSED
    except (CurrantError, psycopg.Error, OSError) as error:
        console.print(f"soak: error: {error}", markup=False, soft_wrap=True)
        return FAILED
    except KeyboardInterrupt:
        console.print("interrupted: currantd has ended, and what was made for it is removed")
        return INTERRUPTED
    return 0 if all(check.ok for check in found.checks) else FAILED


async def _soak(options: argparse.Namespace, url: str, console: Console, *, throwaway: bool) -> Outcome:
    started = datetime.now(UTC).isoformat(timespec="seconds")
    plan = Plan(workers=options.workers, concurrency=options.concurrency)
    connection = await connect(url, "currant:soak")
    try:
        await migrate.migrate(connection)
        where = "throwaway" if throwaway else "same machine" if is_same_machine(connection) else "another machine"
        environment = await machine.environment(connection, where)
        with Node(plan, url, console) as node:
            await node.ready()
            soak = Soak(url, connection, Load(url, plan, node), console)
            chunks = await run_many(soak, options.jobs, options.chunk)
            found = [outcome.pace_kept(chunks), await _every_execution_once(connection, soak.load.enqueued)]
            stretches = await run_held(soak, options.held) if options.held else []
            if stretches:
                found += [
                    outcome.claims_bounded(stretches),
                    await _every_execution_once(connection, soak.load.enqueued - options.jobs),
                ]
    finally:
        await connection.close()
    return Outcome(
        started=started,
        command=sys.argv[1:],
        environment=environment,
        workers=plan.workers,
        concurrency=plan.concurrency,
        jobs=options.jobs,
        chunk=options.chunk,
        held_s=options.held,
        chunks=chunks,
        stretches=stretches,
        checks=found,
    )


async def _every_execution_once(connection: Connection, enqueued: int) -> Check:
    tally = await bench_queries.tally(connection, queues=[QUEUE])
    return checks.every_execution_once(
        enqueued=enqueued, lost=enqueued - tally.completed, doubled=tally.doubled, amiss=tally.amiss, left=0
    )


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=package.__doc__)
    parser.add_argument("--jobs", type=int, default=2_000_000, help="executions of the first part (2000000)")
    parser.add_argument("--chunk", type=int, default=100_000, help="look at the table after so many (100000)")
    parser.add_argument("--workers", type=int, default=2, help="child processes (2)")
    parser.add_argument("--concurrency", type=int, default=64, help="executions at a time in each (64)")
    parser.add_argument("--held", type=float, default=60.0, help="seconds of the long transaction; 0: none (60)")
    parser.add_argument("--json", type=Path, help="write the outcome to this file")
    parser.add_argument("--database-url", help="in a schema of its own; without it a throwaway Postgres")
    return parser.parse_args()


def _check(options: argparse.Namespace) -> None:
    for name in ("workers", "concurrency", "chunk"):
        if getattr(options, name) < 1:
            raise ConfigurationError(f"--{name} must be at least 1, got {getattr(options, name)}")
    if options.jobs < options.chunk:
        raise ConfigurationError(f"--jobs must be at least one --chunk, {options.chunk}, got {options.jobs}")
    if not 0 <= options.held <= 3600:
        raise ConfigurationError(f"--held must be from 0 to 3600 seconds, got {options.held:g}")
    if options.json is not None and not options.json.absolute().parent.is_dir():
        raise ConfigurationError(f"--json must name a file in a folder that exists, got {options.json}")


if __name__ == "__main__":
    sys.exit(main())
