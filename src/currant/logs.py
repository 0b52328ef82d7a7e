"""The fields of the execution that the code runs in, for log records of the standard library's logging and structlog's.

In a child of `currantd` records carry them by themselves. What is here is for configurations of logging that are shared
with processes that run no jobs, and for those who clear structlog's context variables.
"""

import logging
from collections.abc import MutableMapping
from typing import Any

from currant.context import running

#: The fields, in their order.
EXECUTION, FUNCTION, QUEUE, ATTEMPT = FIELDS = (
    "currant_execution",
    "currant_function",
    "currant_queue",
    "currant_attempt",
)


def execution_fields() -> dict[str, Any]:
    """Returns the fields of the execution that the calling code runs in; none outside of one."""
    execution = running.get(None)
    if execution is None:
        return {}
    return {
        EXECUTION: execution.id,
        FUNCTION: execution.function,
        QUEUE: execution.queue,
        ATTEMPT: execution.attempt,
    }


class ExecutionFilter(logging.Filter):
    """Lets every record pass, and gives it the fields as attributes, None outside of an execution.

    Needed where a format names them and no child of `currantd` runs: in a web server with the same configuration.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Sets the attributes where they are missing; what is set already, in a thread before this one, stays."""
        if getattr(record, EXECUTION, None) is None:
            _set(record)
        return True


def add_execution(_logger: Any, _method: str, event_dict: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A processor of structlog's: adds the fields that are missing.

    `structlog.contextvars.merge_contextvars` has the same effect in a child, until its variables are cleared.
    """
    for name, value in execution_fields().items():
        event_dict.setdefault(name, value)
    return event_dict


def mark_records() -> None:
    """Has every record that is made in this process from now on carry the fields, None outside of an execution."""
    make = logging.getLogRecordFactory()

    def marked(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        _set(record)
        return record

    logging.setLogRecordFactory(marked)


def _set(record: logging.LogRecord) -> None:
    fields = execution_fields()
    for name in FIELDS:
        setattr(record, name, fields.get(name))
