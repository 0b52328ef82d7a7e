"""What the standard library's logging does in a child where the user's modules have not said so."""

import logging
import sys
from datetime import UTC, datetime
from typing import Any

from currant.lines import LEVELS, Render, renderer
from currant.logs import FIELDS, mark_records

#: What the standard library gives every record; all else is the user's `extra`.
_USUAL = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime", "taskName", *FIELDS}


class DefaultHandler(logging.Handler):
    """Writes records to standard error as the supervisor writes its events, with the fields of the execution.

    It is the standard library's handler of last resort, which is asked only where no other is found: so it is never in
    the way of what the user configures, however late.
    """

    def __init__(self, form: str) -> None:
        super().__init__()
        colors = form == "console" and _is_terminal()
        self._render: Render = renderer(form, colors=colors)
        # Of its own: a user's formatter is not for it.
        self._plain = logging.Formatter()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = f"{self._render(self._fields(record))}\n".encode(errors="backslashreplace").decode()
            stream = sys.stderr
            stream.write(line)
            stream.flush()
        except Exception:
            self.handleError(record)

    def _fields(self, record: logging.LogRecord) -> dict[str, Any]:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds")
        fields: dict[str, Any] = {
            "timestamp": moment.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            "logger": record.name,
        }
        values = vars(record)
        for name in FIELDS:
            if values.get(name) is not None:
                fields[name] = values[name]
        for name, value in values.items():
            if name not in _USUAL and name not in fields:
                fields[name] = value
        if record.exc_info and record.exc_info[0] is not None:
            fields["exception"] = self._plain.formatException(record.exc_info)
        if record.stack_info:
            fields["stack"] = record.stack_info
        return fields


class ChildLogging:
    """Sets up logging in the fork server, where the children have it from, and changes its level in them."""

    def __init__(self, form: str) -> None:
        """To be made before the user's modules are imported, which then see it."""
        self._level = logging.WARNING
        #: Whether the level is ours to set: once no handler was configured when the code had been loaded.
        self._ours = False
        self._handler = DefaultHandler(form)
        # As the one that was there. What is lower is not even made before `settle`.
        self._handler.setLevel(self._level)
        logging.lastResort = self._handler
        mark_records()

    def settle(self) -> None:
        """Takes the level, unless the user has configured a handler or a level.

        To be called when the code is loaded and the start hooks have run.
        """
        if not self._ours and logging.root.level == logging.WARNING and not _has_handlers():
            self._ours = True
        if self._ours:
            logging.root.setLevel(self._level)

    def set_level(self, level: str) -> None:
        """Takes another level; where the user has configured logging, nothing is changed."""
        self._level = LEVELS[level]
        self._handler.setLevel(self._level)
        if self._ours:
            logging.root.setLevel(self._level)


def _has_handlers() -> bool:
    loggers = [logging.root, *logging.root.manager.loggerDict.values()]
    return any(
        not isinstance(handler, logging.NullHandler)
        for logger in loggers
        if isinstance(logger, logging.Logger)
        for handler in logger.handlers
    )


def _is_terminal() -> bool:
    try:
        return sys.stderr.isatty()
    except Exception:
        return False
