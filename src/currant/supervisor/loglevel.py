"""The level of the log, which can be changed while the node runs."""

from currant.errors import ConfigurationError
from currant.lines import LEVELS

NAMES = ("debug", "info", "warning", "error")


class LogLevel:
    """What the log lets through. The supervisor's log looks here at each event; children are told (service.py)."""

    def __init__(self, name: str = "info") -> None:
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

    def admits(self, name: str) -> bool:
        """Whether a line of this level is written."""
        return LEVELS[name] >= self._number
