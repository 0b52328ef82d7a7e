"""Which failures and late outcomes are told in the log: one in ten seconds, with the number of the others."""

from collections.abc import Callable

import msgspec

from currant.executions import Failure, Verdict
from currant.protocol.frames import UNDECODABLE
from currant.supervisor.events import Event, Log
from currant.supervisor.repeats import Repeats

#: What a line of the log holds of them: a raw row's name may have any length.
NAME_CHARS_MAX, MESSAGE_CHARS_MAX = 200, 200
#: How many late outcomes are named.
IDS_MAX = 5


class FailureLog:
    """Tells of executions that failed for good."""

    def __init__(self, log: Log, clock: Callable[[], float]) -> None:
        self._log = log
        self._repeats = Repeats(clock)

    def note(self, verdict: Verdict) -> None:
        """Takes an execution that failed for good."""
        function = verdict.execution.function
        more = self._repeats.admit(function)
        if more is None:
            return
        failure = decode_failure(verdict.error)
        self._log.warning(
            Event.FAILED,
            execution=verdict.execution.id,
            function=function[:NAME_CHARS_MAX],
            reason=verdict.reason,
            error=failure.type[:NAME_CHARS_MAX],
            message=failure.message[:MESSAGE_CHARS_MAX],
            more=more,
        )


class LateLog:
    """Tells of outcomes that came too late, and were not applied."""

    def __init__(self, log: Log, clock: Callable[[], float]) -> None:
        self._log, self._repeats = log, Repeats(clock)

    def note(self, ids: list[str]) -> None:
        """Takes the ids of the executions whose outcomes came too late."""
        more = self._repeats.admit(Event.LATE, len(ids))
        if more is None:
            return
        self._log.warning(
            Event.LATE, outcomes=len(ids), executions=[id[:NAME_CHARS_MAX] for id in ids[:IDS_MAX]], more=more
        )


def decode_failure(error: bytes | None) -> Failure:
    """Returns an error as its execution's row has it."""
    try:
        return msgspec.json.decode(error, type=Failure) if error else Failure("unknown", "")
    except UNDECODABLE:
        # Whatever user code wrote to its child's socket. The database judges whether it can be stored.
        return Failure("unknown", "")
