"""What happened between two statuses of a node: rates, and how busy its children were. Pure."""

from collections.abc import Mapping
from typing import NamedTuple

from currant.protocol.status import ChildStatus, FunctionStatus, StatusReply
from currant.protocol.timings import BOUNDS_S


class ChildRates(NamedTuple):
    """Of one child. `busy`: the part of its slots' time in which they ran something; `cpu`: processors in use. None:
    nothing is known of it for that time."""

    busy: float | None
    cpu: float | None
    finished_per_s: float | None


class FunctionRates(NamedTuple):
    """Of one function in one queue. `slots`: how many ran at a time, on average. `mean_s`, `p95_s` and `wait_s`, how
    long they ran and waited, are None where none did; a p95 is the upper bound of its bucket, at most infinity."""

    queue: str
    function: str
    per_s: float
    failed_per_s: float
    slots: float
    mean_s: float | None
    p95_s: float | None
    wait_s: float | None


class Rates(NamedTuple):
    """`seconds`: of the time between; `since_start`: that began with the node. `executions`: a second, by what became
    of them. `children` by their ids."""

    seconds: float
    since_start: bool
    executions: dict[str, float]
    statements_per_s: float
    children: dict[int, ChildRates]
    functions: list[FunctionRates]


def rates(now: StatusReply, before: StatusReply | None = None) -> Rates:
    """Returns the rates since `before`, or since the node's start: without one, or if that was another node's."""
    if before is not None and (before.pid != now.pid or before.uptime_s >= now.uptime_s):
        before = None
    seconds = max(1e-9, now.uptime_s - (before.uptime_s if before else 0.0))
    had: Mapping[str, int] = before.executions if before else {}
    children = {each.id: each for each in (before.children if before else []) if each.id is not None}
    functions = {(each.queue, each.function): each for each in (before.functions if before else [])}
    calls = _calls(now) - (_calls(before) if before else 0)
    return Rates(
        seconds,
        before is None,
        {name: (count - had.get(name, 0)) / seconds for name, count in now.executions.items()},
        calls / seconds,
        {
            each.id: _of_child(each, children.get(each.id), seconds if before else None)
            for each in now.children
            if each.id is not None
        },
        _by_time([_of_function(each, functions.get((each.queue, each.function)), seconds) for each in now.functions]),
    )


def _of_child(now: ChildStatus, before: ChildStatus | None, seconds: float | None) -> ChildRates:
    """`seconds`: between the two; None: since its start, of which only its slots' time is known."""
    slot_s = now.slot_s - (before.slot_s if before else 0.0)
    busy_s = now.busy_slot_s - (before.busy_slot_s if before else 0.0)
    busy = min(1.0, max(0.0, busy_s / slot_s)) if slot_s > 0 else None
    if before is None or seconds is None:
        return ChildRates(busy, None, None)
    cpu = max(0.0, now.cpu_s - before.cpu_s) / seconds
    return ChildRates(busy, cpu, max(0, now.finished - before.finished) / seconds)


def _of_function(now: FunctionStatus, before: FunctionStatus | None, seconds: float) -> FunctionRates:
    had = before or FunctionStatus(now.queue, now.function, 0, 0, {}, 0, 0, 0.0, 0, 0.0, [0] * len(now.run_buckets))
    runs, runs_s = now.runs - had.runs, now.runs_s - had.runs_s
    waits, waits_s = now.waits - had.waits, now.waits_s - had.waits_s
    finished = sum(now.finished.values()) - sum(had.finished.values())
    bad = sum(now.finished.get(each, 0) - had.finished.get(each, 0) for each in ("failed", "retried", "crashed"))
    return FunctionRates(
        now.queue,
        now.function,
        finished / seconds,
        bad / seconds,
        runs_s / seconds,
        runs_s / runs if runs else None,
        percentile([a - b for a, b in zip(now.run_buckets, had.run_buckets, strict=True)], 0.95),
        waits_s / waits if waits else None,
    )


def percentile(buckets: list[int], part: float) -> float | None:
    """Returns the upper bound of the bucket that this part of the counted is at most in; None: there are none."""
    total, below = sum(buckets), 0
    if total <= 0:
        return None
    for count, bound in zip(buckets, (*BOUNDS_S, float("inf")), strict=True):
        below += count
        if below >= part * total:
            return bound
    return None


def _by_time(functions: list[FunctionRates]) -> list[FunctionRates]:
    """Returns those first that took the most of the slots' time, then those that ended most often."""
    return sorted(functions, key=lambda each: (-each.slots, -each.per_s, each.function, each.queue))


def _calls(reply: StatusReply) -> int:
    return sum(use.calls for use in reply.statements.values())
