"""What came out: who measures fills these, who shows or compares reads them. The JSON file is this.

A document has a section for each mode that ran; a section has runs, each of which is one `currantd` over one backlog or
one stretch of time, and figures: the few numbers that the section is for, by the names of `FIGURES`.
"""

import msgspec

#: Grows when a reader of older files would misread newer ones.
FORMAT = 1


class Figure(msgspec.Struct, frozen=True):
    """What a named figure means: its unit, and whether more of it is better (None: neither)."""

    meaning: str
    unit: str
    more_is_better: bool | None


#: Every figure of a section, so that any two documents can be compared without knowing their modes.
FIGURES: dict[str, Figure] = {
    "throughput_per_s": Figure("drained from a prefilled backlog", "jobs/s", True),
    "floor_per_s": Figure("SQL floor of the same run", "jobs/s", None),
    "ratio_to_floor": Figure("drain ÷ SQL floor", "×", True),
    "end_to_end_per_s": Figure("enqueued in bulk and run at the same time", "jobs/s", True),
    "end_to_end_ratio": Figure("enqueued and run ÷ SQL floor", "×", True),
    "start_p50_ms": Figure("intended to started, p50", "ms", False),
    "start_p99_ms": Figure("intended to started, p99", "ms", False),
    "complete_p50_ms": Figure("intended to completed, p50", "ms", False),
    "complete_p99_ms": Figure("intended to completed, p99", "ms", False),
    "knee_per_s": Figure("highest rate whose p99 kept the limit", "jobs/s", True),
    "speed_up": Figure("throughput of the most workers ÷ of the fewest", "×", True),
    "efficiency": Figure("speed-up ÷ ratio of the workers", "×", True),
    "utilization": Figure("busy slot-seconds ÷ slot-seconds, all children", "share", True),
    "idle_statements_per_s": Figure("statements while idle", "1/s", False),
    "ideas_worth": Figure("drain with all ideas of the hot path ÷ with all switched off", "×", None),
    "claim_cost_ratio": Figure("a claim at the largest backlog ÷ at the smallest", "×", False),
    "statements_per_job": Figure("statements sent", "per job", False),
    "wal_bytes_per_job": Figure("write-ahead log", "bytes per job", False),
    "cpu_ms_per_1000": Figure("CPU of supervisor, children and Postgres", "ms per 1,000 jobs", False),
    "enqueue_per_s": Figure(".queue() one by one", "jobs/s", True),
    "enqueue_ratio": Figure(".queue() ÷ the bare INSERT", "×", True),
    "enqueue_many_per_s": Figure("enqueue_many", "jobs/s", True),
    "enqueue_many_ratio": Figure("enqueue_many ÷ the bare bulk INSERT", "×", True),
    "enqueue_crowd_per_s": Figure("many callers of .queue() at once", "jobs/s", True),
}


class Percentiles(msgspec.Struct, frozen=True):
    """Of latencies, in milliseconds, over `count` executions."""

    count: int
    p50: float
    p90: float
    p95: float
    p99: float
    p999: float
    max: float
    mean: float


class Spread(msgspec.Struct, frozen=True):
    """Of a rate over the run's parts of equal length, a second each where there are enough: what a mean hides."""

    p5: float
    p50: float
    p95: float
    parts: int
    part_s: float


class Bucket(msgspec.Struct, frozen=True):
    """So many latencies of at most so many milliseconds, and more than the bucket before."""

    up_to_ms: float
    count: int


class StatementUse(msgspec.Struct, frozen=True):
    """A named statement over the measured time: by the client's count, and by the server's where it counts by text.

    `who`: `currantd`, or `bench` for what the enqueueing side sent. Of a claim and a completion `rows` are executions.
    """

    name: str
    who: str
    calls: int
    rows: int
    mean_ms: float
    per_s: float
    per_job: float
    server_calls: int | None = None


class ChildUse(msgspec.Struct, frozen=True):
    """A child over the measured time; `utilization` is busy slot-seconds over slot-seconds."""

    child: int
    executions: int
    utilization: float
    cpu_s: float
    memory_bytes_max: int


class Cpu(msgspec.Struct, frozen=True):
    """CPU seconds per 1,000 jobs; None where the processes cannot be seen from here (Postgres on another machine)."""

    supervisor: float
    children: float
    postgres: float | None
    bench: float


class Memory(msgspec.Struct, frozen=True):
    """Peaks of resident memory, in bytes. `children` and `fork_server`: what they share counts once for each."""

    supervisor: int
    children: int
    fork_server: int


class Series(msgspec.Struct, frozen=True):
    """What happened when: each list has an item for each of `at_s`, the ends of equal parts since the run's begin.

    A latency is None where nothing completed. `utilization` has a list for each child, by its place.
    """

    at_s: list[float]
    completed_per_s: list[float]
    in_flight: list[float]
    statements_per_s: list[float]
    p50_ms: list[float | None] = []
    p99_ms: list[float | None] = []
    utilization: dict[int, list[float]] = {}


class Floor(msgspec.Struct, frozen=True):
    """The same claim and complete statements back to back on one connection, half before and half after the drain."""

    per_s: float
    before_per_s: float
    after_per_s: float | None


class Check(msgspec.Struct, frozen=True):
    """Something that must hold for the figures to mean anything. `text` says what was found, well or not."""

    name: str
    ok: bool
    text: str


class Run(msgspec.Struct, kw_only=True):
    """One measured stretch. Counts are of the whole run; rates, latencies and costs are without the warm-up."""

    label: str
    workers: int
    concurrency: int
    #: `noop`, or what else with its parameters, as `sleep 50 ms`.
    job: str
    #: The queues and the share of the jobs that each got.
    queues: dict[str, float]
    payload_bytes: int
    #: Jobs a second that were asked for, and how they were spread; None for a backlog.
    rate_per_s: float | None = None
    arrivals: str | None = None
    #: `single` or `many`, and by how many enqueuers at once.
    enqueue: str = "many"
    enqueuers: int = 1
    seed: int = 0
    #: How many were meant to be enqueued (None: for as long as the duration), and were.
    jobs: int | None
    enqueued: int
    completed: int
    #: Failed for good, as a job of the kind `fail` is meant to.
    failed: int
    retries: int
    lost: int
    doubled: int
    warmup_jobs: int
    #: Of the measured part.
    seconds: float
    throughput_per_s: float
    throughput_spread: Spread | None = None
    enqueue_per_s: float | None = None
    #: From the intended moment, not from when the enqueue got round to it: see arrivals.py.
    start_ms: Percentiles | None = None
    complete_ms: Percentiles | None = None
    histogram: list[Bucket] = []
    #: Of a drain latencies are time in the backlog: they say nothing of the pipeline, and are not shown in front.
    backlogged: bool = False
    children: list[ChildUse] = []
    utilization: float | None = None
    connection_errors: int = 0
    statements: list[StatementUse] = []
    #: Of this database by pg_stat_database, others' included, from before the start of `currantd` to its end; of an
    #: idle run those of the measured part alone.
    server_transactions: int | None = None
    wal_bytes_per_job: float | None = None
    cpu_s_per_1000: Cpu | None = None
    memory: Memory | None = None
    series: Series | None = None
    floor: Floor | None = None
    checks: list[Check] = []
    #: Numbers that only this mode has, by name: `claim_ms`, `table_bytes`.
    extra: dict[str, float] = {}

    @property
    def statements_per_job(self) -> float | None:
        return sum(each.per_job for each in self.statements) if self.statements else None


class Section(msgspec.Struct, kw_only=True):
    """What one mode found. With --repeat, `figures` are the medians, and `repeats` holds each repetition's."""

    mode: str
    #: What the mode asks, and its answer, a sentence each, for people.
    question: str
    answer: str
    runs: list[Run]
    figures: dict[str, float]
    repeats: list[dict[str, float]] = []
    #: A table of the mode's own (sweep's steps, phases' ideas): the head and the rows, as text for people.
    head: list[str] = []
    rows: list[list[str]] = []
    #: Of the mode itself, beside those of its runs.
    checks: list[Check] = []

    @property
    def failed(self) -> list[Check]:
        return [
            check for checks in (self.checks, *(run.checks for run in self.runs)) for check in checks if not check.ok
        ]


class Environment(msgspec.Struct, kw_only=True):
    """Where it was measured: nothing of it is secret, nor says whose machine it is."""

    currant: str
    commit: str | None
    python: str
    packages: dict[str, str]
    os: str
    cpu: str
    cores: int
    memory_bytes: int
    #: 1-minute load before the first run: what others were doing.
    load: float
    postgres: str
    #: `throwaway`, `same machine` or `another machine`.
    postgres_where: str
    #: Those that matter to speed and durability, as SHOW prints them.
    postgres_settings: dict[str, str]


class Document(msgspec.Struct, kw_only=True):
    """The JSON file."""

    format: int = FORMAT
    #: UTC, ISO 8601.
    started: str
    #: The options as given.
    command: list[str]
    environment: Environment
    sections: list[Section]

    @property
    def failed(self) -> list[Check]:
        """The checks that did not hold, of all runs."""
        return [check for section in self.sections for check in section.failed]


def encode(document: Document) -> bytes:
    """Returns the JSON file's content."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def decode(content: bytes) -> Document:
    """Returns the document. Raises msgspec.ValidationError or msgspec.DecodeError: it is none, and why."""
    return msgspec.json.decode(content, type=Document)
