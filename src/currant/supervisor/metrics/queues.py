"""The metrics of queues, and asking the database for them: seldom, and never for long."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping

from currant.errors import DatabaseError
from currant.store.figures import QueueFigures
from currant.supervisor.metrics.families import Family, family, single
from currant.supervisor.metrics.metric import Kind, Metric, Section

#: The database is asked at most so often, ...
FRESH_S = 15.0
#: ... and nobody waits longer for its answer.
WAIT_S = 1.0
#: How far each queue is counted: at first, at least, at most; and at most of all of them together, if there are many.
ROWS_FIRST, ROWS_MIN, ROWS_MAX, ALL_ROWS_MAX = 1_000, 100, 10_000, 100_000
#: An answer that takes longer makes the next one count less far.
SLOW_S = 0.1

EXECUTIONS = Metric(
    "currant_queue_executions", Kind.GAUGE, ("queue", "state"), "executions",
    "`state` pending or scheduled: in the whole cluster, and the same from each node, so take the maximum over nodes;"
    " counted up to the limit below. `state` running: claimed by this node and not ended, so take the sum.",
    'max by (queue) (currant_queue_executions{state="pending"})',
)  # fmt: skip
COUNT_LIMIT = Metric(
    "currant_queue_count_limit", Kind.GAUGE, (), "executions",
    "Counts of pending and of scheduled executions stop here, for each queue: so many means so many or more. 10,000,"
    " and less where counting takes long, or there are many queues.",
    'max by (queue) (currant_queue_executions{state="pending"}) >= scalar(max(currant_queue_count_limit))',
)  # fmt: skip
OLDEST = Metric(
    "currant_queue_oldest_pending_seconds", Kind.GAUGE, ("queue",), "seconds",
    "How long ago the pending execution that was enqueued first was enqueued, 0 without one. One that was"
    " enqueued for later, or is retried, is as old as its row: let an alert last for some minutes.",
    "max by (queue) (currant_queue_oldest_pending_seconds) > 300",
)  # fmt: skip
PAUSED = Metric(
    "currant_queue_paused", Kind.GAUGE, ("queue",), "0 or 1",
    "Whether the queue is paused, for all nodes.",
    "max by (queue) (currant_queue_paused) == 1",
)  # fmt: skip
FIGURES_AGE = Metric(
    "currant_queue_figures_age_seconds", Kind.GAUGE, (), "seconds",
    "How old what the database said of the queues is: the database is asked at most once in 15 s, and only when"
    " somebody scrapes. No sample, as of the queues themselves, before it has answered once.",
    "currant_queue_figures_age_seconds > 60",
)  # fmt: skip

SECTION = Section(
    "Queues",
    "Of the queues that the node serves.",
    (EXECUTIONS, COUNT_LIMIT, OLDEST, PAUSED, FIGURES_AGE),
)


class Limit:
    """How far is counted: as far as the database gets in a moment.

    Rows that vacuum has seen are counted in the index, a thousand in half a millisecond; others cost a look at the
    table, which may be on the disk, a hundred times as much. And what children ask for waits for the same connection.
    """

    def __init__(self) -> None:
        self.rows = ROWS_FIRST

    def note(self, took_s: float, queues: int) -> None:
        """Takes how long it took to count so far, in so many queues."""
        if took_s > SLOW_S:
            self.rows = max(ROWS_MIN, int(self.rows * SLOW_S / took_s))
        elif took_s < SLOW_S / 4:
            self.rows *= 2
        self.rows = min(self.rows, ROWS_MAX, max(ROWS_MIN, ALL_ROWS_MAX // max(1, queues)))


class QueueWatch:
    """The database's word on the queues, which is kept for a while."""

    def __init__(self, ask: Callable[[int], Awaitable[QueueFigures]], *, clock: Callable[[], float]) -> None:
        """`ask` asks the database, and counts up to so many; it may raise DatabaseError."""
        self._ask, self._clock = ask, clock
        self._question: asyncio.Task[None] | None = None
        self._asked_at = float("-inf")
        self._answered_at = float("-inf")
        self._limit = Limit()
        #: The last that was heard.
        self.figures: QueueFigures | None = None

    @property
    def age_s(self) -> float | None:
        """How old that is; None: nothing was heard yet."""
        return None if self.figures is None else self._clock() - self._answered_at

    async def refresh(self) -> None:
        """Asks, unless that was done a short time ago, and waits for the answer a moment."""
        now = self._clock()
        if now - self._asked_at >= FRESH_S and (self._question is None or self._question.done()):
            self._asked_at = now
            self._question = asyncio.create_task(self._look(now), name="queue figures")
        if self._question is not None:
            # It is not cancelled: what comes too late for this scrape is there for the next.
            await asyncio.wait((self._question,), timeout=WAIT_S)

    async def _look(self, asked_at: float) -> None:
        try:
            self.figures = await self._ask(self._limit.rows)
        except DatabaseError:
            return
        self._limit.note(self.figures.took_s, len(self.figures.queues))
        self._answered_at = asked_at


def families(
    figures: QueueFigures | None,
    age_s: float | None,
    *,
    running: Mapping[str, int],
    queues: list[str],
    paused: Collection[str],
) -> Iterator[Family]:
    """Gives what is in the queues. `running`: what this node has claimed and not ended, by queue."""
    counts = [((queue, "running"), running.get(queue, 0)) for queue in queues]
    if figures is not None:
        counts += [((each.name, "pending"), each.pending) for each in figures.queues]
        counts += [((each.name, "scheduled"), each.scheduled) for each in figures.queues]
    yield family(EXECUTIONS, counts)
    yield single(COUNT_LIMIT, None if figures is None else figures.limit)
    yield family(OLDEST, (((each.name,), each.oldest_s) for each in (figures.queues if figures else ())))
    yield family(PAUSED, (((queue,), queue in paused) for queue in queues))
    yield single(FIGURES_AGE, age_s)
