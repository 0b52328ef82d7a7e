"""One child more, one child less, or so many, while the node works."""

import resource

from currant.errors import CurrantError
from currant.protocol.commands import ScaleReply, ScaleRequest
from currant.supervisor.children import Children
from currant.supervisor.events import Event, Log
from currant.supervisor.lifecycle import Lifecycle

PROCS_MAX = 1000
#: Its socket, its pidfd, its cells and their stacks; and what the supervisor has besides its children.
DESCRIPTORS_PER_CHILD, DESCRIPTORS_BESIDES = 4, 64


class Sizing:
    """Opens and closes places for work; there is always one."""

    def __init__(self, lifecycle: Lifecycle, children: Children, log: Log) -> None:
        self._lifecycle, self._children, self._log = lifecycle, children, log

    def grow(self) -> None:
        """Starts one child more. Ignored while the node starts or ends."""
        if self._lifecycle.working:
            number = self._children.open_place()
            self._log.info(Event.PLACE_OPENED, child=number, procs=len(self._children.places()))

    def shrink(self) -> None:
        """Has one child less: the last one ends when it has done what it had started. Ignored as `grow` is."""
        if not self._lifecycle.working:
            return
        *left, last = self._children.places()
        if left:
            self._children.close_place(last)
            self._log.info(Event.PLACE_CLOSED, child=last, procs=len(left))
        else:
            self._log.warning(Event.PLACE_KEPT, child=last)

    async def scale(self, request: ScaleRequest) -> ScaleReply:
        """Has so many children. Raises CurrantError: that is no number of children, or the node does not work."""
        procs = request.procs
        if not 1 <= procs <= PROCS_MAX:
            raise CurrantError(f"the number of children must be 1 to {PROCS_MAX}, got {procs}")
        self._lifecycle.check_working()
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        needed = descriptors_needed(procs)
        before = len(self._children.places())
        if procs > before and needed > limit:
            raise CurrantError(
                f"{procs} children need {needed} file descriptors, and the limit of this currantd is {limit}:"
                " start it with a higher one (ulimit -n, or LimitNOFILE= in systemd)"
            )
        for _ in range(before, procs):
            self.grow()
        for _ in range(procs, before):
            self.shrink()
        return ScaleReply(procs, before)


def descriptors_needed(procs: int) -> int:
    """Returns how many file descriptors a supervisor with so many children needs."""
    return DESCRIPTORS_PER_CHILD * procs + DESCRIPTORS_BESIDES
