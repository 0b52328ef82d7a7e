"""`python -m benchmarks.peers`: measures Currant and other job queues on this machine, by turns, and prints a table."""

import argparse
import signal
import sys
from pathlib import Path

from benchmarks.peers.errors import PeersError
from benchmarks.peers.page import renewed
from benchmarks.peers.results import Document, decode, encode, merged
from benchmarks.peers.run import CASES, Plan, run
from benchmarks.peers.systems import PEERS
from benchmarks.peers.tables import ratios, tables
from currant.errors import CurrantError


def main() -> int:
    """Returns the exit status: 1 if something could not be measured, 2 if the options make no sense."""
    parser = _parser()
    options = parser.parse_args()
    try:
        plan = Plan(
            peers=[PEERS[name] for name in _names(options.peers, list(PEERS), "--peers")],
            cases=_names(options.cases, list(CASES), "--cases"),
            jobs=_numbers(options.jobs, "--jobs", least=1000),
            rounds=_numbers(options.rounds, "--rounds", least=1)[0],
            rate=_numbers(options.rate, "--rate", least=1)[0],
            seconds=_numbers(options.seconds, "--seconds", least=1)[0],
            idle_processes=_numbers(options.idle_processes, "--idle-processes", least=1),
            wait_s=float(_numbers(options.wait, "--wait", least=1)[0]),
            database_url=options.database_url,
        )
    except PeersError as error:
        parser.error(str(error))
    # A shell without job control starts processes with SIGINT ignored: what is raised below would be lost.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # SIGTERM goes the way of Ctrl-C, which ends the servers and the workers.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        if options.show:
            document = merged([decode(Path(name).read_bytes()) for name in options.show.split(",")])
        else:
            document = run(plan, sys.argv[1:], lambda line: print(line, file=sys.stderr, flush=True))
        _write(document, options.json, options.page)
    except (PeersError, CurrantError, OSError) as error:
        print(f"benchmarks.peers: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(tables(document))
    print(ratios(document, "currant"))
    failures = [f"{system.title}: {failure}" for system in document.systems for failure in system.failures]
    print("\n".join(failures), file=sys.stderr)
    return 1 if failures else 0


def _write(document: Document, json: Path | None, page: Path | None) -> None:
    if json:
        json.write_bytes(encode(document))
    if page:
        page.write_text(renewed(page.read_text(), document))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--peers", default=",".join(PEERS), metavar="NAMES", help="of %(default)s, as a comma list")
    parser.add_argument("--cases", default=",".join(CASES), metavar="NAMES", help="of %(default)s, as a comma list")
    parser.add_argument(
        "--jobs", default="20000,200000", metavar="N", help="backlogs to drain; slow systems get none of the large"
    )
    parser.add_argument("--rounds", default="3", metavar="N", help="how often all is measured; medians count")
    parser.add_argument("--rate", default="100", metavar="N", help="jobs a second in the latency case")
    parser.add_argument("--seconds", default="20", metavar="N", help="how long the latency and idle cases last")
    parser.add_argument("--idle-processes", default="2,10", metavar="N", help="worker processes of the idle case")
    parser.add_argument("--wait", default="90", metavar="SECONDS", help="how long the crash cases wait for the job")
    parser.add_argument(
        "--database-url", metavar="URL", help="a Postgres that lets us make databases; else a throwaway"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all rounds' figures there")
    parser.add_argument("--page", type=Path, metavar="FILE", help="renew the tables of this page, docs/peers.md")
    parser.add_argument("--show", metavar="FILES", help="measure nothing: show these files of --json, a comma list")
    return parser


def _names(text: str, known: list[str], option: str) -> list[str]:
    names = [name for name in text.split(",") if name]
    for name in names:
        if name not in known:
            raise PeersError(f"{option}: there is no {name!r}; known are {', '.join(known)}")
    if not names:
        raise PeersError(f"{option} must name at least one of {', '.join(known)}")
    return names


def _numbers(text: str, option: str, *, least: int) -> list[int]:
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        raise PeersError(f"{option} must be a whole number, got {text!r}") from None
    if min(numbers) < least:
        raise PeersError(f"{option} must be at least {least}, got {min(numbers)}")
    return numbers


if __name__ == "__main__":
    sys.exit(main())
