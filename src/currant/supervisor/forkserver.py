"""The fork server as the supervisor sees it: a process started by exec, and the messages to and from it."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from currant.errors import ModuleImportFailed, ProtocolError
from currant.lines import resolved
from currant.protocol import frames
from currant.protocol.control import (
    CONTROL_BYTES_MAX,
    Boot,
    Exited,
    Fork,
    Forked,
    ForkFailed,
    FromForkServer,
    ImportFailed,
    ServerHello,
    ToForkServer,
    from_fork_server_decoder,
)
from currant.protocol.descriptors import receive_with_fds, send_with_fds
from currant.settings import Settings, child_environment, working_directory
from currant.supervisor.loglevel import LogLevel


class Streams(NamedTuple):
    """The descriptors that are to be a fork server's standard output and error; None: as this process's."""

    stdout: int | None = None
    stderr: int | None = None


OWN_STREAMS = Streams()


class StartForkServer(Protocol):
    """Starts a fork server's process."""

    def __call__(self, *, import_late: bool = False) -> "ForkServer":
        """With `import_late`, the modules are imported by each child for itself.

        Raises:
            OSError: the system refuses.
        """


class ForkServer:
    """One generation of it. Start it before the event loop where possible; `attach` it to the loop afterwards."""

    def __init__(
        self,
        boot: Boot,
        environment: Mapping[str, str],
        directory: str | None = None,
        log_level: LogLevel | None = None,
        streams: Streams = OWN_STREAMS,
    ) -> None:
        """Starts the process, which begins to import the modules at once.

        Args:
            directory: where it runs; where this process does if None.
            log_level: what children begin with.
            streams: its standard output and error, and its children's.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "currant.child", "--fd", str(theirs.fileno()), "--parent", str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=streams.stdout,
                stderr=streams.stderr,
                pass_fds=[theirs.fileno()],
                env=dict(environment),
                cwd=directory,
                start_new_session=True,
            )
        self._log_level = log_level or LogLevel()
        self._socket = ours
        self._reader: frames.FrameReader[FromForkServer] = frames.FrameReader(
            from_fork_server_decoder, CONTROL_BYTES_MAX
        )
        self._fds: list[int] = []
        self._send(boot)
        self._hello: asyncio.Future[ServerHello] | None = None
        self._on_forked: Callable[[Forked, int], None] = lambda message, pidfd: os.close(pidfd)
        self._on_message: Callable[[ForkFailed | Exited], None] = lambda message: None
        self._on_ended: Callable[[], None] = lambda: None
        self._closed = False

    @property
    def pid(self) -> int:
        return self._process.pid

    async def attach(
        self,
        *,
        boot_timeout_s: float,
        forked: Callable[[Forked, int], None],
        message: Callable[[ForkFailed | Exited], None],
        ended: Callable[[], None],
    ) -> ServerHello:
        """Waits for the modules to be imported.

        Args:
            forked: gets each new child's pid and its pidfd, which it then owns.
            message: gets what else the fork server reports.
            ended: called once when the fork server is gone without having been closed.

        Raises:
            ModuleImportFailed: a module cannot be imported, or not in time; the text holds the traceback.
        """
        self._on_forked, self._on_message, self._on_ended = forked, message, ended
        loop = asyncio.get_running_loop()
        self._hello = loop.create_future()
        self._socket.setblocking(False)
        loop.add_reader(self._socket.fileno(), self._readable)
        try:
            async with asyncio.timeout(boot_timeout_s):
                hello = await self._hello
        except TimeoutError:
            await self.close()
            raise ModuleImportFailed(
                f"importing the modules took longer than {boot_timeout_s:g} s (CURRANT_BOOT_TIMEOUT_S)"
            ) from None
        if self._closed:
            raise ModuleImportFailed("the fork server ended when it had imported the modules")
        return hello

    def fork(self, child: int, place: int, fds: Sequence[int]) -> None:
        """Asks for a child in a place, which gets these descriptors: its end of its socket, and its cells.

        They may be closed afterwards.
        """
        self._send(Fork(child, place, self._log_level.name), fds)

    def kill(self) -> None:
        """Ends it, and with it its children, as a crash would: `ended` is called."""
        self._process.kill()

    async def close(self) -> None:
        """Ends the fork server and, with it, its children."""
        self._detach()
        self._socket.close()
        if self._process.returncode is not None:
            return
        try:
            await asyncio.to_thread(self._process.wait, 2.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)

    def _send(self, message: ToForkServer, fds: Sequence[int] = ()) -> None:
        try:
            # These frames are small and the fork server reads them at once.
            send_with_fds(self._socket, frames.encode(message, CONTROL_BYTES_MAX), list(fds))
        except OSError:
            pass  # its end is noticed by the reader

    def _readable(self) -> None:
        # To the end: where data and an error wait together, libuv tells only once.
        while not self._closed and self._read():
            pass

    def _read(self) -> bool:
        """Takes what one read gives; returns whether there may be more."""
        try:
            data, fds, some_lost = receive_with_fds(self._socket)
        except BlockingIOError:
            return False
        except OSError:
            data, fds, some_lost = b"", [], False
        self._fds += fds
        if some_lost:
            # A child that cannot be watched must not run, and which one it is cannot be told any more: the end of all.
            data = b""
        try:
            for message in self._reader.feed(data):
                self._take(message)
        except ProtocolError:
            data = b""
        if not data and not self._closed:
            self._end()
        return bool(data)

    def _take(self, message: FromForkServer) -> None:
        assert self._hello is not None
        match message:
            case ServerHello():
                if not self._hello.done():
                    self._hello.set_result(message)
            case ImportFailed():
                text = f"cannot import {message.module}: {message.message}"
                if message.traceback:
                    text += f"\n\n{message.traceback.rstrip()}"
                # Its end, which follows, is no news.
                self._detach()
                if not self._hello.done():
                    self._hello.set_exception(ModuleImportFailed(text))
            case Forked() if not self._fds:
                # Not the fork server's word, but that of a module which it imports.
                raise ProtocolError("a child without its descriptor")
            case Forked():
                self._on_forked(message, self._fds.pop(0))
            case ForkFailed() | Exited():
                self._on_message(message)

    def _end(self) -> None:
        self._detach()
        # One that closed its socket and lives on is of no use. Of one that has ended, this only reads the status.
        self._process.kill()
        status = self._process.wait()
        if self._hello is not None and not self._hello.done():
            self._hello.set_exception(
                ModuleImportFailed(f"the fork server ended while it imported the modules: {describe_status(status)}")
            )
            return
        self._on_ended()

    def _detach(self) -> None:
        if not self._closed:
            self._closed = True
            if self._hello is not None:
                asyncio.get_running_loop().remove_reader(self._socket.fileno())
            for fd in self._fds:
                os.close(fd)
            self._fds.clear()


def fork_server_starter(settings: Settings, log_level: LogLevel, streams: Streams = OWN_STREAMS) -> StartForkServer:
    """Returns what starts fork servers: the first one before there is an event loop.

    They start in the directory of this moment, by its name: a symlink that is switched to a new release is followed.
    """
    directory = working_directory()

    def start(*, import_late: bool = False) -> ForkServer:
        boot = Boot(
            list(settings.modules),
            settings.concurrency,
            settings.payload_bytes_max,
            settings.grace_s,
            import_late=import_late,
            log_format=resolved(settings.log_format, terminal=sys.stderr.isatty()),
        )
        environment = child_environment(see_database=settings.children_see_database)
        return ForkServer(boot, environment, directory, log_level, streams)

    return start


def describe_status(status: int | None) -> str:
    """Returns how a process ended, for people: `signal 9 (SIGKILL)` or `exit code 1`."""
    if status is None:
        return "for a reason that nobody reported"
    if status >= 0:
        return f"exit code {status}"
    try:
        return f"signal {-status} ({signal.Signals(-status).name})"
    except ValueError:
        return f"signal {-status}"
