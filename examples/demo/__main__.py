"""`python -m examples.demo`, from the root of the repository."""

import argparse
import asyncio
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType

import psycopg
from rich.console import Console
from rich.text import Text

from currant import CurrantError, settings
from currant.store.scratch import scratch_database
from examples import demo
from examples.demo import daemon, database, report, views
from examples.demo.daemon import CURRANTD, RETRY_BASE_S, Currantd, Surprise
from examples.demo.day import Day
from examples.demo.plan import Plan, make_plan

INTERRUPTED = 130
START_S = 30.0
SCALE_MAX = 100.0

NEXT = """Next:
  make bench                                         how fast this machine is, next to what its Postgres can do
  .venv/bin/currantd --embedded -m examples.shop     the same shop on a database that stays: see examples/shop.py"""


def main() -> int:
    options = _parse()
    console = Console(highlight=False)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        _demonstrate(console, make_plan(options.scale), embedded=options.embedded)
    except (Surprise, CurrantError, psycopg.Error) as error:
        console.print(Text.assemble(("demo: error: ", "bold red"), str(error)), soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("interrupted; nothing is left behind")
        return INTERRUPTED
    return 0


def _demonstrate(console: Console, plan: Plan, *, embedded: bool) -> None:
    url = None if embedded else settings.load().database_url
    with scratch_database(url, "demo") as scratch, tempfile.TemporaryDirectory(prefix="currant-demo-") as folder:
        console.print(f"[bold]A day at the shop of examples/shop.py[/]\n{scratch.line}\n", soft_wrap=True)
        console.print("[dim]$[/] currant migrate")
        daemon.run_migrate(scratch.url)
        console.print(f"[dim]$[/] CURRANT_RETRY_BASE_S={RETRY_BASE_S} {' '.join(CURRANTD)}\n", soft_wrap=True)
        with daemon.started(scratch.url, Path(folder)) as currantd:
            # Where `.queue()` and `enqueue_many` find the database, at the first call.
            os.environ["CURRANT_DATABASE_URL"] = scratch.url
            try:
                asyncio.run(_run(console, plan, scratch.url, currantd))
            except Exception:
                console.print("\n[bold]the end of currantd's log:[/]")
                console.print(currantd.last_lines(), markup=False, soft_wrap=True)
                raise
            finally:
                _ignore_interrupts()


async def _run(console: Console, plan: Plan, url: str, currantd: Currantd) -> None:
    begun_at = time.monotonic()
    async with await database.connect(url) as connection:
        await _wait_started(connection, currantd)
        console.print(f"currantd is up after {time.monotonic() - begun_at:.1f} s, and customers come\n")
        with views.view(console, plan) as show:
            last = await Day(plan, connection).run(show, currantd.check)
        currantd.stop()
        seen = await report.make_report(connection)
    if wrong := report.surprises(seen, plan):
        raise Surprise("\n".join(["what happened is not what had to happen:", *wrong]))
    report.show(console, seen, plan, last.elapsed_s)
    console.print("currantd stopped on SIGTERM, with exit status 0\n")
    console.print(NEXT, markup=False, soft_wrap=True)


async def _wait_started(connection: database.Connection, currantd: Currantd) -> None:
    deadline = time.monotonic() + START_S
    while not await database.nodes(connection):
        currantd.check()
        if time.monotonic() > deadline:
            raise Surprise(f"currantd has not begun to work within {START_S:g} s")
        await asyncio.sleep(0.02)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m examples.demo", description=demo.__doc__)
    parser.add_argument("--scale", type=_scale, default=1.0, metavar="N", help="N times the jobs; 1 if not given")
    parser.add_argument(
        "--embedded", action="store_true", help="a throwaway Postgres, even with CURRANT_DATABASE_URL set"
    )
    return parser.parse_args()


def _scale(text: str) -> float:
    try:
        scale = float(text)
    except ValueError:
        scale = 0.0
    if not 0 < scale <= SCALE_MAX:
        raise argparse.ArgumentTypeError(f"must be a number greater than 0 and at most {SCALE_MAX:g}, got {text}")
    return scale


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Does what a Ctrl-C does."""
    handler = signal.getsignal(signal.SIGINT)
    if callable(handler):
        handler(signal.SIGINT, frame)
    else:
        raise KeyboardInterrupt


def _ignore_interrupts() -> None:
    """From here on all is being removed, which takes a few seconds at most: another Ctrl-C must not leave the rest."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    sys.exit(main())
