"""The user's code, as far as the node knows it: the functions, queues and schedules that the modules register."""

from collections.abc import Callable, Sequence

from currant.errors import ConfigurationError
from currant.protocol.control import ServerHello
from currant.store.retention import Keep
from currant.supervisor.database import Database
from currant.supervisor.events import Event, Log
from currant.supervisor.prune import Pruner
from currant.supervisor.schedules import Scheduler
from currant.supervisor.unparker import Unparker


class Code:
    """Tells the parts what the modules register: at the start, and after a reload."""

    def __init__(
        self,
        database: Database,
        *,
        modules: Sequence[str],
        queues: Sequence[str],
        keep: Keep,
        pruner: Pruner,
        scheduler: Scheduler,
        unparker: Unparker,
        changed: Callable[[], None],
        work_came: Callable[[], None],
        known: Callable[[list[str]], None],
        log: Log,
    ) -> None:
        """
        Args:
            queues: those that the node is to serve; none: those of the modules.
            changed: the queues are not the same any more.
            work_came: there may be work that was none of ours.
            known: told of all functions.
        """
        self._database, self._modules, self._queues, self._keep = database, modules, queues, keep
        self._pruner, self._scheduler, self._unparker = pruner, scheduler, unparker
        #: Those that the modules register.
        self.functions: list[str] = []
        self._changed, self._work_came, self._known, self._log = changed, work_came, known, log

    def begin(self, hello: ServerHello) -> None:
        """Takes the first word of the modules. Raises ConfigurationError when they register nothing."""
        if not hello.functions:
            raise ConfigurationError(
                f"no job is registered by {', '.join(self._modules)}:"
                " put @job over a function there, or name the module that has them"
            )
        self._database.queues = list(self._queues or hello.queues)
        if not set(self._database.queues) & set(hello.queues):
            self._log.warning(Event.QUEUES_WITHOUT_JOBS, queues=self._database.queues, registered=hello.queues)
        self._tell(hello)

    def change(self, hello: ServerHello) -> None:
        """From now on the node runs this code."""
        if not self._queues and self._database.queues != hello.queues:
            self._database.queues = list(hello.queues)
            self._changed()
        self._tell(hello)
        self._work_came()

    def _tell(self, hello: ServerHello) -> None:
        # Executions younger than this are nothing to prune.
        own_s = self._keep.completed_s if hello.keep_s_min is None else hello.keep_s_min
        self._pruner.keep(min(*self._keep, own_s))
        self._scheduler.know(hello.schedules)
        self._unparker.know(hello.functions)
        self._known(hello.functions)
        self.functions = hello.functions
