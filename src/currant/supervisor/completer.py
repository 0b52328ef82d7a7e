"""Outcomes to the database: what came while the last write was under way is the next write. No timer."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import psycopg

from currant.executions import Execution, Status, Verdict, encode_failure

COMPLETE_ROWS_MAX = 2500
SETTLE_ROWS_MAX = 1000

Result = tuple[Execution, bytes]
T = TypeVar("T")


class Completer:
    """Writes outcomes in batches. Each callable may be repeated with the same rows: the lease fences."""

    def __init__(
        self,
        *,
        complete: Callable[[list[Result]], Awaitable[int]],
        settle: Callable[[list[Verdict]], Awaitable[int]],
        park: Callable[[list[Execution]], Awaitable[int]],
        saved: Callable[[int, int], None],
        fenced: Callable[[int], None],
        refused: Callable[[Execution, str], None],
    ) -> None:
        """
        Args:
            complete, settle, park: write a batch, again and again until it is written, and return how many rows
                still were this node's; raise psycopg.Error when the database refuses the data.
            saved: gets how many outcomes are written, and their bytes.
            fenced: gets how many of them had lost their lease.
            refused: told of a single outcome that the database refuses.
        """
        self._complete, self._settle, self._park = complete, settle, park
        self._saved, self._fenced, self._refused = saved, fenced, refused
        self._results: list[Result] = []
        self._verdicts: list[Verdict] = []
        self._unknown: list[Execution] = []
        self._writing: list[Execution] = []
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def add_results(self, results: list[Result]) -> None:
        self._results += results
        self._awake()

    def add_verdicts(self, verdicts: list[Verdict]) -> None:
        self._verdicts += verdicts
        self._awake()

    def add_unknown(self, executions: list[Execution]) -> None:
        self._unknown += executions
        self._awake()

    def leases(self) -> set[tuple[str, int]]:
        """Returns (id, lease) of everything that waits to be written or is being written."""
        executions = [execution for execution, _ in self._results] + self._unknown + self._writing
        executions += [verdict.execution for verdict in self._verdicts]
        return {(each.id, each.lease) for each in executions}

    async def flushed(self) -> None:
        """Returns when everything that was added is written."""
        await self._idle.wait()

    async def run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._results or self._verdicts or self._unknown:
                await self._write()
            self._idle.set()

    async def _write(self) -> None:
        if self._results:
            results, self._results = self._results[:COMPLETE_ROWS_MAX], self._results[COMPLETE_ROWS_MAX:]
            self._writing = [execution for execution, _ in results]
            await self._write_batch(self._complete, results, self._refuse_result)
            self._saved(len(results), sum(len(body) for _, body in results))
        if self._verdicts:
            verdicts, self._verdicts = self._verdicts[:SETTLE_ROWS_MAX], self._verdicts[SETTLE_ROWS_MAX:]
            self._writing = [verdict.execution for verdict in verdicts]
            # Before the write: an error that the database refuses is taken off its verdict there.
            size = sum(len(each.error or b"") for each in verdicts)
            await self._write_batch(self._settle, verdicts, self._refuse_verdict)
            self._saved(len(verdicts), size)
        if self._unknown:
            unknown, self._unknown = self._unknown[:SETTLE_ROWS_MAX], self._unknown[SETTLE_ROWS_MAX:]
            self._writing = unknown
            await self._write_batch(self._park, unknown, self._refused)
            self._saved(len(unknown), 0)
        self._writing = []

    async def _write_batch(
        self, write: Callable[[list[T]], Awaitable[int]], batch: list[T], refuse: Callable[[T, str], None]
    ) -> None:
        """Writes the batch; one that the database refuses is split until the bad row stands alone."""
        try:
            written = await write(batch)
        except psycopg.Error as error:
            if len(batch) == 1:
                refuse(batch[0], " ".join(str(error).split()))
                return
            middle = len(batch) // 2
            await self._write_batch(write, batch[:middle], refuse)
            await self._write_batch(write, batch[middle:], refuse)
            return
        if written < len(batch):
            self._fenced(len(batch) - written)

    def _refuse_result(self, result: Result, reason: str) -> None:
        execution, _ = result
        self._refused(execution, reason)
        error = encode_failure("ResultRefused", f"the database refused the result: {reason}")
        self._later(Verdict(execution, Status.FAILED, error, reason="its result was refused"))

    def _refuse_verdict(self, verdict: Verdict, reason: str) -> None:
        self._refused(verdict.execution, reason)
        if verdict.error is not None:
            # The error itself may be what the database cannot store.
            verdict.error = None
            self._later(verdict)

    def _later(self, verdict: Verdict) -> None:
        self._saved(-1, -len(verdict.error or b""))
        self._verdicts.append(verdict)

    def _awake(self) -> None:
        self._idle.clear()
        self._wake.set()
