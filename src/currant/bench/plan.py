"""What is to be measured: the options, checked before anything runs, and what can go wrong afterwards."""

import os
from dataclasses import dataclass
from pathlib import Path

from currant.errors import ConfigurationError, CurrantError
from currant.protocol.cells import CELLS_MAX

#: Enqueues a second when nothing else is asked: little enough that no backlog builds up, so that a latency means the
#: pipeline's own; enough that batches form.
RATE_PER_S = 1000.0
WORKERS_MAX = 1000
#: `currantd`'s own bound.
CONCURRENCY_MAX = CELLS_MAX // 2
JOBS_MAX = 100_000_000
RATE_PER_S_MAX = 1e6
#: Callers at a time when nothing else is asked; each costs a task.
ENQUEUERS = 200
ENQUEUERS_MAX = 100_000


class BenchFailed(CurrantError):
    """There is no result: `currantd` ended, or nothing moved any more."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The options. `rate_per_s` is None for a drain; `enqueuers` is None unless the enqueue is measured."""

    workers: int
    concurrency: int
    jobs: int
    warmup_percent: float
    rate_per_s: float | None
    enqueuers: int | None = None

    @property
    def mode(self) -> str:
        if self.enqueuers is not None:
            return "enqueue"
        return "drain" if self.rate_per_s is None else "latency"

    def warmup_rows(self, rows: int) -> int:
        """Returns how many of so many rows are left out of the figures; at least one is left in."""
        return min(int(rows * self.warmup_percent / 100), rows - 1)


def make_plan(
    *,
    workers: int,
    concurrency: int,
    jobs: int,
    warmup_percent: float,
    rate: float | None,
    drain: bool,
    enqueue: bool = False,
    enqueuers: int | None = None,
) -> Plan:
    """Returns the plan. Raises ConfigurationError, which names the option, the rule and the value."""
    _check_whole("--workers", workers, WORKERS_MAX)
    _check_whole("--concurrency", concurrency, CONCURRENCY_MAX)
    _check_whole("--jobs", jobs, JOBS_MAX)
    if not 0 <= warmup_percent < 100:
        raise ConfigurationError(f"--warmup-percent must be at least 0 and less than 100, got {warmup_percent:g}")
    if rate is not None and drain:
        raise ConfigurationError("--rate and --drain exclude each other: a drain enqueues everything beforehand")
    if rate is not None and not 0 < rate <= RATE_PER_S_MAX:
        raise ConfigurationError(f"--rate must be greater than 0 and at most {RATE_PER_S_MAX:,.0f}, got {rate:g}")
    if enqueue and (drain or rate is not None):
        raise ConfigurationError("--enqueue excludes --rate and --drain: it runs no job")
    if enqueuers is not None and not enqueue:
        raise ConfigurationError("--enqueuers needs --enqueue")
    if enqueuers is not None:
        _check_whole("--enqueuers", enqueuers, ENQUEUERS_MAX)
    return Plan(
        workers=workers,
        concurrency=concurrency,
        jobs=jobs,
        warmup_percent=warmup_percent,
        rate_per_s=None if drain or enqueue else rate or RATE_PER_S,
        enqueuers=(enqueuers or ENQUEUERS) if enqueue else None,
    )


def check_target(file: Path) -> None:
    """Raises ConfigurationError when the result could not be written there after all the work."""
    folder = file.absolute().parent
    if not folder.is_dir():
        raise ConfigurationError(f"--json must name a file in a folder that exists, got {file}")
    if file.is_dir():
        raise ConfigurationError(f"--json must name a file, got the folder {file}")
    if not os.access(file if file.exists() else folder, os.W_OK):
        raise ConfigurationError(f"--json must name a file that can be written, got {file}")


def _check_whole(option: str, value: int, high: int) -> None:
    if not 1 <= value <= high:
        raise ConfigurationError(f"{option} must be an integer from 1 to {high}, got {value}")
