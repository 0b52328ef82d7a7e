"""Asking fork servers for children: in which order, how many at a time, and what each is given."""

import asyncio
import contextlib
import os
import socket
from collections import deque
from collections.abc import Callable

from currant.protocol.cells import Cells, create
from currant.protocol.work import FromChild
from currant.supervisor.child import Child
from currant.supervisor.generations import Generation, Generations
from currant.supervisor.link import Link
from currant.supervisor.places import Place


class Forks:
    """The places that wait for a child, and the way to get one."""

    def __init__(
        self,
        generations: Generations,
        *,
        frame_bytes_max: int,
        is_vacant: Callable[[Place], bool],
        asked: Callable[[Child, Place], None],
        refused: Callable[[Place, str], None],
        received: Callable[[Child, FromChild], None],
        closed: Callable[[Child, str | None], None],
    ) -> None:
        """
        Args:
            is_vacant: whether a child is still wanted in this place.
            asked: a child is asked for; its process may come to be.
            refused: the system refuses what a child needs, for this reason; nothing is left of it.
            received: what a child sent.
            closed: its socket is closed, with the reason if it broke the protocol.
        """
        self._generations, self._frame_bytes_max = generations, frame_bytes_max
        self._is_vacant, self._asked, self._refused = is_vacant, asked, refused
        self._received, self._closed = received, closed
        #: In this order.
        self._wanted: deque[Place] = deque()
        self._last_id = -1
        self._connecting: set[asyncio.Task[None]] = set()

    def want(self, place: Place) -> None:
        """Asks for a child of the present generation in a place: now, or when the fork server can take it."""
        if not place.wanted and self._is_vacant(place):
            place.wanted, place.resting = True, False
            self._wanted.append(place)
            self.go_on()

    def go_on(self) -> None:
        """The fork server may have room for more."""
        while self._wanted and (generation := self._generations.current) is not None and generation.can_fork:
            place = self._wanted.popleft()
            place.wanted = False
            if self._is_vacant(place):
                self.ask(place, generation)

    def ask(self, place: Place, generation: Generation, *, on_trial: bool = False) -> Child | None:
        """Asks for a child at once; returns None when the system refuses what it needs."""
        try:
            with contextlib.ExitStack() as undo:
                ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
                undo.callback(theirs.close)
                with contextlib.ExitStack() as undo_on_error:
                    undo_on_error.callback(ours.close)
                    memory = create()
                    undo.callback(os.close, memory)
                    cells = Cells(memory)
                    undo_on_error.pop_all()
                child = self._make(place, generation, cells, on_trial=on_trial)
                generation.children.add(child.id)
                generation.forking.add(child.id)
                generation.server.fork(child.id, child.place, [theirs.fileno(), memory])
        except OSError as error:
            # Out of descriptors, or of memory: later, perhaps.
            self._refused(place, f"cannot make its socket: {error.strerror}")
            return None
        task = asyncio.get_running_loop().create_task(_connect(child, ours), name=f"connect child {child.place}")
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)
        self._asked(child, place)
        return child

    def _make(self, place: Place, generation: Generation, cells: Cells, *, on_trial: bool) -> Child:
        link = Link(
            frame_bytes_max=self._frame_bytes_max,
            received=lambda message: self._received(child, message),
            closed=lambda problem: self._closed(child, problem),
        )
        self._last_id += 1
        child = Child(self._last_id, place.number, place.role, generation, cells, link, on_trial=on_trial)
        return child


async def _connect(child: Child, ours: socket.socket) -> None:
    ours.setblocking(False)
    await asyncio.get_running_loop().create_connection(lambda: child.link, sock=ours)
