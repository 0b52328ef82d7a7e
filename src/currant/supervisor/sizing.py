"""One child more, one child less, while the node works."""

from currant.supervisor.children import Children
from currant.supervisor.events import Event, Log
from currant.supervisor.lifecycle import Lifecycle


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
