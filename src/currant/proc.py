"""What Linux says of a process in /proc."""

from pathlib import Path
from typing import NamedTuple


class Stat(NamedTuple):
    """Of /proc/PID/stat what we need. `state`: a letter, see proc(5)."""

    state: str
    parent: int
    session: int


def stat(pid: int) -> Stat | None:
    """Returns what a process does and whose it is; None when it is gone, or no descriptor is left to look with."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    # The name in parentheses may hold anything, also spaces and parentheses.
    state, parent, _, session, *_ = text.rpartition(b")")[2].split()
    return Stat(state.decode(), int(parent), int(session))
