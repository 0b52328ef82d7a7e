"""File locks (flock): they belong to an open file, so a killed process cannot leave one behind."""

import fcntl
import os
import time
from pathlib import Path

from currant.errors import EmbeddedError
from currant.store.embedded.accounts import Account

POLL_S = 0.02


def open_lock(path: Path, account: Account) -> int:
    """Opens a lock file, made for `account` if it is missing; gives the descriptor, not yet locked.

    An existing file is never given to another owner: whoever owns the folder could have linked any file there.
    """
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        lock = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return os.open(path, flags)
    if account.foreign:
        os.fchown(lock, account.uid, account.gid)
    return lock


def try_lock(lock: int, mode: int) -> bool:
    """Locks if that needs no waiting; `mode` is fcntl.LOCK_SH or fcntl.LOCK_EX."""
    try:
        fcntl.flock(lock, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def wait_lock(lock: int, mode: int, *, deadline: float, busy: str) -> None:
    """Locks before `deadline` (of time.monotonic), or raises EmbeddedError with `busy` as its text."""
    while not try_lock(lock, mode):
        if time.monotonic() >= deadline:
            raise EmbeddedError(busy)
        time.sleep(POLL_S)
