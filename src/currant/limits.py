"""The ranges of what `@job`, `.options()` and their like take; each check returns what is stored."""

from datetime import datetime, timedelta
from typing import Literal

from currant.errors import ConfigurationError
from currant.names import stored_size

INT32_MAX = 2**31 - 1
#: A key is part of an index entry, which Postgres bounds.
_KEY_BYTES_MAX = 1024


def check_retries(retries: int) -> int:
    if type(retries) is not int or not 0 <= retries <= INT32_MAX:
        raise ConfigurationError(f"retries must be an integer from 0 to {INT32_MAX}, got {retries!r}")
    return retries


def check_timeout(timeout: float | timedelta) -> float:
    """Returns seconds."""
    value = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise ConfigurationError(f"timeout must be a number of seconds greater than 0, got {timeout!r}")
    return _bounded(value, "timeout", timeout)


def check_priority(priority: int) -> int:
    if type(priority) is not int or not -INT32_MAX <= priority <= INT32_MAX:
        raise ConfigurationError(f"priority must be an integer of 32 bits, got {priority!r}")
    return priority


def seconds_of(value: float | timedelta, name: str) -> float:
    """Returns seconds; raises ConfigurationError, which names the argument, when they are negative or no time."""
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds >= 0:
        raise ConfigurationError(f"{name} must be a timedelta or a number of seconds of at least 0, got {value!r}")
    return _bounded(seconds, name, value)


def check_keep(keep: float | timedelta | Literal["forever"], name: str) -> float:
    """Returns seconds: for ever is longer than any other."""
    if keep == "forever" or keep == float("inf"):
        return float(INT32_MAX)
    try:
        return seconds_of(keep, name)
    except ConfigurationError:
        raise ConfigurationError(
            f"{name} must be a timedelta, a number of seconds from 0 to {INT32_MAX}, or 'forever', got {keep!r}"
        ) from None


def wait_s(timeout: float | timedelta) -> float:
    """Returns how long to wait, in seconds, of any duration; raises ConfigurationError when it is none."""
    endless = not isinstance(timeout, timedelta | bool) and isinstance(timeout, int | float) and timeout >= INT32_MAX
    return float(INT32_MAX) if endless else seconds_of(timeout, "timeout")


def check_moment(run_at: datetime) -> float:
    """Returns Unix time."""
    if not isinstance(run_at, datetime) or run_at.tzinfo is None or run_at.utcoffset() is None:
        raise ConfigurationError(
            f"run_at must be a datetime with a time zone, as in datetime.now(UTC) + timedelta(hours=1), got {run_at!r}"
        )
    return run_at.timestamp()


def check_key(unique: str) -> str:
    if not isinstance(unique, str) or not 1 <= stored_size(unique) <= _KEY_BYTES_MAX:
        raise ConfigurationError(f"unique must be a string of 1 to {_KEY_BYTES_MAX} bytes, got {unique!r}")
    return unique


def _bounded(seconds: float, name: str, given: object) -> float:
    if seconds >= INT32_MAX:
        raise ConfigurationError(f"{name} must be less than {INT32_MAX} seconds, which are 68 years, got {given!r}")
    return float(seconds)
