"""In the listener's place, where there is no LISTEN."""

import asyncio
from collections.abc import Callable


class Poller:
    """Has the claimer look for work every so often. Cancels of what runs are asked for with each tick."""

    def __init__(self, poll_s: float, look: Callable[[], None]) -> None:
        """`poll_s`: the pause between two looks, in seconds."""
        self._poll_s, self._look = poll_s, look

    async def run(self) -> None:
        """Looks until it is cancelled."""
        while True:
            self._look()
            await asyncio.sleep(self._poll_s)
