"""The last executions that went wrong, for those who ask: a few, whatever fails."""

from collections import deque
from collections.abc import Callable

from currant.executions import Status, Verdict
from currant.protocol.status import ErrorStatus
from currant.supervisor.failures import MESSAGE_CHARS_MAX, NAME_CHARS_MAX, decode_failure

ERRORS_MAX = 20


class RecentErrors:
    """A ring of what went wrong last, whether it is tried again or not."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._errors: deque[tuple[float, ErrorStatus]] = deque(maxlen=ERRORS_MAX)

    def note(self, verdicts: list[Verdict]) -> None:
        """Takes what did not complete; what was cancelled, or given back, is no error."""
        wrong = [each for each in verdicts if each.error is not None and each.status is not Status.CANCELLED]
        # Of a flood only those are read that stay.
        for verdict in wrong[-ERRORS_MAX:]:
            self._errors.append((self._clock(), _told(verdict)))

    def newest(self) -> list[ErrorStatus]:
        """Returns them with their ages, the newest first."""
        now = self._clock()
        for at, error in self._errors:
            error.age_s = now - at
        return [error for _, error in reversed(self._errors)]


def _told(verdict: Verdict) -> ErrorStatus:
    failure, execution = decode_failure(verdict.error), verdict.execution
    # A raw row's id and names may have any length.
    return ErrorStatus(
        age_s=0.0,
        execution=execution.id[:NAME_CHARS_MAX],
        function=execution.function[:NAME_CHARS_MAX],
        queue=execution.queue[:NAME_CHARS_MAX],
        attempt=execution.attempt,
        type=failure.type[:NAME_CHARS_MAX],
        message=failure.message[:MESSAGE_CHARS_MAX],
        reason=verdict.reason if verdict.reason is None else verdict.reason[:MESSAGE_CHARS_MAX],
    )
