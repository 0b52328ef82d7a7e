"""What is to be measured: the options, checked before anything runs, and what can go wrong afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from currant.bench.jobs import QUEUE, JobSpec
from currant.errors import ConfigurationError, CurrantError
from currant.names import check_queue
from currant.protocol.cells import CELLS_MAX
from currant.settings import CLAIM_ROWS_MAX, COMPLETE_ROWS_MAX

#: In the order in which they are worth running.
MODES = ("capacity", "steady", "sweep", "scale", "idle", "ramp", "phases", "enqueue")
ARRIVALS = ("even", "poisson")
ENQUEUES = ("single", "many")

#: Enqueues a second when nothing else is asked: little enough that no backlog builds up, so that a latency means the
#: pipeline's own; enough that batches form.
RATE_PER_S = 1000.0
JOBS = 10_000
#: Prefilled for a drain that only a duration limits.
BACKLOG_ROWS = 100_000
#: A sustained stretch of a mode that no option bounds.
IDLE_S = 30.0
IDLE_WORKERS = 100
SCALE_WORKERS = (1, 2, 4, 8, 16, 32)
RAMP_ROWS = (1_000, 10_000, 100_000, 1_000_000)
#: The mode ramp claims so many at once.
RAMP_ROWS_MIN = 500
P99_LIMIT_MS = 10.0
#: Concurrent enqueuers, at the least, of a paced run; of bulk enqueues; callers of `.queue()` in the mode enqueue.
ENQUEUERS_SINGLE, ENQUEUERS_MANY, ENQUEUERS_CROWD = 8, 2, 200

#: `currantd`'s own bound, as are those of the batches.
POLL_S_MIN = 0.01
WORKERS_MAX = 1000
#: `currantd`'s own bound.
CONCURRENCY_MAX = CELLS_MAX // 2
JOBS_MAX = 100_000_000
DURATION_S_MAX = 86_400.0
RATE_PER_S_MAX = 1e6
ENQUEUERS_MAX = 100_000
#: What surrounds it must go into what `currantd` takes of arguments when nothing else is set.
PAYLOAD_BYTES_MAX = (1 << 20) - 1024
REPEAT_MAX = 100
QUEUES_MAX = 100
SEED_MAX = 2**31 - 1


class BenchFailed(CurrantError):
    """There is no result, or one that means nothing: `currantd` ended, nothing moved any more, or a check failed."""


class QueueShare(NamedTuple):
    """A queue, and which part of the jobs goes into it; all parts make 1."""

    name: str
    share: float


#: Any free port of this machine.
METRICS = "127.0.0.1:0"


class Switches(NamedTuple):
    """What of `currantd`'s ideas is switched off or set otherwise; None: as `currantd` does by itself."""

    claim_batch: int | None = None
    complete_batch: int | None = None
    prefetch: bool | None = None
    #: Asks the database so often in place of listening, in seconds.
    poll_s: float | None = None
    #: Where it serves its metrics.
    metrics: str | None = METRICS


ONE_QUEUE = (QueueShare(QUEUE, 1.0),)
NOTHING_SWITCHED = Switches()
NOOP_JOBS = JobSpec()


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The options. `dataclasses.replace` makes a mode's variants of it."""

    modes: tuple[str, ...] = ("capacity", "steady")
    workers: int
    concurrency: int = 64
    #: None: as many as the duration lets through.
    jobs: int | None = JOBS
    duration_s: float | None = None
    warmup_percent: float = 10.0
    queues: tuple[QueueShare, ...] = ONE_QUEUE
    #: Of each job's arguments, beside the brackets.
    payload_bytes: int = 0
    job: JobSpec = NOOP_JOBS
    #: Whether the job was asked for: a mode may take another by itself.
    job_given: bool = False
    #: None: what the mode takes by itself.
    rate_per_s: float | None = None
    arrivals: str = "even"
    #: `single` or `many`; None: singly at a rate, in bulk as fast as possible.
    enqueue: str | None = None
    #: None: what supply.py takes by itself.
    enqueuers: int | None = None
    seed: int = 0
    repeat: int = 1
    switches: Switches = NOTHING_SWITCHED
    p99_limit_ms: float = P99_LIMIT_MS
    scale_workers: tuple[int, ...] = SCALE_WORKERS
    idle_s: float = IDLE_S
    idle_workers: int = IDLE_WORKERS
    ramp_rows: tuple[int, ...] = RAMP_ROWS

    @property
    def queue_names(self) -> list[str]:
        return [each.name for each in self.queues]

    @property
    def backlog_rows(self) -> int:
        """How many jobs a prefilled backlog has."""
        return BACKLOG_ROWS if self.jobs is None else self.jobs

    def warmup_rows(self, rows: int) -> int:
        """Returns how many of so many rows are left out of the figures; at least one is left in."""
        return max(0, min(int(rows * self.warmup_percent / 100), rows - 1))


def make_plan(
    *,
    modes: str | None = None,
    workers: int | None,
    default_workers: int,
    concurrency: int = 64,
    jobs: int | None = None,
    duration_s: float | None = None,
    warmup_percent: float = 10.0,
    queues: str | None = None,
    queue_distribution: str | None = None,
    payload_bytes: int = 0,
    job: JobSpec | None = None,
    rate: float | None = None,
    arrivals: str = "even",
    enqueue: str | None = None,
    enqueuers: int | None = None,
    seed: int = 0,
    repeat: int = 1,
    p99_limit_ms: float = P99_LIMIT_MS,
    scale_workers: str | None = None,
    idle_s: float = IDLE_S,
    ramp_rows: str | None = None,
    switches: Switches = NOTHING_SWITCHED,
) -> Plan:
    """Returns the plan of the options as they are given; lists are texts with commas.

    Args:
        default_workers: when `workers` is not given, but for the mode idle.

    Raises:
        ConfigurationError: an option breaks its rule; it names the option, the rule and the value.
    """
    _whole("--workers", workers, WORKERS_MAX)
    _whole("--concurrency", concurrency, CONCURRENCY_MAX)
    _whole("--jobs", jobs, JOBS_MAX)
    _number("--duration", duration_s, DURATION_S_MAX, "seconds")
    if not 0 <= warmup_percent < 100:
        raise ConfigurationError(f"--warmup-percent must be at least 0 and less than 100, got {warmup_percent:g}")
    _whole("--payload-bytes", payload_bytes, PAYLOAD_BYTES_MAX, low=0)
    _number("--rate", rate, RATE_PER_S_MAX, "jobs a second")
    _word("--arrivals", arrivals, ARRIVALS)
    _word("--enqueue", enqueue, ENQUEUES)
    _whole("--enqueuers", enqueuers, ENQUEUERS_MAX)
    _whole("--seed", seed, SEED_MAX, low=0)
    _whole("--repeat", repeat, REPEAT_MAX)
    _number("--p99-limit", p99_limit_ms, 1e6, "milliseconds")
    _number("--idle-for", idle_s, DURATION_S_MAX, "seconds")
    _whole("--claim-batch", switches.claim_batch, CLAIM_ROWS_MAX)
    _whole("--complete-batch", switches.complete_batch, COMPLETE_ROWS_MAX)
    _number("--poll", switches.poll_s, 3600.0, "seconds")
    if switches.poll_s is not None and switches.poll_s < POLL_S_MIN:
        raise ConfigurationError(f"--poll must be at least {POLL_S_MIN:g} seconds, got {switches.poll_s:g}")
    return Plan(
        modes=_modes(modes, rate),
        workers=default_workers if workers is None else workers,
        concurrency=concurrency,
        jobs=JOBS if jobs is None and duration_s is None else jobs,
        duration_s=duration_s,
        warmup_percent=warmup_percent,
        queues=_queues(queues, queue_distribution),
        payload_bytes=payload_bytes,
        job=job or NOOP_JOBS,
        job_given=job is not None,
        rate_per_s=rate,
        arrivals=arrivals,
        enqueue=enqueue,
        enqueuers=enqueuers,
        seed=seed,
        repeat=repeat,
        switches=switches,
        p99_limit_ms=p99_limit_ms,
        scale_workers=_increasing(
            "--scale-workers", scale_workers, SCALE_WORKERS if workers is None else _doubling(workers), WORKERS_MAX
        ),
        idle_s=idle_s,
        idle_workers=IDLE_WORKERS if workers is None else workers,
        ramp_rows=_increasing("--backlogs", ramp_rows, RAMP_ROWS, JOBS_MAX, low=RAMP_ROWS_MIN),
    )


def _modes(text: str | None, rate: float | None) -> tuple[str, ...]:
    if text is None:
        return ("capacity", "steady") if rate is None else ("steady",)
    modes = _items(text)
    for mode in modes:
        _word("--mode", mode, MODES)
    if len(set(modes)) != len(modes) or not modes:
        raise ConfigurationError(f"--mode must name each mode once, got {text}")
    return modes


def _queues(names: str | None, distribution: str | None) -> tuple[QueueShare, ...]:
    if names is None:
        if distribution is not None:
            raise ConfigurationError("--queue-distribution needs --queues")
        return ONE_QUEUE
    queues = _items(names)
    if not 1 <= len(queues) <= QUEUES_MAX or len(set(queues)) != len(queues):
        raise ConfigurationError(f"--queues must be 1 to {QUEUES_MAX} different names with commas, got {names}")
    for queue in queues:
        check_queue(queue)
    parts = [1.0] * len(queues) if distribution is None else _parts(distribution, len(queues))
    return tuple(QueueShare(queue, part / sum(parts)) for queue, part in zip(queues, parts, strict=True))


def _parts(text: str, count: int) -> list[float]:
    try:
        parts = [float(each) for each in _items(text)]
    except ValueError:
        parts = []
    if len(parts) != count or not all(0 < part <= 1e9 for part in parts):
        raise ConfigurationError(
            f"--queue-distribution must have a number greater than 0 for each queue, as in 70,30, got {text}"
        )
    return parts


def _doubling(upto: int) -> tuple[int, ...]:
    """Returns 1, 2, 4 and so on, and the last one itself."""
    return (*(1 << power for power in range((upto - 1).bit_length())), upto)


def _increasing(option: str, text: str | None, default: tuple[int, ...], high: int, *, low: int = 1) -> tuple[int, ...]:
    if text is None:
        return default
    items = _items(text)
    numbers = tuple(int(each) for each in items if each.isascii() and each.isdigit() and len(each) < 12)
    good = len(numbers) == len(items) > 0 and all(low <= each <= high for each in numbers)
    if not good or any(later <= earlier for earlier, later in pairwise(numbers)):
        raise ConfigurationError(f"{option} must be growing integers from {low} to {high} with commas, got {text}")
    return numbers


def _items(text: str) -> tuple[str, ...]:
    return tuple(each.strip() for each in text.split(","))


def _word(option: str, value: str | None, words: Sequence[str]) -> None:
    if value is not None and value not in words:
        raise ConfigurationError(f"{option} must be {', '.join(words[:-1])} or {words[-1]}, got {value}")


def _whole(option: str, value: int | None, high: int, *, low: int = 1) -> None:
    if value is not None and not low <= value <= high:
        raise ConfigurationError(f"{option} must be an integer from {low} to {high}, got {value}")


def _number(option: str, value: float | None, high: float, unit: str) -> None:
    if value is not None and not 0 < value <= high:
        raise ConfigurationError(f"{option} must be greater than 0 and at most {high:,.0f} {unit}, got {value:g}")
