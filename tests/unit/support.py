"""What the unit tests share."""

import pytest

from currant.child.threads import Threads
from currant.executions import Execution


def execution(
    id: str = "job_1",
    *,
    lease: int = 1,
    attempt: int = 1,
    crashes: int = 0,
    max_retries: int = 3,
    args: bytes | None = b"[]",
    kwargs: bytes | None = b"{}",
) -> Execution:
    return Execution(id, lease, b"", "app.f", "default", attempt, crashes, max_retries, None, args, kwargs)


def executions(count: int, *, size: int = 0) -> list[Execution]:
    """Returns executions with ids of their own, each with `size` bytes of arguments."""
    return [execution(f"job_{number}", args=b"x" * size, kwargs=b"") for number in range(count)]


def no_threads() -> Threads:
    """For what needs none."""
    return Threads("none", lambda _: pytest.fail("nothing runs in a thread here"))
