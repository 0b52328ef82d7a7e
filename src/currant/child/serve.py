"""The life of a child, from its fork to its exit code."""

import asyncio
import contextlib
import os
import socket

import uvloop

from currant import backends
from currant.child.backend import SocketBackend
from currant.child.link import Link
from currant.child.runner import Runner
from currant.child.threads import Threads
from currant.protocol.cells import Cells
from currant.protocol.control import Boot
from currant.protocol.work import Hello, Overrun, Reply, Results, ToChild
from currant.registry import registry

#: How long the executions of a child without a supervisor may clean up.
_GOODBYE_S = 0.5


def serve(sock: socket.socket, cells_fd: int, boot: Boot, child: int) -> int:
    """Runs what comes over the socket until it is closed; returns the exit code. `child` is the number of its place."""
    cells = Cells(cells_fd)
    os.close(cells_fd)
    loop = uvloop.new_event_loop()
    exit_codes: list[int] = []

    def receive(message: ToChild) -> None:
        if isinstance(message, Reply | Results):
            backend.receive(message)
        else:
            runner.receive(message)

    def stop(code: int) -> None:
        exit_codes.append(code)
        backend.close()
        loop.stop()

    link = Link(boot.payload_bytes_max, receive, stop)
    threads = Threads(f"currant-{child}", lambda cell: link.send(Overrun(cell)))
    runner = Runner(link.send, registry.get, cells, boot.concurrency, boot.payload_bytes_max, loop, threads)
    backend = SocketBackend(link.send, runner, payload_bytes_max=boot.payload_bytes_max, loop=loop)
    backends.install(backend)
    sock.setblocking(False)
    loop.run_until_complete(loop.create_unix_connection(lambda: link, sock=sock))
    link.send(Hello(os.getpid()))
    while not exit_codes:
        # A task of the user's that raises one of these ends the loop's run, and nothing but this execution is to end.
        with contextlib.suppress(SystemExit, KeyboardInterrupt):
            loop.run_forever()
    _say_goodbye(runner, loop)
    return exit_codes[0]


def _say_goodbye(runner: Runner, loop: asyncio.AbstractEventLoop) -> None:
    tasks = runner.close()
    if tasks:
        with contextlib.suppress(SystemExit, KeyboardInterrupt):
            loop.run_until_complete(asyncio.wait(tasks, timeout=_GOODBYE_S))
