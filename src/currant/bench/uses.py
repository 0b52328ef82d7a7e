"""Which modes use which option: one that none of them uses is a mistake, and is said before anything runs. Pure."""

from collections.abc import Iterable

from currant.errors import ConfigurationError

_RUNS = {"capacity", "steady", "sweep", "scale", "phases"}
#: Those that enqueue while jobs run.
_FED = {"capacity", "steady", "sweep", "phases"}
#: Options that are not here are for all modes.
USES: dict[str, set[str]] = {
    "--jobs": {"capacity", "steady", "scale", "phases", "enqueue"},
    "--duration": _RUNS | {"ramp"},
    "--warmup-percent": _RUNS,
    "--queues": _RUNS | {"idle"},
    "--queue-distribution": _RUNS,
    "--payload-bytes": _RUNS,
    "--job-type": _RUNS,
    "--sleep-ms": _RUNS,
    "--cpu-ms": _RUNS,
    "--io-bytes": _RUNS,
    "--fail-percent": _RUNS,
    "--retries": _RUNS,
    "--mix": _RUNS,
    "--rate": {"steady", "sweep", "phases"},
    "--arrivals": {"steady", "sweep", "phases"},
    "--enqueue": _FED,
    "--enqueuers": _FED | {"enqueue"},
    "--seed": _RUNS,
    "--workers": _RUNS | {"idle"},
    "--concurrency": _RUNS | {"idle"},
    "--claim-batch": _RUNS - {"phases"} | {"idle"},
    "--complete-batch": _RUNS - {"phases"} | {"idle"},
    "--no-prefetch": _RUNS - {"phases"} | {"idle"},
    "--no-metrics": _RUNS | {"idle"},
    "--poll": _RUNS - {"phases"} | {"idle"},
    "--p99-limit": {"sweep"},
    "--scale-workers": {"scale"},
    "--idle-for": {"idle", "phases"},
    "--backlogs": {"ramp"},
}


def check_used(options: Iterable[str], modes: Iterable[str]) -> None:
    """Raises ConfigurationError when an option that was given means nothing to any of the modes."""
    modes = tuple(modes)
    for option in options:
        users = USES.get(option)
        if users is not None and users.isdisjoint(modes):
            raise ConfigurationError(
                f"{option} is for --mode {_either(sorted(users))}, and means nothing to {', '.join(modes)}"
            )


def _either(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
