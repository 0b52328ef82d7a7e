"""Cron expressions: the moments that they name, by the clock of a time zone."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from currant.errors import ConfigurationError


def check_cron(cron: str, timezone: str) -> None:
    """Raises ConfigurationError when the expression or the time zone cannot be read, or the expression never comes."""
    zone = _zone(timezone)
    if not isinstance(cron, str):
        raise ConfigurationError(f"cron must be a string, as in '*/5 * * * *', got {cron!r}")
    try:
        next(CronSim(cron, datetime.now(zone)))
    except (CronSimError, ValueError, AssertionError) as error:
        raise ConfigurationError(
            "cron must have five fields (minute, hour, day of the month, month, day of the week), as in '*/5 * * * *',"
            f" or six with seconds in front: {str(error) or 'it cannot be read'}, got {cron!r}"
        ) from None
    except StopIteration:
        raise ConfigurationError(f"cron names no moment of the next fifty years, got {cron!r}") from None


def next_after(cron: str, timezone: str, after_s: float) -> float:
    """Returns the first moment of the expression after another one; both in Unix time.

    Where clocks change, Debian's cron is followed, as `cronsim` does: a fixed time of the day that is left out comes at
    the first minute after the gap, and one that comes twice is taken once. What begins with `*` in its minutes or hours
    goes by real time, and so do expressions with seconds: what is left out is left out, what comes twice comes twice.

    Raises:
        ConfigurationError: one of the two cannot be read, or names no moment of the next fifty years.
    """
    zone = _zone(timezone)
    try:
        for moment in CronSim(cron, datetime.fromtimestamp(after_s, zone)):
            # It counts from what the clock on the wall says: in an hour that comes twice it may come back to the first.
            if moment.timestamp() > after_s:
                return moment.timestamp()
    except (CronSimError, ValueError, AssertionError) as error:
        raise ConfigurationError(f"cannot read the cron expression {cron!r}: {error}") from None
    raise ConfigurationError(f"the cron expression {cron!r} names no moment of the next fifty years")


def _zone(timezone: str) -> ZoneInfo:
    try:
        # UTC without a database of time zones, and named as such, which is what spares it all changes of the clock.
        return ZoneInfo(timezone) if timezone != "UTC" else UTC  # type: ignore[return-value]
    # Also OSError: a name that is a folder of the database.
    except (ValueError, TypeError, LookupError, OSError):
        raise ConfigurationError(
            f"timezone must be a name of the IANA database, as in 'Europe/Berlin', got {timezone!r}"
        ) from None
