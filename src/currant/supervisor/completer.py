"""Outcomes to the database: what came while the last write was under way is the next write. No timer."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import accumulate, takewhile
from typing import Generic, Protocol, TypeVar

from currant.errors import RowLocked, StatementRefused
from currant.executions import Execution, Status, Verdict, encode_failure

#: A verdict costs more than a result.
SETTLE_ROWS_MAX = 1000
#: A write is cut where its results or errors reach this much.
WRITE_BYTES_MAX = 8 << 20
#: How long an outcome waits whose row someone else holds.
LOCKED_S = 5.0
#: A refused result becomes a failure, and a refused error a failure without one: no outcome needs more rounds.
_ROUNDS_MAX = 3

Result = tuple[Execution, bytes]
T = TypeVar("T")


class Writer(Protocol):
    """Writes outcomes, again and again until they are written, and returns how many rows still were this node's.

    A repetition changes nothing: the lease fences. Each raises StatementRefused when the database refuses the data.
    `late` returns the ids of those executions whose outcomes came too late, and were not recorded before either.
    """

    async def complete(self, results: list[Result]) -> int: ...
    async def discard(self, results: list[Result]) -> int: ...
    async def settle(self, verdicts: list[Verdict]) -> int: ...
    async def park(self, executions: list[Execution]) -> int: ...
    async def late(self, executions: list[Execution], statuses: list[Status | None]) -> list[str]: ...


class Book(Protocol):
    """Where it is counted what is in the database."""

    def note_completed(self, executions: list[Execution]) -> None: ...
    def note_settled(self, verdicts: list[Verdict]) -> None: ...


class _Lane(Generic[T]):
    """Outcomes of one kind that wait to be written, and how a batch of them is."""

    def __init__(
        self,
        write: Callable[[list[T]], Awaitable[int]],
        *,
        rows_max: int,
        execution: Callable[[T], Execution],
        sizes: Callable[[list[T]], list[int]],
        status: Callable[[T], Status | None],
        refuse: Callable[[T, str], None],
        count: Callable[[list[T]], None],
        missed: Callable[[T], bool] = lambda _: False,
    ) -> None:
        """
        Args:
            status: what is written for one, None when it is deleted.
            count: told of those that are written.
            missed: whether it is certain of one, after a write that found too few rows, that it is not written.
        """
        self.waiting: list[T] = []
        self.writing: list[T] = []
        #: Those whose rows someone else holds: each is tried again, alone, after a while.
        self.locked: list[T] = []
        self.write, self.rows_max = write, rows_max
        self.execution, self.sizes, self.status, self.refuse = execution, sizes, status, refuse
        self.count, self.missed = count, missed

    def take(self) -> tuple[list[T], int]:
        """Moves the next batch to `writing`: bounded in rows, and in bytes but for its last row. Returns its bytes."""
        batch = self.waiting[: self.rows_max]
        sizes = self.sizes(batch)
        if sum(sizes) >= WRITE_BYTES_MAX:
            sizes = sizes[: 1 + sum(1 for _ in takewhile(lambda end: end < WRITE_BYTES_MAX, accumulate(sizes)))]
            batch = batch[: len(sizes)]
        self.writing, self.waiting = batch, self.waiting[len(batch) :]
        return batch, sum(sizes)


class Completer:
    """Writes outcomes in batches, those of one kind after those of another."""

    def __init__(
        self,
        writer: Writer,
        *,
        rows_max: int,
        saved: Callable[[int, int], None],
        fenced: Callable[[list[str]], None],
        refused: Callable[[Execution, str], None],
        book: Book,
    ) -> None:
        """
        Args:
            rows_max: the most outcomes that one statement writes.
            saved: gets how many outcomes are written, and their bytes.
            fenced: gets the ids of those of them that had lost their lease.
            refused: told of a single outcome that the database refuses.
            book: told of those that are in the database.
        """
        self._saved, self._fenced, self._refused = saved, fenced, refused
        self._late, self._book = writer.late, book
        self._rows_max = rows_max
        self._results = self._lane_of_results(writer.complete, Status.COMPLETED)
        #: Of executions that are deleted when they succeed.
        self._discards = self._lane_of_results(writer.discard, None)
        self._verdicts: _Lane[Verdict] = _Lane(
            writer.settle,
            rows_max=min(rows_max, SETTLE_ROWS_MAX),
            execution=lambda verdict: verdict.execution,
            sizes=lambda verdicts: [len(verdict.error or b"") for verdict in verdicts],
            status=lambda verdict: verdict.status,
            refuse=self._refuse_verdict,
            count=book.note_settled,
            # Of what is given back nobody asks whether it came too late.
            missed=lambda verdict: verdict.status is Status.PENDING and not verdict.written,
        )
        self._unknown: _Lane[Execution] = _Lane(
            writer.park,
            rows_max=min(rows_max, SETTLE_ROWS_MAX),
            execution=lambda execution: execution,
            sizes=lambda executions: [0] * len(executions),
            status=lambda _: Status.SCHEDULED,
            refuse=self._refuse_unknown,
            count=lambda _: None,
        )
        self._added = self._written = 0
        self._wake = asyncio.Event()
        self._progress = asyncio.Event()

    def add_results(self, results: list[Result]) -> None:
        if discards := [result for result in results if result[0].discard]:
            self._add(self._discards, discards)
            results = [result for result in results if not result[0].discard]
        self._add(self._results, results)

    def add_verdicts(self, verdicts: list[Verdict]) -> None:
        self._add(self._verdicts, verdicts)

    def add_unknown(self, executions: list[Execution]) -> None:
        self._add(self._unknown, executions)

    def leases(self) -> set[tuple[str, int]]:
        """Returns (id, lease) of everything that waits to be written or is being written."""
        return _leases(self._results) | _leases(self._discards) | _leases(self._verdicts) | _leases(self._unknown)

    async def flushed(self) -> None:
        """Returns when everything that has been added by now is written, but for locked rows, whatever else comes."""
        for _ in range(_ROUNDS_MAX):
            mark = self._added
            while self._written < mark:
                self._progress.clear()
                await self._progress.wait()

    async def run(self) -> None:
        """Writes until it is cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._written < self._added:
                await self._write(self._results)
                await self._write(self._discards)
                await self._write(self._verdicts)
                await self._write(self._unknown)

    def _lane_of_results(self, write: Callable[[list[Result]], Awaitable[int]], status: Status | None) -> _Lane[Result]:
        return _Lane(
            write,
            rows_max=self._rows_max,
            execution=lambda result: result[0],
            sizes=lambda results: [len(body) for _, body in results],
            status=lambda _: status,
            refuse=self._refuse_result,
            count=lambda results: self._book.note_completed([execution for execution, _ in results]),
        )

    def _add(self, lane: _Lane[T], items: list[T]) -> None:
        if items:
            lane.waiting += items
            self._added += len(items)
            self._wake.set()

    async def _write(self, lane: _Lane[T]) -> None:
        # The size is that before the write: an error that the database refuses is taken off its verdict there.
        batch, size = lane.take()
        if not batch:
            return
        locked = await self._write_batch(lane, batch)
        lane.writing = []
        size -= sum(lane.sizes(locked))
        for item in locked:
            lane.locked.append(item)
            asyncio.get_running_loop().call_later(LOCKED_S, self._try_again, lane, item)
        self._written += len(batch)
        self._progress.set()
        self._saved(len(batch) - len(locked), size)

    def _try_again(self, lane: _Lane[T], item: T) -> None:
        lane.locked.remove(item)
        self._add(lane, [item])

    async def _write_batch(self, lane: _Lane[T], batch: list[T]) -> list[T]:
        """Writes the batch; one that is refused is split until the bad row stands alone. Returns what was locked."""
        try:
            written = await lane.write(batch)
        except StatementRefused as error:
            if len(batch) > 1:
                middle = len(batch) // 2
                locked = await self._write_batch(lane, batch[:middle])
                return locked + await self._write_batch(lane, batch[middle:])
            if isinstance(error, RowLocked):
                return batch
            lane.refuse(batch[0], str(error))
            return []
        if written < len(batch):
            late = await self._note_late(lane, batch)
            batch = [item for item in batch if lane.execution(item).id not in late and not lane.missed(item)]
        lane.count(batch)
        return []

    async def _note_late(self, lane: _Lane[T], batch: list[T]) -> set[str]:
        """Tells of those that were not written because they came too late, and returns their ids. Not of those that
        were written by an earlier try, whose reply was lost; nor of what is given back, which was no outcome."""
        statuses = {lane.execution(item).id: lane.status(item) for item in batch}
        executions = [lane.execution(item) for item in batch if lane.status(item) is not Status.PENDING]
        try:
            late = await self._late(executions, [statuses[each.id] for each in executions])
        except StatementRefused:
            # It is told for people's sake: what is written is written.
            return set()
        if late:
            self._fenced(late)
        return set(late)

    def _refuse_result(self, result: Result, reason: str) -> None:
        execution, _ = result
        self._refused(execution, reason)
        error = encode_failure("ResultRefused", f"the database refused the result: {reason}")
        self._write_instead(Verdict(execution, Status.FAILED, error, reason="its result was refused"))

    def _refuse_verdict(self, verdict: Verdict, reason: str) -> None:
        self._refused(verdict.execution, reason)
        if verdict.error is not None:
            # The error itself may be what the database cannot store.
            verdict.error = None
            self._write_instead(verdict)

    def _refuse_unknown(self, execution: Execution, reason: str) -> None:
        self._refused(execution, reason)
        error = encode_failure("UnknownFunction", f"no module registers it, and parking it was refused: {reason}")
        self._write_instead(Verdict(execution, Status.FAILED, error, reason="it could not be parked"))

    def _write_instead(self, verdict: Verdict) -> None:
        self._saved(-1, -len(verdict.error or b""))
        self.add_verdicts([verdict])


def _leases(lane: _Lane[T]) -> set[tuple[str, int]]:
    executions = map(lane.execution, lane.waiting + lane.writing + lane.locked)
    return {(each.id, each.lease) for each in executions}
