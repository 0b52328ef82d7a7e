"""The load of the soak test: batches of all kinds of jobs, drawn at random, and how each may end."""

import random
from typing import Any

from tests.faults.trial import Trial

COMPLETED, FAILED = frozenset({"completed"}), frozenset({"failed"})
CANCELLED = frozenset({"completed", "cancelled"})


class Load:
    """Enqueues, cancels, and remembers what may become of each execution: `ends` has the states by id."""

    def __init__(self, draw: random.Random, trial: Trial) -> None:
        self._draw = draw
        self._trial = trial
        self.ends: dict[str, frozenset[str]] = {}

    def batch(self) -> int:
        """Enqueues a batch and cancels a few of its executions; returns how many were enqueued."""
        draw = self._draw
        before = len(self.ends)
        self._enqueue("quick", count=draw.randint(50, 200))
        self._enqueue("quick", count=draw.randint(1, 20), delay_s=draw.uniform(0.05, 1.0))
        self._enqueue("quick", count=draw.randint(1, 20), priority=9)
        slow = self._enqueue("sleeps", draw.uniform(0.05, 0.5), count=draw.randint(60, 200))
        self._enqueue("in_a_thread", draw.uniform(0.01, 0.1), count=draw.randint(5, 30))
        self._enqueue("blocks", draw.uniform(0.01, 0.2), count=draw.randint(0, 3))
        self._enqueue("fails_until", draw.randint(2, 3), count=draw.randint(1, 10))
        self._enqueue("fails", count=draw.randint(1, 5), ends=FAILED, max_retries=1)
        self._enqueue("fans_out", draw.randint(1, 40), count=draw.randint(1, 8))
        self._enqueue("keyed", f"key {draw.randint(1, 3)}", count=draw.randint(1, 10))
        cancelled = draw.sample(slow, draw.randint(0, 8))
        self._trial.cancel(*cancelled)
        self.ends.update(dict.fromkeys(cancelled, CANCELLED))
        return len(self.ends) - before

    def _enqueue(
        self,
        function: str,
        *args: object,
        count: int,
        ends: frozenset[str] = COMPLETED,
        max_retries: int = 12,
        **options: Any,
    ) -> list[str]:
        if not count:
            return []
        ids = self._trial.enqueue(f"soak_jobs.{function}", *args, count=count, max_retries=max_retries, **options)
        self.ends.update(dict.fromkeys(ids, ends))
        return ids
