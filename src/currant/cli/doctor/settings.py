"""Checks of the settings: misspelt ones, and such that fight each other."""

import os
from collections.abc import Iterator, Mapping

from currant.cli.doctor.check import Check, Checks, Part
from currant.settings import Settings, environment_name, unknown_variables

_of = Checks(Part.SETTINGS)
#: A child's event loop is looked at each second, and counts as stalled after three.
_STALL_S_MIN = 5.0
#: Only this machine reaches these.
_OWN = ("127.0.0.1", "::1", "localhost")


def check_settings(settings: Settings, environ: Mapping[str, str] | None = None) -> list[Check]:
    """Checks what this shell's environment, and the pyproject.toml here, say; a service may be given other settings."""
    checks = [_misspelt(unknown_variables(environ))]
    fights = list(_fights(settings))
    checks += [_of.warning("conflicts", found, advice) for found, advice in fights]
    return checks if fights else [*checks, _of.ok("conflicts", "none of the settings fights another")]


def _misspelt(unknown: Mapping[str, str | None]) -> Check:
    if not unknown:
        return _of.ok("variables", "every CURRANT_ variable is a setting")
    name, meant = next(iter(unknown.items()))
    advice = (
        f"write {meant} instead of {name}" if meant else f"remove {name}, or see docs/settings.md for what there is"
    )
    return _of.warning("variables", f"no settings: {', '.join(unknown)}", advice)


def _fights(settings: Settings) -> Iterator[tuple[str, str]]:
    """Gives what was found, and what to do about it."""
    if settings.retry_base_s > settings.retry_max_s:
        yield (
            f"the first retry waits {settings.retry_base_s:g} s, and none may wait longer than"
            f" {settings.retry_max_s:g} s: all wait the same",
            f"make {environment_name('retry_max_s')} greater than {environment_name('retry_base_s')}",
        )
    if settings.stall_timeout_s < _STALL_S_MIN:
        yield (
            f"a child is killed when its event loop has not answered for {settings.stall_timeout_s:g} s,"
            " which a busy machine alone can cause",
            f"make {environment_name('stall_timeout_s')} at least {_STALL_S_MIN:g}, better a minute",
        )
    if settings.claim_batch < settings.concurrency:
        yield (
            f"a claim takes at most {settings.claim_batch} executions, and a child runs {settings.concurrency} at a"
            " time: slots stay empty while there is work",
            f"unset {environment_name('claim_batch')}, or make it at least {settings.concurrency}",
        )
    cores = os.cpu_count() or 1
    if settings.procs > 4 * cores:
        yield (
            f"{settings.procs} children on {cores} cores: they take each other's time",
            f"make {environment_name('procs')} the number of cores, and {environment_name('concurrency')} larger",
        )
    if settings.metrics is not None and settings.metrics.host not in _OWN:
        yield (
            f"the metrics are served on {settings.metrics}, to all who reach this machine: they have no password",
            f"make {environment_name('metrics')} 127.0.0.1:{settings.metrics.port}, or keep others out by a firewall",
        )
    if settings.keep_failed_s < settings.keep_completed_s:
        yield (
            "failed executions are deleted before the completed ones",
            f"make {environment_name('keep_failed_s')} at least {environment_name('keep_completed_s')}",
        )
