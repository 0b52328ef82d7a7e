"""What a definition's executions are inserted as."""

import msgspec

from currant.backends import NewExecution
from currant.registry import Definition


def new_execution(definition: Definition, args_json: bytes, kwargs_json: bytes) -> NewExecution:
    """Returns a row to be inserted; the id is given when it is written, so that ids sort in the order of writing."""
    timeout_s = definition.timeout_s
    options: dict[str, float] = {}
    # Version 1's column holds whole seconds: a fraction goes into the options, and the column is rounded up.
    if timeout_s is not None and timeout_s != int(timeout_s):
        options["timeout"] = timeout_s
    if definition.keep_completed_s is not None:
        options["keep_completed"] = definition.keep_completed_s
    if definition.keep_failed_s is not None:
        options["keep_failed"] = definition.keep_failed_s
    return NewExecution(
        function=definition.name,
        queue=definition.queue,
        priority=definition.priority,
        args=args_json,
        kwargs=kwargs_json,
        options=msgspec.json.encode(options) if options else b"{}",
        max_retries=definition.retries,
        timeout_s=None if timeout_s is None else -int(-timeout_s // 1),
    )
