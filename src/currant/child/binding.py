"""The contexts that executions run in, with what structlog's merge_contextvars finds there."""

import sys
from contextvars import Context, ContextVar

from currant.executions import Execution
from currant.logs import ATTEMPT, EXECUTION, FUNCTION, QUEUE

#: By such names structlog knows its own context variables. It is not imported here: who does not use it need not pay.
_PREFIX = "structlog_"
#: Names come from rows, and may be any number: beyond so many contexts all are made anew.
_CONTEXTS_MAX = 1000

execution_id: ContextVar[str] = ContextVar(f"{_PREFIX}{EXECUTION}")
_function: ContextVar[str] = ContextVar(f"{_PREFIX}{FUNCTION}")
_queue: ContextVar[str] = ContextVar(f"{_PREFIX}{QUEUE}")
_attempt: ContextVar[int] = ContextVar(f"{_PREFIX}{ATTEMPT}")
#: Whether each execution is to set its id: since somebody has imported structlog.
active = False


class Binding:
    """Gives the contexts that executions get copies of, with the variables of the base's."""

    def __init__(self, base: Context) -> None:
        """`base`: what is set in it before the first execution, each finds in its own."""
        self._base = base
        #: What executions have in common is set once: setting a variable costs more than copying a context.
        self._common: dict[tuple[str, str, int], Context] = {}

    def common(self, execution: Execution) -> Context:
        """Returns the context that this execution, and others of its function, queue and attempt, get copies of."""
        global active
        if "structlog" not in sys.modules:
            return self._base
        active = True
        key = execution.function, execution.queue, execution.attempt
        common = self._common.get(key)
        if common is None:
            if len(self._common) >= _CONTEXTS_MAX:
                self._common.clear()
            common = self._common[key] = self._base.copy()
            common.run(_function.set, execution.function)
            common.run(_queue.set, execution.queue)
            common.run(_attempt.set, execution.attempt)
        return common
