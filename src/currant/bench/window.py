"""What was between two moments of a run. Pure."""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from currant.bench.results import Check, ChildUse, Cpu, Memory, StatementUse
from currant.bench.samples import PlaceUse, Sample
from currant.bench.server import Mark
from currant.records import StatementUse as Sent

N = TypeVar("N", int, float)
#: Who sends statements.
NODE, BENCH = "currantd", "bench"


@dataclass(frozen=True, slots=True)
class End:
    """One end of the measured part: what `currantd`, the kernel and the server said."""

    sample: Sample
    mark: Mark
    #: What each sender has sent so far, by name.
    sent: Mapping[str, Mapping[str, Sent]]


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
    #: Of each sender the most frequent first.
    statements: list[StatementUse]
    #: Of `currantd` since its start, where any one matters.
    connection_errors: int
    #: Of this database, everybody's, from before the start of `currantd` to its end; None before the audit.
    server_transactions: int | None
    #: Those of the measured part alone, where nothing was under way at its ends: a busy session's come a second late.
    server_transactions_meanwhile: int | None
    checks: list[Check]


def uses_by_place(begin: Sample, end: Sample) -> dict[int, PlaceUse]:
    """Returns what the children of each place did in between."""
    return {place: use.minus(begin.places.get(place, PlaceUse())) for place, use in sorted(end.places.items())}


def total(uses: Mapping[int, PlaceUse]) -> PlaceUse:
    """Returns what all children did together."""
    return functools.reduce(PlaceUse.plus, uses.values(), PlaceUse())


def cpu(begin: End, end: End) -> Cpu | None:
    """Returns the CPU seconds for each 1,000 jobs; None without jobs."""
    jobs = end.sample.ended - begin.sample.ended
    if not jobs:
        return None

    def per_1000(seconds: float) -> float:
        return seconds / jobs * 1000

    postgres = minus(end.mark.cpu_s, begin.mark.cpu_s)
    return Cpu(
        supervisor=per_1000(end.sample.supervisor_cpu_s - begin.sample.supervisor_cpu_s),
        children=per_1000(total(uses_by_place(begin.sample, end.sample)).cpu_s),
        postgres=None if postgres is None else per_1000(postgres),
        bench=per_1000(end.sample.bench_cpu_s - begin.sample.bench_cpu_s),
    )


def statements(begin: End, end: End, seconds: float) -> list[StatementUse]:
    """Returns what each sender sent in between, within so many seconds, those that were not sent left out."""
    uses = sorted(_statements(begin, end, seconds), key=lambda use: (use.who != NODE, -use.calls, use.name))
    names = [use.name for use in uses]
    # The server counts by text, whoever sent it: where both did, it says nothing of either.
    return [use if names.count(use.name) == 1 else _without_servers(use) for use in uses]


def _statements(begin: End, end: End, seconds: float) -> Iterator[StatementUse]:
    jobs = end.sample.ended - begin.sample.ended
    nothing = Sent(0, 0, 0.0)
    for who, uses in end.sent.items():
        for name, after in uses.items():
            before = begin.sent[who].get(name, nothing)
            if calls := after.calls - before.calls:
                yield StatementUse(
                    name=name,
                    who=who,
                    calls=calls,
                    rows=after.rows - before.rows,
                    mean_ms=(after.seconds - before.seconds) / calls * 1000,
                    per_s=calls / seconds if seconds > 0 else 0.0,
                    per_job=calls / jobs if jobs else 0.0,
                    server_calls=_servers(begin, end, name),
                )


def _servers(begin: End, end: End, name: str) -> int | None:
    if begin.mark.calls is None or end.mark.calls is None or name not in end.mark.calls:
        return None
    return end.mark.calls[name] - begin.mark.calls.get(name, 0)


def _without_servers(use: StatementUse) -> StatementUse:
    return msgspec.structs.replace(use, server_calls=None)


def transactions(begin: End, end: End, baseline: Mark) -> int | None:
    """Returns how many the server told of in between, without those that it told late."""
    told = minus(begin.mark.transactions, baseline.transactions)
    between = minus(end.mark.transactions, begin.mark.transactions)
    if told is None or between is None:
        return None
    sent = sum(use.calls for uses in begin.sent.values() for use in uses.values())
    return between - max(0, sent - told)


def minus(after: N | None, before: N | None) -> N | None:
    """Returns the difference; None where either is not known."""
    return None if after is None or before is None else after - before
