"""The level of the log, which can be changed while the node runs."""

from collections.abc import Callable

from currant.errors import ConfigurationError
from currant.lines import LEVELS

NAMES = ("debug", "info", "warning", "error")


class LogLevel:
    """What the log lets through: the supervisor's, which looks here at each event, and what is told of changes."""

    def __init__(self, name: str = "info") -> None:
        #: Called with the new level after each change.
        self.changed: Callable[[str], None] = lambda name: None
        self.set(name)

    def set(self, name: str) -> None:
        """Takes another level, from the next event on.

        Raises:
            ConfigurationError: there is no level of this name.
        """
        if name not in LEVELS:
            raise ConfigurationError(f"the log's level must be {', '.join(NAMES[:-1])} or {NAMES[-1]}, got {name}")
        self.name = name
        self._number = LEVELS[name]
        self.changed(name)

    def admits(self, name: str) -> bool:
        """Whether a line of this level is written."""
        return LEVELS[name] >= self._number
