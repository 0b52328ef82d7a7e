"""From what a stretch left in the table, and what was seen meanwhile, to its Run."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import msgspec

from currant.bench import checks, percentiles
from currant.bench.jobs import FAIL
from currant.bench.outcomes import Latencies, latencies
from currant.bench.pace import Batch, pace_of
from currant.bench.plan import BenchFailed, Plan
from currant.bench.results import Check, Floor, Run, Series
from currant.bench.sampler import Sampler
from currant.bench.window import NODE, Window
from currant.store import bench_queries
from currant.store.bench_queries import Outcomes
from currant.store.connections import Connection

#: The name by which the statement counts that writes outcomes.
COMPLETE = "complete"


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """What is known of a stretch beside the table."""

    label: str
    #: From when on it is watched: Unix time of this machine.
    began_s: float
    #: How many were meant to be enqueued (None: as many as the time let through), and were.
    jobs: int | None
    enqueued: int
    enqueue: str
    enqueuers: int
    #: At which rate; None for a backlog.
    rate_per_s: float | None = None
    #: Whether latencies are time in a backlog.
    backlogged: bool
    #: Whether the time ended it: what is pending then was left on purpose.
    cut_off: bool = False
    #: How many ends come before the measured part; None: those before the window's beginning.
    warmup_jobs: int | None
    #: From when latencies count, by id, by the database's clock; where there is none, from the creation.
    intended_s: Mapping[str, float] | None = None
    #: By how much the database's clock is ahead of this machine's.
    offset_s: float
    enqueue_per_s: float | None = None
    floor: Floor | None = None
    checks: tuple[Check, ...] = ()


async def assemble(connection: Connection, plan: Plan, stretch: Stretch, sampler: Sampler) -> Run:
    """Returns the figures. Raises BenchFailed when there are none: nothing ended."""
    tally = await bench_queries.tally(connection, queues=plan.queue_names, failing=FAIL.name)
    outcomes = await bench_queries.outcomes(connection, queues=plan.queue_names, ids=stretch.intended_s is not None)
    if not outcomes.completed_s:
        raise BenchFailed(f"{stretch.label}: no execution completed")
    window = sampler.window(until_s=outcomes.completed_s[-1] - stretch.offset_s)
    warmup = _warmup(plan, stretch, outcomes, window)
    pace = pace_of(_batches(outcomes), warmup)
    found = latencies(
        outcomes,
        warmup=warmup,
        intended_s=stretch.intended_s,
        offset_s=stretch.offset_s,
        write_ms=sum(use.mean_ms for use in window.statements if (use.name, use.who) == (COMPLETE, NODE)),
    )
    lost = stretch.enqueued - tally.completed - tally.failed - (tally.left if stretch.cut_off else 0)
    measured = range(warmup, len(outcomes.completed_s))
    return Run(
        **_of_plan(plan),
        label=stretch.label,
        rate_per_s=stretch.rate_per_s,
        arrivals=None if stretch.rate_per_s is None else plan.arrivals,
        enqueue=stretch.enqueue,
        enqueuers=stretch.enqueuers,
        jobs=stretch.jobs,
        enqueued=stretch.enqueued,
        completed=tally.completed,
        failed=tally.failed,
        retries=tally.retries,
        lost=lost,
        doubled=tally.doubled,
        warmup_jobs=warmup,
        seconds=pace.seconds,
        throughput_per_s=pace.per_s,
        throughput_spread=percentiles.spread(
            outcomes.completed_s[measured.start :], outcomes.completed_s[measured.start], outcomes.completed_s[-1]
        ),
        enqueue_per_s=stretch.enqueue_per_s,
        start_ms=percentiles.percentiles(found.start_ms),
        complete_ms=percentiles.percentiles(found.complete_ms),
        histogram=percentiles.histogram(found.complete_ms),
        backlogged=stretch.backlogged,
        # It was over before anybody looked: what is said of each job is then of none.
        **_of_window(window if window.jobs else replace(window, statements=[])),
        series=_series(sampler, found, stretch),
        floor=stretch.floor,
        checks=[
            checks.every_execution_once(
                enqueued=stretch.enqueued,
                lost=lost,
                doubled=tally.doubled,
                amiss=tally.amiss,
                left=tally.left if stretch.cut_off else 0,
            ),
            *stretch.checks,
            *window.checks,
        ],
    )


def assemble_idle(plan: Plan, label: str, sampler: Sampler, extra: dict[str, float]) -> Run:
    """Returns what a `currantd` without work did; `extra` goes into the run as it is."""
    window = sampler.window()
    return Run(
        **_of_plan(plan),
        label=label,
        jobs=0,
        enqueued=0,
        completed=0,
        failed=0,
        retries=0,
        lost=0,
        doubled=0,
        warmup_jobs=0,
        seconds=window.seconds,
        throughput_per_s=0.0,
        **_of_window(window)
        | {
            # The bench's own question is nothing that a node does, and the start of `currantd` is no rest.
            "statements": [use for use in window.statements if use.who == NODE],
            "server_transactions": window.server_transactions_meanwhile,
        },
        series=sampler.series(window.begin_s, window.end_s),
        checks=window.checks,
        extra=extra,
    )


def _of_plan(plan: Plan) -> dict[str, Any]:
    return {
        "workers": plan.workers,
        "concurrency": plan.concurrency,
        "job": plan.job.text,
        "queues": dict(plan.queues),
        "payload_bytes": plan.payload_bytes,
        "seed": plan.seed,
    }


def _of_window(window: Window) -> dict[str, Any]:
    return {
        "children": window.children,
        "utilization": window.utilization,
        "wal_bytes_per_job": window.wal_bytes_per_job,
        "cpu_s_per_1000": window.cpu_s_per_1000,
        "memory": window.memory,
        "statements": window.statements,
        "connection_errors": window.connection_errors,
        "server_transactions": window.server_transactions,
    }


def _warmup(plan: Plan, stretch: Stretch, outcomes: Outcomes, window: Window) -> int:
    """Returns how many ends come before the measured part; at least one is in it."""
    rows = len(outcomes.completed_s)
    if stretch.warmup_jobs is None:
        begin_s = window.begin_s + stretch.offset_s
        return min(sum(1 for each in outcomes.completed_s if each < begin_s), rows - 1)
    # Cut off within the warm-up: its share of what there is.
    return stretch.warmup_jobs if stretch.warmup_jobs < rows else plan.warmup_rows(rows)


def _batches(outcomes: Outcomes) -> list[Batch]:
    """Returns the batches that were completed in one transaction each, and so at the same moment."""
    batches, first = [], 0
    for began_s, group in groupby(outcomes.completed_s):
        count = sum(1 for _ in group)
        batches.append(Batch(began_s, min(outcomes.claimed_s[first : first + count]), count))
        first += count
    return batches


def _series(sampler: Sampler, found: Latencies, stretch: Stretch) -> Series:
    """Returns the course of the whole run; the latencies are those of the measured part."""
    series = sampler.series(stretch.began_s)
    if stretch.backlogged or not series.at_s:
        return series
    # A completion that was written after the last look belongs to the last part.
    edges = [stretch.began_s + stretch.offset_s + at_s for at_s in (0.0, *series.at_s[:-1])]
    course = percentiles.course(found.ended_s, found.complete_ms, [*edges, math.inf])
    return msgspec.structs.replace(
        series,
        p50_ms=[each and each.p50 for each in course],
        p99_ms=[each and each.p99 for each in course],
    )
