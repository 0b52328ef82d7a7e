"""Processor time, from /proc: on a machine that others use too it says more than the clock."""

import os
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
#: Fields of /proc/PID/stat after the name: the parent; user and system time, its own and its reaped children's.
_PARENT, _TIMES = 1, slice(11, 15)


def postmaster_cpu_s(backend: int) -> float:
    """Returns the seconds of the Postgres server of this backend; 0 where it is not on this machine."""
    try:
        postmaster = int(_fields(backend)[_PARENT])
        reaped = _seconds(_fields(postmaster)[_TIMES])
    except (OSError, ValueError, IndexError):
        return 0.0
    return reaped + sum(_seconds(fields[_TIMES]) for fields in _all().values() if int(fields[_PARENT]) == postmaster)


def process_tree(root: int) -> set[int]:
    """Returns a process and all that descend from it."""
    parents = {pid: int(fields[_PARENT]) for pid, fields in _all().items()}
    tree = {root}
    while grown := {pid for pid, parent in parents.items() if parent in tree} - tree:
        tree |= grown
    return tree


def _all() -> dict[int, list[str]]:
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                found[int(folder.name)] = _fields(int(folder.name))
            except OSError:
                continue  # it has just ended
    return found


def _fields(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _seconds(ticks: list[str]) -> float:
    return sum(map(int, ticks)) / _TICKS_PER_S
