"""The ledger test: what ran, as the jobs themselves wrote it down, against what the database says."""

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

LEFT_RUNNING = "left running"
WITH_LEASE = "with lease"


class Run(NamedTuple):
    """A line of the ledger."""

    what: str
    id: str
    lease: int
    attempt: int
    pid: int
    at: float


class LedgerFile:
    """The file to which jobs append; each line is parsed once, however often a test asks."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._lines: defaultdict[str, list[Run]] = defaultdict(list)

    def read(self) -> defaultdict[str, list[Run]]:
        """Returns the lines by their kind, in the order of their writing."""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            whole, newline, _ = file.read().rpartition(b"\n")
        self._offset += len(whole) + len(newline)
        for line in whole.decode().splitlines():
            what, id, lease, attempt, pid, at = line.split()
            self._lines[what].append(Run(what, id, int(lease), int(attempt), int(pid), float(at)))
        return self._lines


class Verdict(NamedTuple):
    """What the ledger test found. `lost` and `doubled` have a line for each execution, which says what is wrong."""

    executions: int
    lost: list[str]
    doubled: list[str]

    def check(self) -> None:
        """Raises AssertionError unless nothing is lost and nothing doubled."""
        assert not self.lost, f"{len(self.lost)} lost: {self.lost[:5]}"
        assert not self.doubled, f"{len(self.doubled)} doubled: {self.doubled[:5]}"


def judge(
    ids: Collection[str], rows: Sequence[tuple[Any, ...]], runs: Sequence[Run], twice: Collection[str]
) -> Verdict:
    """Finds what is lost and what doubled, at rest.

    Args:
        ids: executions whose enqueue was acknowledged.
        rows: id, status and function of all that the database has.
        runs: the starts in the ledger.
        twice: those that may have run more than once.
    """
    status = {id: state for id, state, _ in rows}
    ran = Counter(run.id for run in runs)
    lost = [f"{id}: no row" for id in ids if id not in status]
    lost += [f"{id}: {LEFT_RUNNING}" for id, state in status.items() if state == "running"]
    # A function that writes down one of its runs writes down each.
    writers = {function for id, _, function in rows if id in ran}
    lost += [
        f"{id}: completed, and never ran"
        for id, state, function in rows
        if state == "completed" and id not in ran and function in writers
    ]
    leases = Counter((run.id, run.lease) for run in runs)
    doubled = [f"{id}: ran {count} times {WITH_LEASE} {lease}" for (id, lease), count in leases.items() if count > 1]
    allowed = set(twice)
    doubled += [f"{id}: ran {count} times" for id, count in ran.items() if count > 1 and id not in allowed]
    return Verdict(len(rows), lost, doubled)
