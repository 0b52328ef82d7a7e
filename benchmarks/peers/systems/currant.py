"""Currant, from this source tree.

`currantd --procs 2 --concurrency 64` and nothing else: the defaults, metrics on. Completed executions are kept with
their results, as by default. Bulk enqueue is `enqueue_many`. Its processes are the children of one node.
"""

import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from benchmarks.peers.peer import SCRIPTS, Peer, rows_left
from benchmarks.peers.servers import Place


class Currant(Peer):
    name = "currant"
    title = "Currant"
    settings = "`--concurrency 64`; rows and results kept"

    def install(self) -> None:
        """Nothing: this Python has it."""

    def version(self) -> str:
        return version("currant")

    def command(self, *arguments: str) -> list[str]:
        if arguments == ("prepare",):
            return [sys.executable, "-m", "currant", "migrate"]
        return [sys.executable, str(SCRIPTS / "currant_peer.py"), *arguments]

    def environment(self, place: Place) -> Mapping[str, str]:
        return {"PYTHONPATH": str(SCRIPTS), "CURRANT_DATABASE_URL": place.url}

    def workers(self, processes: int) -> Sequence[list[str]]:
        options = ["--modules=currant_app", f"--procs={processes}", "--concurrency=64"]
        return [[sys.executable, str(SCRIPTS / "currant_node.py"), *options]]

    def left(self, place: Place, *, guess: bool) -> int:
        return rows_left(place, "executions", "status <> 'completed'", guess=guess)

    def doubled(self, place: Place, jobs: int, notes: Path) -> int:
        """By each row's attempts: what was given back unstarted has a second lease, and still its first attempt."""
        return place.number("SELECT count(*) FROM executions WHERE attempt <> 1 OR crashes <> 0")
