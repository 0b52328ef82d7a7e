"""Watches a run from outside: asks `currantd` how it is, and the kernel what its processes use.

The measured window begins when the warm-up's executions have their outcome (or when it is told to), and ends with
`end`. At those two moments the server's counters are read; in between the database is asked nothing.
"""

import asyncio
import contextlib
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from types import TracebackType

from currant.bench import samples, window
from currant.bench.audit import audit
from currant.bench.plan import BenchFailed
from currant.bench.processes import Processes
from currant.bench.results import Check, ChildUse, Memory, Series
from currant.bench.samples import PlaceUse, Sample
from currant.bench.server import Server
from currant.bench.window import End, Window
from currant.errors import CurrantError
from currant.protocol.status import ChildStatus, StatusReply
from currant.records import StatementUse as Sent

#: Each child costs some 20 µs a look, of the supervisor and of the bench: so all of it stays below 1 % of a core.
INTERVAL_PER_CHILD_S = 0.005
#: When there are so many, every second one goes, and from then on half as many are taken.
SAMPLES_MAX = 1200


class Sampler:
    """A task that looks every `interval_s`, or less often at very many children; a context, which it lives in.

    That the node does not answer is for others to notice.
    """

    def __init__(
        self,
        ask: Callable[[], Awaitable[StatusReply]],
        server: Server,
        *,
        warmup_jobs: int | None,
        interval_s: float = 0.25,
        helpers: Callable[[], Iterable[int]] = tuple,
        sent: Callable[[], Mapping[str, Sent]] = dict,
    ) -> None:
        """
        Args:
            ask: asks the node how it is; may raise CurrantError, which is taken for no answer.
            warmup_jobs: after how many outcomes the measured window begins; None: when `begin` is called.
            helpers: returns the pids of the bench's other processes, whose CPU is the bench's.
            sent: returns what the bench itself has sent to the database since the server's baseline, by name.
        """
        self._ask, self._server = ask, server
        self._warmup_jobs, self._interval_s = warmup_jobs, interval_s
        self._sent = sent
        self._processes, self._places = Processes(helpers), _Places()
        self._samples: list[Sample] = []
        self._node_sent: dict[str, Sent] = {}
        self._connection_errors = 0
        self._memory = Memory(supervisor=0, children=0, fork_server=0)
        self._first: End | None = None
        self._begin: End | None = None
        self._end: End | None = None
        #: Whether the window began where it was told to, and not by the warm-up's jobs.
        self._told = False
        self._transactions: int | None = None
        self._checks: list[Check] = []
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def last(self) -> Sample | None:
        """What was seen last."""
        return self._samples[-1] if self._samples else None

    async def __aenter__(self) -> "Sampler":
        """Looks for the first time, from when on the run counts. Raises BenchFailed when there is no answer."""
        self._first = await self._mark()
        self._interval_s = max(self._interval_s, INTERVAL_PER_CHILD_S * len(self._first.sample.places))
        if self._warmup_jobs == 0:
            self._warmup_jobs, self._begin = None, self._first
        self._task = asyncio.create_task(self._run(), name="sampler")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    async def begin(self) -> None:
        """Begins the measured window now."""
        self._warmup_jobs, self._told = None, True
        self._begin = await self._mark()

    async def end(self) -> None:
        """Ends the measured window and the watching: when everything has its outcome, and `currantd` still runs."""
        assert self._task is not None
        self._stopping.set()
        await self._task
        self._end = await self._mark()

    async def audit(self, *, alone: bool) -> None:
        """Compares what was sent since before the start of `currantd` with what the server counted.

        To be called when `currantd` has ended and nobody sends anything: what rests is told late.

        Args:
            alone: nobody else uses the server.
        """
        assert self._end is not None, "not before `end`"
        sent: Counter[str] = Counter()
        for uses in (self._end.sent[window.NODE], self._sent()):
            sent.update({name: use.calls for name, use in uses.items()})
        last = await self._server.told(sent)
        self._transactions = window.minus(last.transactions, self._server.baseline.transactions)
        self._checks.append(audit(sent, self._server.baseline, last, alone=alone, lost=self._connection_errors))

    def window(self, until_s: float = math.inf) -> Window:
        """Returns what was between the two ends.

        Where the run was over before the end of the warm-up was seen, that is the whole run.

        Args:
            until_s: when the last one ended, in Unix time of this machine: the end is seen a moment later, and nothing
                is sent in between.
        """
        assert self._first is not None
        assert self._end is not None, "not before `end`"
        begin, end = self._begin or self._first, self._end
        if not self._told and end.sample.at_s - begin.sample.at_s < 2 * self._interval_s:
            begin = self._first
        jobs = end.sample.ended - begin.sample.ended
        wal_bytes = window.minus(end.mark.wal_bytes, begin.mark.wal_bytes)
        uses = window.uses_by_place(begin.sample, end.sample)
        end_s = end.sample.at_s if until_s <= begin.sample.at_s else min(until_s, end.sample.at_s)
        seconds = end_s - begin.sample.at_s
        everything = window.total(uses)
        return Window(
            begin_s=begin.sample.at_s,
            end_s=end_s,
            seconds=seconds,
            jobs=int(jobs),
            cpu_s_per_1000=window.cpu(begin, end),
            wal_bytes_per_job=None if wal_bytes is None or not jobs else wal_bytes / jobs,
            children=[
                ChildUse(
                    child=place,
                    executions=int(use.executions),
                    utilization=use.utilization,
                    cpu_s=use.cpu_s,
                    memory_bytes_max=self._places.bytes_max.get(place, 0),
                )
                for place, use in uses.items()
            ],
            utilization=everything.utilization if everything.slot_s else None,
            memory=self._memory,
            statements=window.statements(begin, end, seconds),
            connection_errors=self._connection_errors,
            server_transactions=self._transactions,
            server_transactions_meanwhile=window.transactions(begin, end, self._server.baseline),
            checks=list(self._checks),
        )

    def series(self, begin_s: float | None = None, end_s: float | None = None, part_s: float | None = None) -> Series:
        """Returns the course of the whole run, or of a part of it, without the latencies.

        Args:
            begin_s, end_s: Unix time of this machine; the first and the last look where None.
            part_s: how long each part is; where None so long that there are at most 120.
        """
        assert self._samples
        begin_s = self._samples[0].at_s if begin_s is None else begin_s
        end_s = self._samples[-1].at_s if end_s is None else end_s
        return samples.series(self._samples, begin_s, end_s, part_s or samples.part_s(end_s - begin_s))

    async def _run(self) -> None:
        while not await self._stops_within(self._interval_s):
            sample = await self._look()
            if sample and self._warmup_jobs is not None and sample.ended >= self._warmup_jobs:
                self._warmup_jobs = None
                self._begin = await self._mark(sample)

    async def _stops_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        return self._stopping.is_set()

    async def _mark(self, sample: Sample | None = None) -> End:
        sample = sample or await self._look() or self.last
        if sample is None:
            raise BenchFailed("currantd does not say how it is")
        sent = {window.NODE: self._node_sent, window.BENCH: dict(self._sent())}
        self._memory = Memory(
            supervisor=self._processes.supervisor_bytes(),
            children=self._places.sum_bytes_max,
            fork_server=self._processes.fork_server_bytes(),
        )
        return End(sample, await self._server.mark(), sent)

    async def _look(self) -> Sample | None:
        try:
            reply = await self._ask()
        except CurrantError:
            return None  # it has ended, or hangs: whoever waits for its work says so
        self._processes.look(reply.pid, reply.children)
        self._places.look(reply.children)
        self._node_sent, self._connection_errors = reply.statements, reply.connection_errors
        sample = self._sample(reply)
        self._samples.append(sample)
        if len(self._samples) > SAMPLES_MAX:
            del self._samples[1::2]
            self._interval_s *= 2
        return sample

    def _sample(self, reply: StatusReply) -> Sample:
        return Sample(
            at_s=time.time(),
            completed=reply.executions["completed"],
            failed=reply.executions["failed"],
            in_flight=sum(child.running + child.waiting for child in reply.children) + reply.unsaved,
            statements=sum(use.calls for sent in (reply.statements, self._sent()) for use in sent.values()),
            places=self._places.sums(),
            supervisor_cpu_s=self._processes.supervisor_cpu_s,
            bench_cpu_s=self._processes.bench_cpu_s,
        )


class _Places:
    """Sums what the children of each place have done, also those that have ended: of them what was seen last."""

    def __init__(self) -> None:
        #: By the number of a child, which no other ever has: its place, and what it has done.
        self._uses: dict[int, tuple[int, PlaceUse]] = {}
        #: By place, the most memory that a child of it was seen with; and the most of all at a time.
        self.bytes_max: dict[int, int] = {}
        self.sum_bytes_max = 0

    def look(self, children: Sequence[ChildStatus]) -> None:
        for child in children:
            if child.id is not None:
                _, before = self._uses.get(child.id, (0, PlaceUse()))
                # A process that is just ending is told as one that has used nothing.
                now = PlaceUse(child.finished, child.busy_slot_s, child.slot_s, child.cpu_s)
                self._uses[child.id] = child.child, PlaceUse(*map(max, before, now))
                self.bytes_max[child.child] = max(child.memory_bytes, self.bytes_max.get(child.child, 0))
        self.sum_bytes_max = max(sum(child.memory_bytes for child in children), self.sum_bytes_max)

    def sums(self) -> dict[int, PlaceUse]:
        """Returns them by place."""
        sums: dict[int, PlaceUse] = {}
        for place, use in self._uses.values():
            sums[place] = sums.get(place, PlaceUse()).plus(use)
        return sums
