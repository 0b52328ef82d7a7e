"""What the harness asks of a system: how its script is started, and where what it did can be counted.

Every system has one script in its own language (`scripts/`), run in its own environment, with these commands:

    prepare           makes the tables
    many N            enqueues N no-op jobs by the bulk API, prints the seconds that took
    single N          enqueues N no-op jobs one after the other, prints the seconds that took
    pace RATE SECONDS enqueues `stamp` jobs one by one at that rate, each with its intended moment as the argument;
                      before them one with 0, which is not noted: a process' first enqueue makes connections and such
    hold              enqueues one `hold` job
    work              is one worker, until SIGTERM

It finds the server in PEER_URL, its number of processes in PEER_PROCESSES and a folder for its notes in PEER_NOTES: a
worker process appends a line there for each `stamp` (the milliseconds since the intended moment) and each `hold` (its
process id), and at its end how many no-op jobs it ran.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.peers import notes as notes_of
from benchmarks.peers.environments import node_environment, node_program, output, python_environment
from benchmarks.peers.servers import Place

SCRIPTS = Path(__file__).parent / "scripts"


class Peer(ABC):
    """One system."""

    #: As on the command line, and as its package is called.
    name: str
    #: As in the results.
    title: str
    #: `postgres` or `redis`.
    server = "postgres"
    #: What differs from its defaults, a few words for the table.
    settings: str
    #: At most so many jobs are drained: the slow ones would take all day.
    jobs_max = 1_000_000

    @abstractmethod
    def install(self) -> None:
        """Makes its environment, unless it is there. Raises PeersError."""

    @abstractmethod
    def version(self) -> str:
        """Returns the version that is installed."""

    @abstractmethod
    def command(self, *arguments: str) -> list[str]:
        """Returns the command line of its script."""

    @abstractmethod
    def left(self, place: Place, *, guess: bool) -> int:
        """Returns how many jobs are not done; with `guess`, cheaply and roughly."""

    def environment(self, place: Place) -> Mapping[str, str]:
        """Returns what its script needs in its environment besides the common."""
        return {}

    def workers(self, processes: int) -> Sequence[list[str]]:
        """Returns the command lines that make so many worker processes."""
        return [self.command("work")] * processes

    def doubled(self, place: Place, jobs: int, notes: Path) -> int:
        """Returns how many of the jobs ran more than once, when all are done and the workers have ended."""
        return notes_of.ran(notes) - jobs


class PythonPeer(Peer):
    """One whose script is Python, in a virtual environment of its own."""

    script: str

    def install(self) -> None:
        self._python = python_environment(self.name) / "bin" / "python"

    def version(self) -> str:
        return output(
            [str(self._python), "-c", f"from importlib.metadata import version; print(version('{self.name}'))"]
        )

    def command(self, *arguments: str) -> list[str]:
        return [str(self._python), str(SCRIPTS / self.script), *arguments]


class NodePeer(Peer):
    """One whose script is JavaScript, with packages of its own."""

    script: str

    def install(self) -> None:
        self._folder = node_environment(self.name)

    def version(self) -> str:
        package = self._folder / "node_modules" / self.name / "package.json"
        return str(json.loads(package.read_text())["version"])

    def command(self, *arguments: str) -> list[str]:
        return [node_program(self._folder), str(SCRIPTS / self.script), *arguments]

    def environment(self, place: Place) -> Mapping[str, str]:
        return {"PEER_ENV": str(self._folder), "NODE_ENV": "production"}


def rows_left(place: Place, table: str, condition: str, *, guess: bool) -> int:
    """Returns how many rows of the table fulfil the condition; with `guess`, from a fiftieth of its pages."""
    sample, factor = (" TABLESAMPLE SYSTEM (2)", 50) if guess else ("", 1)
    # Names and conditions of the systems' modules, nothing from outside.
    return place.number(f"SELECT count(*) FROM {table}{sample} WHERE {condition}") * factor  # noqa: S608
