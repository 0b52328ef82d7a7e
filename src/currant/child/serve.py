"""The life of a child, from its fork to its exit code."""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, TypeVar

import uvloop

from currant import backends
from currant.child import copies, strays, system
from currant.child.backend import SocketBackend
from currant.child.hooks import run_start_hooks, run_stop_hooks
from currant.child.imports import import_modules
from currant.child.lag import LoopLag
from currant.child.link import EXIT_HOOK_FAILED, Link
from currant.child.logs import ChildLogging
from currant.child.overdue import Overdue
from currant.child.runner import Runner
from currant.child.threads import Threads, run_in
from currant.protocol.cells import STACK_SIGNAL, Cells
from currant.protocol.control import Boot
from currant.protocol.work import BootFailed, Hello, Overrun, Ping, Pong, Reply, Results, SetLevel, Stop, ToChild
from currant.registry import registry

#: How long the executions of a child without a supervisor may clean up.
_GOODBYE_S = 0.5
#: How often what user code has left behind, and has ended, is taken leave of.
_REAP_S = 60.0

T = TypeVar("T")


def serve(sock: socket.socket, cells_fd: int, boot: Boot, place: int, logging: ChildLogging) -> int:
    """Runs what comes over the socket until it is closed, or a Stop comes; returns the exit code.

    `place` is the number of its place.
    """
    cells = Cells(cells_fd)
    os.close(cells_fd)
    system.write_stacks_to(cells.fileno(), STACK_SIGNAL)
    loop = uvloop.new_event_loop()
    exit_codes: list[int] = []
    stop_asked: list[Stop] = []

    def receive(message: ToChild) -> None:
        if isinstance(message, Reply | Results):
            backend.receive(message)
        elif type(message) is Ping:
            link.send(Pong(message.number, lag.worst(message.sent_s, busy=runner.look()), runner.timings()))
        elif type(message) is Stop:
            stop_asked.append(message)
            stop(0)
        elif type(message) is SetLevel:
            logging.set_level(message.level)
        else:
            runner.receive(message)

    def stop(code: int) -> None:
        exit_codes.append(code)
        backend.close()
        loop.stop()

    def overrun(cell: int) -> None:
        link.send(Overrun(cell))

    link = Link(boot.payload_bytes_max, receive, stop)
    threads = Threads(f"currant-{place}", overrun)
    overdue = Overdue(boot.grace_s, overrun, time.monotonic)
    runner = Runner(link.send, registry.get, cells, boot.concurrency, boot.payload_bytes_max, loop, threads, overdue)
    lag = LoopLag(loop, time.monotonic)
    backend = SocketBackend(link.send, runner, payload_bytes_max=boot.payload_bytes_max, loop=loop)
    backends.install(backend)
    sock.setblocking(False)
    copies.make_harmless(sock.fileno(), backend.refuse, (_run.__code__, _say_goodbye.__code__), (run_in.__code__,))
    _reap_now_and_then(loop)
    loop.run_until_complete(loop.create_unix_connection(lambda: link, sock=sock))
    failure = _import_late(boot) or _start(loop, runner.context, exit_codes)
    if failure is not None:
        # What was printed: the supervisor may end us as soon as it knows.
        system.flush_stdio()
        link.send(failure)
        link.close()
        _run(loop, until=exit_codes.__len__)
        return EXIT_HOOK_FAILED
    logging.settle()
    link.send(Hello(os.getpid()))
    _run(loop, until=exit_codes.__len__)
    _say_goodbye(runner, loop)
    if stop_asked and registry.stop_hooks:
        _complete(loop, run_stop_hooks(registry.stop_hooks[::-1]), runner.context)
    return exit_codes[0]


def _import_late(boot: Boot) -> BootFailed | None:
    """Imports the modules, unless the fork server has; returns what went wrong."""
    failed = import_modules(boot.modules) if boot.import_late else None
    # The modules may have set handlers of their own.
    system.leave_signals_to_supervisor()
    if failed is None:
        return None
    return BootFailed(f"cannot import {failed.module}: {failed.message}", failed.traceback)


def _start(loop: asyncio.AbstractEventLoop, context: Context, exit_codes: list[int]) -> BootFailed | None:
    """Runs the start hooks, unless the child is to end meanwhile; returns what went wrong."""
    if not registry.start_hooks:
        return None
    return _complete(loop, run_start_hooks(registry.start_hooks), context, or_until=exit_codes.__len__)


def _reap_now_and_then(loop: asyncio.AbstractEventLoop) -> None:
    with contextlib.suppress(OSError):
        strays.reap_adopted()
    loop.call_later(_REAP_S, _reap_now_and_then, loop)


def _run(loop: asyncio.AbstractEventLoop, *, until: Callable[[], object]) -> None:
    while not until():
        # A task of the user's that raises one of these ends the loop's run, and nothing but this execution is to end.
        with contextlib.suppress(SystemExit, KeyboardInterrupt):
            loop.run_forever()


def _complete(
    loop: asyncio.AbstractEventLoop,
    work: Coroutine[Any, Any, T],
    context: Context,
    *,
    or_until: Callable[[], object] = lambda: False,
) -> T | None:
    """Runs the work in the context and returns its result, or None when the other condition came first."""
    task = loop.create_task(work, context=context)
    task.add_done_callback(lambda _: loop.stop())
    _run(loop, until=lambda: task.done() or or_until())
    return task.result() if task.done() and not task.cancelled() else None


def _say_goodbye(runner: Runner, loop: asyncio.AbstractEventLoop) -> None:
    tasks = runner.close()
    if tasks:
        with contextlib.suppress(SystemExit, KeyboardInterrupt):
            loop.run_until_complete(asyncio.wait(tasks, timeout=_GOODBYE_S))
