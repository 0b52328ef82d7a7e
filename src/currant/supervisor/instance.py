"""One supervisor per runtime directory: its lock, which names the node for the one that comes after it."""

import fcntl
import os
import stat
from pathlib import Path

import msgspec

from currant.errors import ConfigurationError
from currant.protocol.frames import UNDECODABLE

LOCK_NAME = "currantd.lock"
SOCKET_NAME = "control.sock"
#: sockaddr_un of Linux holds 108 bytes with the final zero.
SOCKET_PATH_BYTES_MAX = 107


class Holder(msgspec.Struct):
    """Who holds the lock, or held it last. `node` is None after a clean end."""

    pid: int
    node: str | None = None


class Instance:
    """The locked runtime directory."""

    def __init__(self, folder: Path, fd: int, last: Holder | None) -> None:
        self.folder = folder
        self._fd = fd
        #: The node of the supervisor before, when it did not end cleanly: dead for certain.
        self.last_node = last.node if last else None

    @property
    def socket_path(self) -> Path:
        return self.folder / SOCKET_NAME

    def record(self, node: str | None) -> None:
        """Writes this process and its node into the lock file."""
        body = msgspec.json.encode(Holder(os.getpid(), node))
        os.pwrite(self._fd, body, 0)
        os.ftruncate(self._fd, len(body))

    def close(self) -> None:
        """Gives the directory free; what `record` said last is for the next one."""
        os.close(self._fd)


def acquire(folder: Path) -> Instance:
    """Takes the runtime directory, which is made private if it is missing.

    Raises:
        ConfigurationError: another supervisor has it, or it cannot be used.
    """
    path = folder / LOCK_NAME
    if len(os.fsencode(folder / SOCKET_NAME)) > SOCKET_PATH_BYTES_MAX:
        raise ConfigurationError(
            f"CURRANT_RUNTIME_DIR is too long for a Unix socket in it ({SOCKET_PATH_BYTES_MAX} bytes): {folder}"
        )
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_private(folder)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise ConfigurationError(
            f"the runtime directory {folder} cannot be used ({error.strerror}):"
            " choose another with --runtime-dir or CURRANT_RUNTIME_DIR"
        ) from None
    last = _read(fd)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        holder = f"pid {last.pid}" if last else "another process"
        raise ConfigurationError(
            f"a supervisor runs in {folder} already ({holder}): stop it,"
            " or give a second one a directory of its own with --runtime-dir or CURRANT_RUNTIME_DIR"
        ) from None
    return Instance(folder, fd, last)


def check_private(folder: Path) -> None:
    """Raises ConfigurationError when others can enter the directory, or have put it, or a link to it, there."""
    for found in (folder.lstat(), folder.stat()):
        if found.st_uid != os.geteuid():
            raise ConfigurationError(
                f"the runtime directory {folder} belongs to uid {found.st_uid}, not to this user:"
                " choose a private directory with --runtime-dir or CURRANT_RUNTIME_DIR"
            )
    # Not made private here: what others may have put into it by now stays.
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & 0o077:
        raise ConfigurationError(
            f"the runtime directory {folder} is open to other users (mode {mode:04o}): make it private with"
            f" `chmod 700 {folder}` (RuntimeDirectoryMode=0700 in systemd), or choose another with --runtime-dir or"
            " CURRANT_RUNTIME_DIR"
        )


def _read(fd: int) -> Holder | None:
    try:
        return msgspec.json.decode(os.pread(fd, 4096, 0), type=Holder)
    except UNDECODABLE:
        return None
