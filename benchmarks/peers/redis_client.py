"""As much of a Redis client as the harness needs: it must not depend on a system's own."""

import socket
from typing import Any

from benchmarks.peers.errors import PeersError


def free_port() -> int:
    """Returns a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class Redis:
    """A connection, with one question at a time."""

    def __init__(self, port: int) -> None:
        self.url = f"redis://127.0.0.1:{port}/0"
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._reader = self._socket.makefile("rb")
        self._own_commands = 0

    def ask(self, *words: str) -> Any:
        """Returns the answer: text, a number, a list of them or None. Raises PeersError at an error of Redis."""
        self._own_commands += 1
        parts = [word.encode() for word in words]
        self._socket.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts))
        return self._answer()

    def _answer(self) -> Any:
        kind, rest = (line := self._reader.readline())[:1], line[1:].strip()
        if kind == b"+":
            return rest.decode()
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if int(rest) < 0 else self._reader.read(int(rest) + 2)[:-2].decode(errors="replace")
        if kind == b"*":
            return [self._answer() for _ in range(int(rest))]
        raise PeersError(f"Redis: {rest.decode(errors='replace') or 'it hung up'}")

    def version(self) -> str:
        """Returns the server's version."""
        lines: list[str] = self.ask("INFO", "server").splitlines()
        return next(line.split(":")[1] for line in lines if line.startswith("redis_version:"))

    def cpu_s(self) -> float:
        """Returns the processor seconds of the server and of what it forked."""
        fields = dict(line.split(":") for line in self.ask("INFO", "cpu").splitlines() if line.startswith("used_cpu_"))
        return sum(float(fields[f"used_cpu_{name}"]) for name in ("sys", "user", "sys_children", "user_children"))

    def commands(self) -> int:
        """Returns how many commands Redis has run for others."""
        for line in self.ask("INFO", "stats").splitlines():
            if line.startswith("total_commands_processed:"):
                return int(line.split(":")[1]) - self._own_commands
        raise PeersError("Redis does not say how many commands it ran")
