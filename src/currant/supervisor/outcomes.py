"""What follows from each ending of an execution: counted, judged, and handed to the completer."""

from collections.abc import Callable

from currant.executions import CANCELLED, NULL, Ending, Execution, Outcome, RetryPolicy, Verdict, encode_failure, judge
from currant.supervisor.completer import Completer
from currant.supervisor.events import Counts, Event, Log
from currant.supervisor.failures import NAME_CHARS_MAX, FailureLog, LateLog
from currant.supervisor.ledger import Ledger
from currant.supervisor.recent import RecentErrors


class Outcomes:
    """Where every execution that this node has held passes through on its way back to the database."""

    def __init__(
        self,
        ledger: Ledger,
        completer: Completer,
        counts: Counts,
        policy: RetryPolicy,
        *,
        due_in: Callable[[float], None],
        log: Log,
        clock: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        """`due_in` hears of each retry, in so many seconds."""
        self._ledger, self._completer, self._counts, self._policy = ledger, completer, counts, policy
        self._due_in, self._log, self._random = due_in, log, random
        self._failures = FailureLog(log, clock)
        self._late = LateLog(log, clock)
        self.recent = RecentErrors(clock)
        self._parked_functions: set[str] = set()

    def finished(self, finished: list[tuple[Execution, Outcome]]) -> None:
        """Takes what a child sent back."""
        results = [
            (execution, outcome.body or NULL) for execution, outcome in finished if outcome.ending is Ending.COMPLETED
        ]
        self._counts.completed += len(results)
        self._ledger.add_unsaved(len(results), sum(len(body) for _, body in results))
        self._completer.add_results(results)
        if len(results) < len(finished):
            self._unfinished([pair for pair in finished if pair[1].ending is not Ending.COMPLETED])

    def done(self, executions: list[Execution]) -> None:
        """Takes what completed and returned None."""
        self._counts.completed += len(executions)
        self._ledger.add_unsaved(len(executions), len(NULL) * len(executions))
        self._completer.add_results([(execution, NULL) for execution in executions])

    def release(self, executions: list[Execution]) -> None:
        """Gives back what has not started, or was cut off by a drain: uncounted."""
        self._judge([(execution, Outcome(execution.cell, Ending.RELEASED)) for execution in executions])

    def crash(self, executions: list[Execution], kind: str, reason: str) -> None:
        """Takes what ran when its process ended."""
        error = encode_failure(kind, reason)
        crashed = [(execution, Outcome(execution.cell, Ending.CRASHED, error)) for execution in executions]
        self._judge(crashed, because=reason)

    def put_off(self, executions: list[Execution], delay_s: float) -> None:
        """Gives back what this node does not run now, for so long at least: uncounted."""
        self._judge([(each, Outcome(each.cell, Ending.PUT_OFF, None, delay_s)) for each in executions])

    def lost(self, executions: list[Execution], reason: str) -> None:
        """Takes what a dead node ran, or held."""
        error = encode_failure("NodeDied", reason)
        self._judge([(execution, Outcome(execution.cell, Ending.LOST, error)) for execution in executions])

    def cancel(self, executions: list[Execution]) -> None:
        """Ends what someone cancelled before it started."""
        self._judge([(execution, Outcome(execution.cell, Ending.CANCELLED, CANCELLED)) for execution in executions])

    def overrun(self, executions: list[tuple[Execution, Ending]]) -> None:
        """Takes what nothing could end but the end of its process, with how it should have ended."""
        self._judge(
            [
                (execution, Outcome(execution.cell, ending, _overrun(execution, ending)))
                for execution, ending in executions
            ]
        )

    def reject(self, executions: list[Execution]) -> None:
        """Fails what no frame can hold."""
        error = encode_failure("TooLarge", "its arguments, or the names in its row, are larger than a frame can hold")
        self._judge([(execution, Outcome(execution.cell, Ending.REJECTED, error)) for execution in executions])

    def fenced(self, ids: list[str]) -> None:
        """The outcomes of these came too late: another node has taken them back."""
        self._counts.fenced += len(ids)
        self._late.note(ids)

    def refused(self, execution: Execution, reason: str) -> None:
        """The database does not take an outcome."""
        self._log.error(Event.OUTCOME_REFUSED, execution=execution.id, reason=reason)

    def _unfinished(self, finished: list[tuple[Execution, Outcome]]) -> None:
        unknown = [execution for execution, outcome in finished if outcome.ending is Ending.UNKNOWN]
        if unknown:
            self._park(unknown)
        self._judge([pair for pair in finished if pair[1].ending is not Ending.UNKNOWN])

    def _judge(self, endings: list[tuple[Execution, Outcome]], because: str | None = None) -> None:
        """`because`: what is added to the reason of those that fail for good."""
        verdicts = [
            judge(execution, outcome.ending, outcome.body, self._policy, self._random, outcome.delay_s)
            for execution, outcome in endings
        ]
        for (_, outcome), verdict in zip(endings, verdicts, strict=True):
            verdict.ending = outcome.ending
            if because is not None and verdict.reason is not None:
                verdict.reason = f"{verdict.reason}: {because}"
            self._count(outcome.ending, verdict)
            if verdict.delay_s is not None:
                # The moment is the database's; this one is at most a little early, and then asks again.
                self._due_in(verdict.delay_s)
        self.recent.note(verdicts)
        self._ledger.add_unsaved(len(verdicts), sum(len(each.error or b"") for each in verdicts))
        self._completer.add_verdicts(verdicts)

    def _count(self, ending: Ending, verdict: Verdict) -> None:
        self._counts.crashed += ending is Ending.CRASHED or ending is Ending.LOST
        self._counts.released += ending is Ending.RELEASED or ending is Ending.PUT_OFF
        self._counts.cancelled += ending is Ending.CANCELLED
        self._counts.snoozed += ending is Ending.SNOOZED
        self._counts.retried += verdict.delay_s is not None and ending not in (Ending.SNOOZED, Ending.PUT_OFF)
        if verdict.reason is not None:
            self._counts.failed += 1
            self._failures.note(verdict)

    def _park(self, executions: list[Execution]) -> None:
        self._counts.parked += len(executions)
        for function in {each.function for each in executions} - self._parked_functions:
            self._log.warning(Event.PARKED, function=function[:NAME_CHARS_MAX])
            self._parked_functions.add(function)
        self._ledger.add_unsaved(len(executions), 0)
        self._completer.add_unknown(executions)


def _overrun(execution: Execution, ending: Ending) -> bytes:
    if ending is Ending.CANCELLED:
        return encode_failure("Cancelled", "cancelled by request; it did not end, and its child process was replaced")
    return encode_failure(
        "Timeout",
        f"ran longer than its timeout of {execution.timeout_s or 0:g} s; it could not be cancelled,"
        " and its child process was replaced",
    )
