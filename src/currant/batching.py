"""How large executions may be, and how many go into one statement."""

from collections.abc import Iterable, Iterator

from currant.backends import NewExecution
from currant.payload import check_size

#: A statement's worth of executions.
BATCH_ROWS = 1000
BATCH_BYTES = 4 << 20


def batches(executions: Iterable[NewExecution]) -> Iterator[list[NewExecution]]:
    """Cuts any number of executions into lists, each of at least one and of bounded size."""
    batch: list[NewExecution] = []
    size = 0
    for execution in executions:
        batch.append(execution)
        size += len(execution.args) + len(execution.kwargs)
        if len(batch) >= BATCH_ROWS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def check_sizes(executions: Iterable[NewExecution], payload_bytes_max: int) -> Iterator[NewExecution]:
    """Gives them on. Raises PayloadTooLarge at the first whose arguments are over the limit."""
    for each in executions:
        check_size(len(each.args) + len(each.kwargs), payload_bytes_max, f"{each.function}: args and kwargs")
        yield each
