"""Tasks beside the parts: short ones, that are owned, named, and ended with the node."""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any


class Tasks:
    """Runs the parts of a node, and what they start: one that fails ends all."""

    def __init__(self) -> None:
        self._group: asyncio.TaskGroup | None = None
        self._running: set[asyncio.Task[Any]] = set()

    async def run(self, parts: Mapping[str, Coroutine[Any, Any, None]], main: Coroutine[Any, Any, None]) -> None:
        """Runs the parts, by their names, until `main` has returned: then they are cancelled.

        Raises:
            BaseExceptionGroup: of `main` or of the first part that failed.
        """
        async with asyncio.TaskGroup() as self._group:
            for name, part in parts.items():
                self.spawn(part, name)
            await main
            self.cancel()

    def spawn(self, work: Coroutine[Any, Any, Any], name: str) -> None:
        """Begins something that the parts do not wait for."""
        assert self._group is not None
        task = self._group.create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def cancel(self) -> None:
        for task in self._running:
            task.cancel()
