"""The folder of a server: which one, and whether it can be used.

It is private (0700) and holds data/, log, server.lock and the socket, .s.PGSQL.5432; a kept one also holds users and
watcher.lock.
"""

import os
import secrets
import socket
import tempfile
from pathlib import Path
from urllib.parse import quote

from currant.errors import EmbeddedError
from currant.store.embedded.accounts import Account, allowed, first_blocked
from currant.store.embedded.watcher import DATA, PORT, SOCKET, SUPERUSER, THROWAWAY_PREFIX, USERS, postmaster_status

SOCKET_BYTES_MAX = 107  # sockaddr_un of Linux holds 108 with the final zero


def throwaway_folder(account: Account) -> Path:
    """A new name for a throwaway folder, where the account can make it. Raises EmbeddedError when there is no place."""
    bases = dict.fromkeys((Path(tempfile.gettempdir()).resolve(), Path("/tmp").resolve()))  # noqa: S108
    for base in bases:
        folder = base / f"{THROWAWAY_PREFIX}{secrets.token_hex(8)}"
        if _socket_bytes(folder) <= SOCKET_BYTES_MAX and _can_make(folder, account):
            return folder
    tried = ", ".join(map(str, bases))
    raise EmbeddedError(
        f"no place for a throwaway server (tried {tried}): set TMPDIR to a short path of a directory that "
        f"{account.name} can write to"
    )


def check_kept(folder: Path, account: Account) -> None:
    """Raises EmbeddedError when a server cannot live in `folder`, which need not exist; changes nothing."""
    if _socket_bytes(folder) > SOCKET_BYTES_MAX:
        raise EmbeddedError(
            f"the path of the data directory is too long for a Unix socket in it: with {SOCKET} it has "
            f"{_socket_bytes(folder)} bytes, and {SOCKET_BYTES_MAX} are allowed: {folder}"
        )
    if "," in str(folder):
        raise EmbeddedError(f"the path of the data directory cannot hold a comma, which parts hosts in a URL: {folder}")
    blocked = first_blocked(folder, account) if account.foreign else None
    if blocked is not None:
        raise EmbeddedError(
            f"Postgres does not run as root but as {account.name}, and {account.name} cannot pass {blocked}, which is "
            f"on the way to the data directory {folder}: choose a data directory elsewhere, such as /var/lib/currant"
        )


def prepare_kept(folder: Path, account: Account) -> None:
    """Makes the folder, private and owned by the account, or takes an empty one, or finds one of ours.

    Raises EmbeddedError for one that holds other things, that is not ours, or that the account cannot reach.
    """
    check_kept(folder, account)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_kept(folder, account)  # the parents made just now have the modes of the caller's umask
    if (folder / USERS).exists():  # the first file that a start makes
        _check_owner(folder, account)
        return
    if any(folder.iterdir()):
        raise EmbeddedError(f"{folder} holds other things than an embedded server: choose an empty data directory")
    if account.foreign:
        os.chown(folder, account.uid, account.gid)
    _check_owner(folder, account)
    folder.chmod(0o700)


def url_of(folder: Path) -> str:
    """The libpq URL of the server in `folder`."""
    # The port is named because libpq would take it from PGPORT.
    return f"postgresql://{SUPERUSER}@/postgres?host={quote(str(folder), safe='')}&port={PORT}"


def answers(folder: Path) -> bool:
    """Whether a server runs in `folder` and takes connections."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(folder / SOCKET))
        except OSError:
            return False
    # In this order: who listens has rewritten the file of the server before it.
    return postmaster_status(str(folder / DATA))[1] == "ready"


def _socket_bytes(folder: Path) -> int:
    return len(os.fsencode(folder / SOCKET))


def _can_make(folder: Path, account: Account) -> bool:
    if not account.foreign:
        return os.access(folder.parent, os.W_OK | os.X_OK)
    return first_blocked(folder, account) is None and bool(allowed(folder.parent.stat(), account) & os.W_OK)


def _check_owner(folder: Path, account: Account) -> None:
    owner = folder.stat().st_uid
    if owner != account.uid:
        raise EmbeddedError(f"{folder} belongs to uid {owner}, and the server would run as {account.name}")
