"""Under which account the server runs, and where that account can go. Postgres refuses to run as root."""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

UNPRIVILEGED = "nobody"
UNPRIVILEGED_ID = 65534  # what Linux itself uses when no account is named


@dataclass(frozen=True, slots=True)
class Account:
    """The account of the server. `foreign`: not the caller's own, so the watcher has to change to it."""

    uid: int
    gid: int
    name: str
    foreign: bool


def account_for(folder: Path | None = None) -> Account:
    """The caller's own account; for root, the owner of an existing `folder`, or `nobody`."""
    uid = os.geteuid()
    if uid != 0:
        return Account(uid, os.getegid(), _name(uid), foreign=False)
    if folder is not None and folder.exists():
        info = folder.stat()
        if info.st_uid != 0:
            return Account(info.st_uid, info.st_gid, _name(info.st_uid), foreign=True)
    try:
        entry = pwd.getpwnam(UNPRIVILEGED)
    except KeyError:
        return Account(UNPRIVILEGED_ID, UNPRIVILEGED_ID, f"uid {UNPRIVILEGED_ID}", foreign=True)
    return Account(entry.pw_uid, entry.pw_gid, entry.pw_name, foreign=True)


def first_blocked(path: Path, account: Account) -> Path | None:
    """The first directory above `path` that the account cannot pass, judged by owner and mode (no access lists).

    Directories that do not exist yet are not in the way.
    """
    for directory in reversed(path.parents):
        try:
            info = directory.stat()
        except FileNotFoundError:
            return None
        if not allowed(info, account) & os.X_OK:
            return directory
    return None


def allowed(info: os.stat_result, account: Account) -> int:
    """What the account may do with a file, as the sum of os.R_OK, os.W_OK and os.X_OK."""
    mode = stat.S_IMODE(info.st_mode)
    if info.st_uid == account.uid:
        return (mode >> 6) & 7
    if info.st_gid == account.gid:
        return (mode >> 3) & 7
    return mode & 7


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
