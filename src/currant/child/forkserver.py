"""The fork server: imports the user's modules once and forks children that share their memory.

No event loop, no threads: a process that forks must have neither. It waits in poll() for the supervisor's messages and
for the ends of its children. It ends when the supervisor does, and its children with it.
"""

import contextlib
import errno
import gc
import os
import random
import select
import signal
import socket
import sys
import time
import traceback
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple, NoReturn

from currant import proc
from currant.child import audit, fresh, system
from currant.child.imports import import_modules
from currant.child.link import EXIT_PROTOCOL
from currant.child.logs import ChildLogging
from currant.child.serve import serve
from currant.child.strays import END_S, Strays
from currant.errors import ProtocolError
from currant.new_executions import new_execution
from currant.protocol import frames
from currant.protocol.control import (
    CONTROL_BYTES_MAX,
    Boot,
    Exited,
    Fork,
    Forked,
    ForkFailed,
    FromForkServer,
    Schedule,
    ServerHello,
    to_fork_server_decoder,
)
from currant.protocol.descriptors import receive_with_fds, send_with_fds
from currant.registry import registry

_EXIT_IMPORT_FAILED = 1
#: What is told of a child whose status someone else took: user code that ignores SIGCHLD, say.
_STATUS_UNKNOWN = 255


def main(fd: int, parent: int) -> int:
    """Serves the supervisor `parent` on the inherited socket `fd`; returns the exit code."""
    system.leave_signals_to_supervisor()
    if not system.die_with_parent(parent):
        return 0
    # Inherited by exec, and not to be inherited by the user's subprocesses.
    os.set_inheritable(fd, False)
    server = ForkServer(socket.socket(fileno=fd))
    try:
        return server.run()
    except ProtocolError as error:
        print(f"currant: the fork server ends, its supervisor sent nonsense: {error}", file=sys.stderr)  # noqa: T201
        return EXIT_PROTOCOL
    except OSError as error:
        # The supervisor is gone, or the system refuses what we cannot do without.
        if not isinstance(error, ConnectionError):
            traceback.print_exc()
        return 0 if isinstance(error, ConnectionError) else EXIT_PROTOCOL
    finally:
        server.kill_children()
        system.flush_stdio()
        if server.is_unfit:
            # The user's threads would be waited for.
            os._exit(0)


class _Child(NamedTuple):
    child: int
    pid: int


class ForkServer:
    """The socket to the supervisor, and the children by their pidfds."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._reader = frames.FrameReader(to_fork_server_decoder, CONTROL_BYTES_MAX)
        #: What came with each Fork: its socket and its cells, or None when we had no room for them.
        self._pairs: deque[tuple[int, int] | None] = deque()
        self._inbox: deque[Boot | Fork] = deque()
        self._children: dict[int, _Child] = {}
        #: It must not fork: the modules have started threads, or opened sockets.
        self.is_unfit = False
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        self._strays = Strays(self._poll)

    def run(self) -> int:
        """Boots, then forks on request until the socket ends; returns the exit code.

        Raises:
            ProtocolError: the supervisor sent what does not belong here.
            ConnectionError: the supervisor is gone.
        """
        boot = self._wait_for_boot()
        if boot is None:
            return 0
        fresh.install()
        self._logging = ChildLogging(boot.log_format)
        if boot.import_late:
            hello = ServerHello([], [])
        else:
            sockets = audit.open_sockets()
            failure = import_modules(boot.modules)
            if failure is not None:
                self._send(failure)
                return _EXIT_IMPORT_FAILED
            # The modules may have set handlers of their own.
            system.leave_signals_to_supervisor()
            hello = _hello(audit.unfit_for_forking(sockets))
            self.is_unfit = bool(hello.unfit)
        system.adopt_orphans()
        self._strays.spare_present()
        gc.collect()
        gc.freeze()
        self._send(hello)
        while True:
            self._fork_as_asked(boot)
            for fd, _ in self._poll.poll(self._strays.wait_ms()):
                if fd == self._socket.fileno():
                    if not self._receive():
                        return 0
                    continue
                if not self._strays.take(fd):
                    self._reap(fd)
                self._strays.look([child.pid for child in self._children.values()])
            self._strays.kill_late()

    def kill_children(self) -> None:
        """Kills them, and what they leave behind; returns when they are gone, or soon."""
        for pidfd in self._children:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        until = time.monotonic() + END_S
        for pidfd, child in self._children.items():
            ended = select.poll()
            ended.register(pidfd, select.POLLIN)
            if ended.poll(max(0.0, 1000 * (until - time.monotonic()))):
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(child.pid, os.WNOHANG)
        self._strays.kill_all()

    def _wait_for_boot(self) -> Boot | None:
        while not self._inbox:
            if not self._receive():
                return None
        boot = self._inbox.popleft()
        if not isinstance(boot, Boot):
            raise ProtocolError(f"the first message must be Boot, got {type(boot).__name__}")
        return boot

    def _receive(self) -> bool:
        """Reads what has arrived; returns False at the end of the stream."""
        data, fds, some_lost = receive_with_fds(self._socket)
        if some_lost:
            _close_all(fds)
            self._pairs.append(None)
        else:
            self._pairs.extend(zip(fds[::2], fds[1::2], strict=False))
        self._inbox.extend(self._reader.feed(data))
        return bool(data)

    def _send(self, message: FromForkServer, fds: list[int] | None = None) -> None:
        send_with_fds(self._socket, frames.encode(message, CONTROL_BYTES_MAX), fds or [])

    def _fork_as_asked(self, boot: Boot) -> None:
        while self._inbox:
            message = self._inbox.popleft()
            if not isinstance(message, Fork) or not self._pairs:
                raise ProtocolError(f"expected Fork with two descriptors, got {type(message).__name__}")
            pair = self._pairs.popleft()
            if pair is None:
                self._send(ForkFailed(message.child, os.strerror(errno.EMFILE)))
            else:
                self._fork(boot, message, *pair)

    def _fork(self, boot: Boot, asked: Fork, socket_fd: int, cells_fd: int) -> None:
        server = os.getpid()
        system.flush_stdio()
        try:
            pid = os.fork()
            if pid == 0:
                self._become_child(server, boot, asked, socket_fd, cells_fd)
            self._watch(asked.child, pid)
        except OSError as error:
            self._send(ForkFailed(asked.child, str(error)))
        finally:
            _close_all((socket_fd, cells_fd))

    def _watch(self, child: int, pid: int) -> None:
        try:
            pidfd = os.pidfd_open(pid)
        except OSError:
            # Out of descriptors. A child that cannot be watched must not run.
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise
        self._children[pidfd] = _Child(child, pid)
        self._poll.register(pidfd, select.POLLIN)
        self._send(Forked(child, pid), [pidfd])

    def _reap(self, pidfd: int) -> None:
        child, pid = self._children.pop(pidfd)
        self._poll.unregister(pidfd)
        os.close(pidfd)
        # Before it is reaped: nobody knows afterwards.
        cpu_s = proc.cpu_s(pid)
        try:
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        except ChildProcessError:
            status = _STATUS_UNKNOWN
        self._send(Exited(child, pid, status, cpu_s))

    def _become_child(self, server: int, boot: Boot, asked: Fork, socket_fd: int, cells_fd: int) -> NoReturn:
        """Lives the child's life. Nothing escapes: an exception would go on as a second fork server."""
        code = EXIT_PROTOCOL
        try:
            self._close_in_child()
            signal.set_wakeup_fd(-1)
            system.leave_signals_to_supervisor()
            system.offer_to_oom_killer()
            system.adopt_orphans()
            random.seed()
            sock = socket.socket(fileno=socket_fd)
            self._logging.set_level(asked.log_level)
            code = serve(sock, cells_fd, boot, asked.place, self._logging) if system.die_with_parent(server) else 0
        except BaseException:
            with contextlib.suppress(BaseException):
                traceback.print_exc()
        finally:
            try:
                system.flush_stdio()
            finally:
                os._exit(code)

    def _close_in_child(self) -> None:
        # Also what has arrived for siblings: with a copy here, the end of such a socket would never be seen.
        self._socket.close()
        _close_all(self._children)
        _close_all(self._strays.descriptors)
        for pair in self._pairs:
            _close_all(pair or ())


def _hello(unfit: list[str]) -> ServerHello:
    keeps = [keep for each in registry for keep in (each.keep_completed_s, each.keep_failed_s) if keep]
    return ServerHello(
        functions=sorted(each.name for each in registry),
        queues=sorted({each.queue for each in registry}),
        keep_s_min=min(keeps, default=None),
        stop_hooks=bool(registry.stop_hooks),
        schedules=_schedules(),
        unfit=unfit,
    )


def _schedules() -> list[Schedule]:
    return [
        Schedule(each.cron, each.timezone, new_execution(each, b"[]", b"{}"))
        for each in registry
        if each.cron is not None
    ]


def _close_all(fds: Iterable[int]) -> None:
    for fd in fds:
        os.close(fd)
