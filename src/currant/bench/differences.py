"""What differs between two documents beside the code, and so may be why a figure does. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from currant.bench.results import Document, Environment, Run

#: Two readings of one machine's memory may differ by what its kernel keeps.
_MEMORY_SHARE = 0.05
#: More running processes than this share of the cores, before anything was measured, is somebody else's work.
_BUSY_SHARE = 0.5
_MACHINE = ("cpu", "cores", "os")
_SOFTWARE = ("python", "postgres", "postgres_where")
_OPTIONS = (
    *("workers", "concurrency", "job", "queues", "payload_bytes", "rate_per_s", "arrivals", "enqueue", "enqueuers"),
    *("jobs", "seed"),
)
#: Options that differ in the runs themselves if they matter, or that change no figure: where results go, how often.
_TOLD_BY_RUNS = {
    *("--workers", "--concurrency", "--queues", "--queue-distribution", "--payload-bytes", "--rate", "--arrivals"),
    *(
        "--enqueue",
        "--enqueuers",
        "--jobs",
        "--seed",
        "--mode",
        "--embedded",
        "--repeat",
        "--json",
        "--csv",
        "--report",
    ),
    *("--job-type", "--sleep-ms", "--cpu-ms", "--io-bytes", "--mix", "--fail-percent"),
}


def warnings(a: Document, b: Document) -> list[str]:
    """Returns a sentence for each difference, the gravest first."""
    return [*_failed("a", a), *_failed("b", b), *_environments(a, b), *_modes(a, b), *_options(a, b)]


def is_busy(environment: Environment) -> bool:
    """Whether somebody else's work was under way on the machine before anything was measured."""
    return environment.load > _BUSY_SHARE * environment.cores


def _failed(side: str, document: Document) -> Iterator[str]:
    for section in document.sections:
        for run in section.runs:
            for check in run.checks:
                if not check.ok:
                    yield f"a check of {side} failed, so that its figures mean nothing: {run.label}: {check.text}"


def _environments(a: Document, b: Document) -> Iterator[str]:
    one, other = a.environment, b.environment
    machine = list(_pairs(one, other, _MACHINE))
    if abs(one.memory_bytes - other.memory_bytes) > _MEMORY_SHARE * max(one.memory_bytes, other.memory_bytes):
        machine.append(f"memory {one.memory_bytes / 1e9:.1f} and {other.memory_bytes / 1e9:.1f} GB")
    if machine:
        yield "another machine: " + ", ".join(machine)
    if software := list(_pairs(one, other, _SOFTWARE)):
        yield "other versions: " + ", ".join(software)
    if packages := list(_entries(one.packages, other.packages)):
        yield "other packages: " + ", ".join(packages)
    if settings := list(_entries(one.postgres_settings, other.postgres_settings)):
        yield "other settings of Postgres: " + ", ".join(settings)
    for side, environment in (("a", one), ("b", other)):
        if is_busy(environment):
            yield f"before {side} the machine was busy with something else: its load was {environment.load:.1f}"


def _modes(a: Document, b: Document) -> Iterator[str]:
    one, other = ([section.mode for section in document.sections] for document in (a, b))
    for side, modes in (("a", [mode for mode in one if mode not in other]), ("b", [m for m in other if m not in one])):
        if modes:
            yield f"only {side} has the mode{'s' if len(modes) > 1 else ''} {', '.join(modes)}"


def _options(a: Document, b: Document) -> Iterator[str]:
    of_b = _runs(b)
    found: dict[str, None] = {}
    for key, run in _runs(a).items():
        if key in of_b:
            found.update(dict.fromkeys(_pairs(run, of_b[key], _OPTIONS)))
    # What a run does not tell: `--claim-batch`, or how a mode goes about it.
    found.update(dict.fromkeys(_entries(_given(a.command), _given(b.command))))
    if found:
        yield "other options: " + ", ".join(found)


def _runs(document: Document) -> dict[tuple[str, str], Run]:
    return {(section.mode, run.label): run for section in document.sections for run in section.runs}


def _given(command: Sequence[str]) -> dict[str, str]:
    """Returns the options of the command that runs do not tell, and their values."""
    options: dict[str, str] = {}
    name = ""
    for word in command:
        if word.startswith("--"):
            name, _, value = word.partition("=")
            options[name] = value or "given"
        elif name:
            options[name] = word
    return {name: value for name, value in options.items() if name not in _TOLD_BY_RUNS}


def _pairs(one: object, other: object, names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        if (left := getattr(one, name)) != (right := getattr(other, name)):
            yield f"{name.replace('_', ' ')} {_text(left)} and {_text(right)}"


def _entries(one: Mapping[str, str], other: Mapping[str, str]) -> Iterator[str]:
    for name in sorted(one.keys() | other.keys()):
        if (left := one.get(name)) != (right := other.get(name)):
            yield f"{name} {_text(left)} and {_text(right)}"


def _text(value: object) -> str:
    if isinstance(value, dict):
        return "/".join(f"{name} {share:g}" for name, share in value.items())
    return "none" if value is None else str(value)
