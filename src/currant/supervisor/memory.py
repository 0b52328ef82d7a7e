"""Whether a process that was killed was killed because memory ran out: the kernel counts that."""

from collections.abc import Sequence
from pathlib import Path

from currant.supervisor.forkserver import describe_status

_KILLED = -9
_PROC = Path("/proc/self")
#: Where a machine that has no control group of memory counts.
_WHOLE_MACHINE = Path("/proc/vmstat")


def counters(proc: Path = _PROC, whole_machine: Path = _WHOLE_MACHINE) -> list[Path]:
    """Returns the files that may count the kills for want of memory in this process's control group, the best first."""
    try:
        groups = [line.split(":", 2) for line in (proc / "cgroup").read_text().splitlines()]
        mounts = [line.split() for line in (proc / "mountinfo").read_text().splitlines()]
    except OSError:
        return [whole_machine]
    found = []
    for _, controllers, group in groups:
        second = not controllers
        if not second and "memory" not in controllers.split(","):
            continue
        for fields in mounts:
            kind, _, options = fields[fields.index("-") + 1 :][:3]
            if kind != ("cgroup2" if second else "cgroup") or not (second or "memory" in options.split(",")):
                continue
            # A container sees its own group as the root of the mount, or below the root's path.
            below = group.removeprefix(fields[3]) if fields[3] != "/" else group
            folder = Path(fields[4]) / below.lstrip("/")
            found.append(folder / ("memory.events" if second else "memory.oom_control"))
    return [*found, whole_machine]


def kills(files: Sequence[Path]) -> int | None:
    """Returns how many kills the first of the files that tells has counted; None when none does."""
    for file in files:
        try:
            for line in file.read_text().splitlines():
                name, _, value = line.partition(" ")
                if name == "oom_kill":
                    return int(value)
        except (OSError, ValueError):
            continue
    return None


class Memory:
    """Tells of a child's death whether memory was short. Two deaths need two kills."""

    def __init__(self, files: Sequence[Path] | None = None) -> None:
        self._files = counters() if files is None else files
        self._seen = self._looked = kills(self._files) or 0

    def look(self) -> None:
        """What had been killed at the last call is no child whose death is still to be told: to be called regularly."""
        self._seen = max(self._seen, self._looked)
        self._looked = kills(self._files) or 0

    def describe(self, status: int | None) -> str:
        """Returns how a child ended, for people; to be called once for each that did."""
        told = describe_status(status)
        if status != _KILLED or (kills(self._files) or 0) <= self._seen:
            return told
        self._seen += 1
        return f"{told}: out of memory"
