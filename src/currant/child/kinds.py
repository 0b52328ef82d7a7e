"""What executions of one function, queue and attempt have in common: looked up once for many in a row."""

import sys
from collections.abc import Callable
from contextvars import Context

from currant.child import binding
from currant.child.binding import Binding
from currant.child.stopwatch import Stopwatch, Times
from currant.executions import Execution
from currant.registry import Definition


class Kind:
    """Of each of these executions: its function's definition, None where no module registers it; the context that it
    gets a copy of; and where its times are noted.
    """

    __slots__ = ("attempt", "context", "definition", "function", "queue", "times")

    def __init__(self, execution: Execution, definition: Definition | None, context: Context, times: Times | None):
        self.function, self.queue, self.attempt = execution.function, execution.queue, execution.attempt
        self.definition, self.context = definition, context
        #: None: what nobody knows does not begin, and a frame could not hold all the names that rows may have.
        self.times = times


class Kinds:
    """Finds the kind of each execution. Modules may register more at any time: see `forget`."""

    def __init__(self, lookup: Callable[[str], Definition | None], binding: Binding, stopwatch: Stopwatch) -> None:
        self._lookup, self._binding, self._stopwatch = lookup, binding, stopwatch
        #: Comparing with the last one is cheaper than hashing names that have just been decoded.
        self._last: Kind | None = None

    def of(self, execution: Execution) -> Kind:
        """Returns its kind."""
        last = self._last
        if (
            last is not None
            and execution.function == last.function
            and execution.attempt == last.attempt
            and execution.queue == last.queue
            and (binding.active or "structlog" not in sys.modules)
        ):
            return last
        definition = self._lookup(execution.function)
        times = None if definition is None else self._stopwatch.of(execution.queue, execution.function)
        self._last = Kind(execution, definition, self._binding.common(execution), times)
        return self._last

    def forget(self) -> None:
        """Has everything be looked up anew: to be called now and then."""
        self._last = None
