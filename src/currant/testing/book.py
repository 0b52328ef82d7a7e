"""What the inline mode knows of its executions, and what follows from each run. No I/O; any thread may call."""

import threading
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import msgspec

from currant.backends import Ended, Enqueued, NewExecution
from currant.executions import CANCELLED, Ending, Failure, RetryPolicy, Status, judge
from currant.identifiers import new_ids
from currant.testing.records import ENDED, InlineExecution, record_of, result_of
from currant.testing.running import Ran

#: A failure is tried again at once.
AT_ONCE = RetryPolicy(base_s=0.0, max_s=0.0, crashes_max=1)

_UNKNOWN = Failure("UnknownFunction", "no module that was imported registers it")


class Book:
    """The executions, in the order of their enqueues."""

    def __init__(self) -> None:
        self.executions: list[InlineExecution] = []
        self._by_id: dict[str, InlineExecution] = {}
        self._keys: dict[tuple[str, str], InlineExecution] = {}
        self._turn = threading.Lock()
        self._cells = 0

    def add(self, new: Sequence[NewExecution]) -> tuple[list[InlineExecution], list[Enqueued]]:
        """Takes executions, but those whose unique key is held; returns the taken, and what to tell."""
        taken: list[InlineExecution] = []
        told: list[Enqueued] = []
        now_s = time.time()
        with self._turn:
            for id, each in zip(new_ids(len(new)), new, strict=True):
                holder = self._holder(each, now_s)
                if holder is not None:
                    told.append(Enqueued(holder.id, False))
                    continue
                self._cells += 1
                record = record_of(id, self._cells, each, now_s)
                if each.unique_key is not None:
                    self._keys[each.function, each.unique_key] = record
                self._by_id[id] = record
                self.executions.append(record)
                taken.append(record)
                told.append(Enqueued(id, True))
        return taken, told

    def get(self, id: str) -> InlineExecution | None:
        return self._by_id.get(id)

    def due(self, until_s: float | None, but: Iterable[str] = ()) -> InlineExecution | None:
        """Returns the one to be run next, as a claim would: higher priority first, then the oldest.

        Args:
            until_s: those due by this moment, in Unix time; None: also those due later, the earliest of them first.
            but: the ids of those to leave alone.
        """
        skipped = set(but)
        with self._turn:
            waiting = [each for each in self.executions if each.waits and each.id not in skipped]
        if until_s is not None:
            waiting = [each for each in waiting if each.run_at is None or each.run_at.timestamp() <= until_s]
        return min(waiting, key=_rank, default=None)

    def start(self, record: InlineExecution) -> bool:
        """Makes it run; False when it does not wait any more."""
        with self._turn:
            if not record.waits:
                return False
            record.status = Status.RUNNING
            record.lease += 1
            record.attempts += 1
            record.run_at = None
            return True

    def settle(self, record: InlineExecution, ran: Ran) -> None:
        """Writes down what a run came to."""
        execution = record.claimed()
        with self._turn:
            if ran.ending is Ending.COMPLETED:
                record.body = ran.body or b"null"
                record.result, record.error, record.exception = result_of(record, record.body), None, None
                self._end(record, Status.COMPLETED)
                return
            if ran.ending is Ending.UNKNOWN:
                record.body, record.error = msgspec.json.encode(_UNKNOWN), _UNKNOWN
                self._end(record, Status.FAILED)
                return
            verdict = judge(execution, ran.ending, ran.body, AT_ONCE, lambda: 0.0, ran.delay_s)
            record.attempts -= verdict.uncount
            if verdict.error is not None:
                record.body = verdict.error
                record.error = msgspec.json.decode(verdict.error, type=Failure)
                record.exception = ran.exception
            if verdict.status in ENDED:
                self._end(record, verdict.status)
            elif record.cancel_asked:
                self._end(record, Status.CANCELLED)
            elif ran.ending is Ending.SNOOZED:
                record.status = Status.SCHEDULED
                record.run_at = datetime.fromtimestamp(time.time() + (ran.delay_s or 0.0), UTC)
            else:
                record.status = Status.PENDING

    def cancel(self, record: InlineExecution) -> bool:
        """Cancels one that waits, and notes the wish for one that runs; False when it has ended."""
        with self._turn:
            if record.status in ENDED:
                return False
            record.cancel_asked = True
            if record.waits:
                record.body = CANCELLED
                record.error = msgspec.json.decode(CANCELLED, type=Failure)
                self._end(record, Status.CANCELLED)
            return True

    def clear(self) -> None:
        """Forgets all of them, and their unique keys."""
        with self._turn:
            self.executions.clear()
            self._by_id.clear()
            self._keys.clear()

    def _holder(self, new: NewExecution, now_s: float) -> InlineExecution | None:
        if new.unique_key is None:
            return None
        record = self._keys.get((new.function, new.unique_key))
        if record is None or (record.status in ENDED and (record.unique_until_s or 0.0) <= now_s):
            return None
        return record

    def _end(self, record: InlineExecution, status: Status) -> None:
        record.status = status
        record.ended.set_result(None)


def ended_of(record: InlineExecution) -> Ended:
    """Returns the end as the database tells it: of one that is not kept, nothing."""
    options = msgspec.json.decode(record.new.options)
    if record.status is Status.COMPLETED and options.get("keep_completed") == 0:
        return Ended(record.id, None, None)
    return Ended(record.id, record.status, record.body)


def _rank(record: InlineExecution) -> tuple[float, int, str]:
    later_s = 0.0 if record.run_at is None else record.run_at.timestamp()
    return later_s, -record.priority, record.id
