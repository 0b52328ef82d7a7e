"""What is to be enqueued, in its order: the same for the same options and seed. Pure."""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from currant.backends import NewExecution
from currant.bench.arrivals import deal
from currant.bench.jobs import CPU, FAIL, IO, NOOP, SLEEP, STAMP, JobSpec
from currant.bench.plan import ENQUEUERS_MANY, ENQUEUERS_SINGLE, Plan
from currant.new_executions import new_execution
from currant.registry import Definition

_DEFINITIONS = {"noop": NOOP, "sleep": SLEEP, "cpu": CPU, "io": IO, "fail": FAIL}
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


#: When nobody says how many enqueue, there is one for so many enqueues a second: callers come, however many wait. As
#: long as none waits for longer than a fifth of a second, the rate is held.
ENQUEUER_PER_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Supply:
    """What is to be enqueued, and how, with all defaults decided."""

    #: None: as many as the time lets through.
    jobs: int | None
    #: Names and shares, which make 1.
    queues: tuple[tuple[str, float], ...]
    job: JobSpec
    #: The size of the payload's own JSON, in each execution's arguments.
    payload_bytes: int = 0
    #: None for what is enqueued as fast as possible.
    rate_per_s: float | None = None
    arrivals: str = "even"
    #: Several executions in a statement.
    many: bool = True
    #: Enqueues under way at a time, at the most.
    enqueuers: int = 1
    seed: int = 0

    def executions(self) -> Iterator[NewExecution]:
        """Yields what to enqueue without end. At a rate a no-op says when it began, and is else the floor's own."""
        payload = _payload(self.payload_bytes, self.seed)
        kinds = [kind for kind, _ in self.job.parts]
        rows = [[self._rows(kind, queue, payload) for kind in kinds] for queue, _ in self.queues]
        # Each queue deals its kinds, and each of those its failures: no pattern of one can follow another's.
        queue_turns = deal([share for _, share in self.queues], self.seed)
        kind_turns = [deal([share for _, share in self.job.parts], self.seed) for _ in self.queues]
        for queue in queue_turns:
            yield next(rows[queue][next(kind_turns[queue])])

    def _rows(self, kind: str, queue: str, payload: bytes) -> Iterator[NewExecution]:
        spec, definition = self.job, _DEFINITIONS[kind]
        if kind == "noop" and self.rate_per_s is not None:
            definition = STAMP
        if kind == "fail":
            share = spec.fail_percent / 100
            definition = definition._replace(retries=spec.retries)
            rows = [_row(definition, queue, payload, fails) for fails in (True, False)]
            return (rows[which] for which in deal((share, 1 - share), self.seed))
        values = {"sleep": spec.sleep_ms, "cpu": spec.cpu_ms, "io": spec.io_bytes}
        return _always(_row(definition, queue, payload, *([values[kind]] if kind in values else [])))


def supply_of(plan: Plan, *, paced: bool) -> Supply:
    """Returns what the plan has enqueued.

    Args:
        paced: at the plan's rate, one by one unless it says otherwise; else in bulk unless it says otherwise.
    """
    rate_per_s = plan.rate_per_s if paced else None
    assert rate_per_s is not None or not paced
    many = plan.enqueue == "many" or (plan.enqueue is None and not paced)
    default = ENQUEUERS_MANY if many else max(ENQUEUERS_SINGLE, math.ceil((rate_per_s or 0.0) / ENQUEUER_PER_S))
    return Supply(
        jobs=plan.jobs,
        queues=tuple((name, share) for name, share in plan.queues),
        job=plan.job,
        payload_bytes=plan.payload_bytes,
        rate_per_s=rate_per_s,
        arrivals=plan.arrivals,
        many=many,
        enqueuers=plan.enqueuers or default,
        seed=plan.seed,
    )


def _always(row: NewExecution) -> Iterator[NewExecution]:
    while True:
        yield row


def _row(definition: Definition, queue: str, payload: bytes, *values: float) -> NewExecution:
    arguments = [msgspec.json.encode(value) for value in values] + ([payload] if payload else [])
    return new_execution(definition._replace(queue=queue), b"[" + b",".join(arguments) + b"]", b"{}")


def _payload(size: int, seed: int) -> bytes:
    """Returns JSON of exactly so many bytes: a text that Postgres cannot compress much; of one byte, a number."""
    if size < 2:
        return b"0" * size
    return f'"{"".join(random.Random(seed).choices(_LETTERS, k=size - 2))}"'.encode()
