"""What the inline mode keeps of an execution."""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from currant.backends import NewExecution
from currant.codec import codec_of
from currant.errors import CurrantError
from currant.executions import Execution, Failure, Status
from currant.registry import registry

#: The states in which it will not run again.
ENDED = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED})


@dataclass(eq=False)
class InlineExecution:
    """An execution of the inline mode, as it is now."""

    id: str
    function: str
    queue: str
    #: As they are given to the function, through JSON and back.
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    priority: int = 5
    status: Status = Status.PENDING
    #: What the function returned, through JSON and back; None unless it has completed.
    result: Any = None
    #: Type, message and traceback of what it failed or was cancelled for; the last one while it is tried again.
    error: Failure | None = None
    #: The exception itself, where one came out of the function.
    exception: BaseException | None = None
    #: How often it has run, less the runs that ended in Snooze.
    attempts: int = 0
    #: When it is due; None: at once.
    run_at: datetime | None = None
    unique_key: str | None = None
    new: NewExecution = field(kw_only=True, repr=False)
    #: The JSON of its result or error.
    body: bytes | None = field(default=None, repr=False)
    lease: int = field(default=0, repr=False)
    cell: int = field(default=-1, repr=False)
    #: Until when its key is held although it has ended, in Unix time.
    unique_until_s: float | None = field(default=None, repr=False)
    cancel_asked: bool = field(default=False, repr=False)
    #: Done when it has ended.
    ended: "Future[None]" = field(default_factory=Future, repr=False)

    def __repr__(self) -> str:
        arguments = [*map(repr, self.args), *(f"{name}={value!r}" for name, value in self.kwargs.items())]
        tail = f", {self.error.type}: {self.error.message}" if self.error is not None else ""
        return f"<execution of {self.function}({', '.join(arguments)}): {self.status.value}{tail}>"

    @property
    def waits(self) -> bool:
        """Whether it is still to be run."""
        return self.status in (Status.PENDING, Status.SCHEDULED)

    def claimed(self) -> Execution:
        """Returns it as a child gets it."""
        new = self.new
        timeout_s = msgspec.json.decode(new.options).get("timeout", new.timeout_s)
        return Execution(
            self.id, self.lease, b"", self.function, self.queue, self.attempts, 0, new.max_retries, timeout_s,
            new.args, new.kwargs, self.cell,
        )  # fmt: skip


def record_of(id: str, cell: int, new: NewExecution, now_s: float) -> InlineExecution:
    """Returns the record of an execution that is enqueued at this moment, in Unix time."""
    args, kwargs = _arguments(new)
    run_at_s = now_s + new.delay_s if new.delay_s is not None else new.run_at_s
    return InlineExecution(
        id=id,
        function=new.function,
        queue=new.queue,
        args=args,
        kwargs=kwargs,
        priority=new.priority,
        status=Status.PENDING if run_at_s is None or run_at_s <= now_s else Status.SCHEDULED,
        run_at=None if run_at_s is None else datetime.fromtimestamp(run_at_s, UTC),
        unique_key=new.unique_key,
        unique_until_s=None if new.unique_for_s is None else now_s + new.unique_for_s,
        new=new,
        cell=cell,
    )


def result_of(record: InlineExecution, body: bytes) -> Any:
    """Returns a result as `handle.result()` gives it; one that this would refuse as JSON has it."""
    definition = registry.get(record.function)
    assert definition is not None
    try:
        return codec_of(definition.function, definition.name).decode_result(body)
    except CurrantError:
        return msgspec.json.decode(body)


def shown(records: Sequence[InlineExecution], most: int = 5) -> str:
    """Returns the executions for a message."""
    lines = [f"\n  {record!r}" for record in records[:most]]
    more = [f"\n  and {len(records) - most} more"] if len(records) > most else []
    return "".join(lines + more)


def _arguments(new: NewExecution) -> tuple[tuple[Any, ...], dict[str, Any]]:
    definition = registry.get(new.function)
    if definition is not None:
        try:
            args, kwargs = codec_of(definition.function, definition.name).decode_arguments(new.args, new.kwargs)
            return tuple(args), kwargs
        except CurrantError:
            # They do not fit, which is the execution's failure, and not the enqueue's.
            pass
    return tuple(msgspec.json.decode(new.args)), msgspec.json.decode(new.kwargs)
