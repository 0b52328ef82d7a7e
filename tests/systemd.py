"""systemd as a node knows it: the socket to which it reports."""

import secrets
import select
import socket
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from tests.support import HANGS_S


class Manager:
    """A service manager that listens, and does nothing else."""

    def __init__(self, *, abstract: bool) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="currant-notify-")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        #: As NOTIFY_SOCKET has it.
        self.address = f"@currant-{secrets.token_hex(8)}" if abstract else str(Path(self._folder.name) / "notify")
        self._name = self.address.replace("@", "\0") if abstract else self.address
        self._socket.bind(self._name)

    def __enter__(self) -> "Manager":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()
        self._folder.cleanup()

    def next(self) -> dict[str, str]:
        """Waits for a message and returns its assignments."""
        assert self.hears(HANGS_S), "no message came"
        return self.take()

    def hears(self, within_s: float) -> bool:
        """Whether a message comes in that time."""
        return bool(select.select([self._socket], [], [], within_s)[0])

    def take(self) -> dict[str, str]:
        """Returns the assignments of the next message, or none when there is no message."""
        try:
            text = self._socket.recv(1 << 16).decode()
        except BlockingIOError:
            return {}
        assert not text.endswith("\n")
        return dict(line.split("=", 1) for line in text.split("\n"))

    def drain(self) -> list[dict[str, str]]:
        """Returns all messages that are there."""
        found = []
        while message := self.take():
            found.append(message)
        return found

    def fill(self) -> None:
        """Has others send until there is no room for one message more."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as other:
            with suppress(BlockingIOError):
                while True:
                    other.sendto(b"STATUS=another's", self._name)
