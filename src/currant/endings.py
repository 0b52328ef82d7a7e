"""What a job can raise to say how its execution goes on. None of these is an error."""

from datetime import timedelta

from currant.limits import seconds_of


class Retry(Exception):
    """Tries again, as after a failure: it counts, and ends as failed when no retry is left."""

    def __init__(self, reason: str = "", *, after: float | timedelta | None = None) -> None:
        """
        Args:
            reason: kept as the execution's error.
            after: the wait in seconds; None: the usual one, which doubles each time.

        Raises:
            ConfigurationError: `after` is negative or no time.
        """
        super().__init__(reason or "the function asked to be tried again")
        self.after_s = None if after is None else seconds_of(after, "after")


class Snooze(Exception):
    """Runs again later, as if it had not run: it uses up no attempt."""

    def __init__(self, seconds: float | timedelta) -> None:
        """Raises ConfigurationError when `seconds` is negative or no time."""
        self.after_s = seconds_of(seconds, "Snooze()")
        super().__init__(f"snoozed for {self.after_s:g} s")


class Discard(Exception):
    """Ends the execution as cancelled: there is nothing to do any more. No retry, no dead letter."""

    def __init__(self, reason: str) -> None:
        """`reason` is kept as the execution's error."""
        super().__init__(reason)
