"""Watches a run from outside: asks `currantd` how it is, and the kernel what its processes use.

The measured window begins when the warm-up's executions have their outcome (or when it is told to), and ends with
`end`. At those two moments the server's counters are read; in between the database is asked nothing.
"""

import asyncio
import contextlib
import functools
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType

from currant.bench import samples
from currant.bench.plan import BenchFailed
from currant.bench.processes import Processes
from currant.bench.results import ChildUse, Cpu, Memory, Series
from currant.bench.samples import PlaceUse, Sample
from currant.bench.server import Mark, Server
from currant.errors import CurrantError
from currant.protocol.status import ChildStatus, StatusReply

#: The memory of children is looked at less often: a file for each of them costs more than their CPU.
MEMORY_EVERY = 8
#: Each child costs some 20 µs a look, of the supervisor and of the bench: so all of it stays below 1 % of a core.
INTERVAL_PER_CHILD_S = 0.005
#: When there are so many, every second one goes, and from then on half as many are taken.
SAMPLES_MAX = 1200


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What the measured part cost. What is per job is None without jobs, and where it cannot be seen from here."""

    #: Unix time of this machine, and the seconds between.
    begin_s: float
    end_s: float
    seconds: float
    #: Executions that got their outcome.
    jobs: int
    cpu_s_per_1000: Cpu | None
    wal_bytes_per_job: float | None
    children: list[ChildUse]
    utilization: float | None
    memory: Memory


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
    ) -> None:
        """
        Args:
            ask: asks the node how it is; may raise CurrantError, which is taken for no answer.
            warmup_jobs: after how many outcomes the measured window begins; None: when `begin` is called.
            helpers: returns the pids of the bench's other processes, whose CPU is the bench's.
        """
        self._ask, self._server = ask, server
        self._warmup_jobs, self._interval_s = warmup_jobs, interval_s
        self._processes, self._places = Processes(helpers), _Places()
        self._samples: list[Sample] = []
        self._looks = 0
        self._first: _End | None = None
        self._begin: _End | None = None
        self._end: _End | None = None
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
            self._begin = self._first
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
        self._begin = await self._mark()

    async def end(self) -> None:
        """Ends the measured window and the watching: when everything has its outcome, and `currantd` still runs."""
        assert self._task is not None
        self._stopping.set()
        await self._task
        self._end = await self._mark()

    def window(self) -> Window:
        """Returns what was between the two ends.

        Where the run was over before the end of the warm-up was seen, that is the whole run.
        """
        assert self._first is not None
        assert self._end is not None, "not before `end`"
        begin, end = self._begin or self._first, self._end
        if end.sample.at_s - begin.sample.at_s < 2 * self._interval_s:
            begin = self._first
        jobs = end.sample.ended - begin.sample.ended
        wal_bytes = _minus(end.mark.wal_bytes, begin.mark.wal_bytes)
        before = begin.sample.places
        uses = {place: use.minus(before.get(place, PlaceUse())) for place, use in end.sample.places.items()}
        everything = functools.reduce(PlaceUse.plus, uses.values(), PlaceUse())
        return Window(
            begin_s=begin.sample.at_s,
            end_s=end.sample.at_s,
            seconds=end.sample.at_s - begin.sample.at_s,
            jobs=int(jobs),
            cpu_s_per_1000=_cpu(begin, end, jobs) if jobs else None,
            wal_bytes_per_job=None if wal_bytes is None or not jobs else wal_bytes / jobs,
            children=[
                ChildUse(
                    child=place,
                    executions=int(use.executions),
                    utilization=use.utilization,
                    cpu_s=end.place_cpu_s.get(place, 0.0) - begin.place_cpu_s.get(place, 0.0),
                    memory_bytes_max=self._processes.child_bytes_max.get(place, 0),
                )
                for place, use in sorted(uses.items())
            ],
            utilization=everything.utilization if everything.slot_s else None,
            memory=self._processes.memory,
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
            if sample and self._begin is None and self._warmup_jobs is not None and sample.ended >= self._warmup_jobs:
                self._begin = await self._mark(sample)

    async def _stops_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        return self._stopping.is_set()

    async def _mark(self, sample: Sample | None = None) -> "_End":
        sample = sample or await self._look() or self.last
        if sample is None:
            raise BenchFailed("currantd does not say how it is")
        return _End(sample, await self._server.mark(), self._processes.place_cpu_s())

    async def _look(self) -> Sample | None:
        try:
            reply = await self._ask()
        except CurrantError:
            return None  # it has ended, or hangs: whoever waits for its work says so
        self._processes.look(reply.pid, reply.children)
        if self._looks % MEMORY_EVERY == 0:
            self._processes.look_at_memory(reply.children)
        self._looks += 1
        sample = self._sample(reply)
        self._samples.append(sample)
        if len(self._samples) > SAMPLES_MAX:
            del self._samples[1::2]
            self._interval_s *= 2
        return sample

    def _sample(self, reply: StatusReply) -> Sample:
        now = time.time()
        elapsed_s = now - self._samples[-1].at_s if self._samples else 0.0
        return Sample(
            at_s=now,
            completed=reply.executions["completed"],
            failed=reply.executions["failed"],
            in_flight=sum(child.running + child.waiting for child in reply.children) + reply.unsaved,
            statements=0.0,
            places=self._places.add(reply.children, elapsed_s),
            supervisor_cpu_s=self._processes.supervisor_cpu_s,
            children_cpu_s=self._processes.children_cpu_s,
            bench_cpu_s=self._processes.bench_cpu_s,
        )


class _Places:
    """Sums what the children of each place have done, also those that have ended."""

    def __init__(self) -> None:
        #: By the number of a child, which no other ever has.
        self._uses: dict[int, tuple[int, PlaceUse]] = {}

    def add(self, children: Sequence[ChildStatus], elapsed_s: float) -> dict[int, PlaceUse]:
        """Returns the sums by place."""
        for child in children:
            if child.id is not None:
                _, use = self._uses.get(child.id, (0, PlaceUse()))
                busy, slots = child.running * elapsed_s, child.slots * elapsed_s
                self._uses[child.id] = child.child, PlaceUse(child.finished, use.busy_slot_s + busy, use.slot_s + slots)
        sums: dict[int, PlaceUse] = {}
        for place, use in self._uses.values():
            sums[place] = sums.get(place, PlaceUse()).plus(use)
        return sums


@dataclass(frozen=True, slots=True)
class _End:
    """One end of the measured window."""

    sample: Sample
    mark: Mark
    place_cpu_s: dict[int, float]


def _cpu(begin: _End, end: _End, jobs: float) -> Cpu:
    def per_1000(seconds: float) -> float:
        return seconds / jobs * 1000

    postgres = _minus(end.mark.cpu_s, begin.mark.cpu_s)
    before, after = begin.sample, end.sample
    return Cpu(
        supervisor=per_1000(after.supervisor_cpu_s - before.supervisor_cpu_s),
        children=per_1000(after.children_cpu_s - before.children_cpu_s),
        postgres=None if postgres is None else per_1000(postgres),
        bench=per_1000(after.bench_cpu_s - before.bench_cpu_s),
    )


def _minus(after: float | None, before: float | None) -> float | None:
    return None if after is None or before is None else after - before
