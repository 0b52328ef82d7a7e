"""Row 2: the kernel kills a child because memory ran out."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from currant.supervisor.memory import counters
from tests.faults.trial import Trial

LIMIT_BYTES = 300 << 20


@contextlib.contextmanager
def _within_little_memory() -> Iterator[None]:
    """This process, and what it starts meanwhile, are in a control group of little memory."""
    own = next((file.parent for file in counters() if file.name == "memory.oom_control"), None)
    if own is None or not os.access(own, os.W_OK):
        pytest.skip("there is no control group of memory (of version 1) that this user may divide")
    group = own / f"currant_test_{secrets.token_hex(4)}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(LIMIT_BYTES))
        (group / "cgroup.procs").write_text(str(os.getpid()))
    except OSError as error:
        with contextlib.suppress(OSError):
            group.rmdir()
        pytest.skip(f"no control group of memory can be made: {error}")
    try:
        yield
    finally:
        (own / "cgroup.procs").write_text(str(os.getpid()))


@pytest.fixture(autouse=True)
def _remove_groups() -> Iterator[None]:
    yield
    for file in counters():
        for group in file.parent.glob("currant_test_*") if file.parent != Path("/proc") else ():
            with contextlib.suppress(OSError):
                group.rmdir()


@pytest.mark.fault(2)
def test_a_child_that_the_kernel_kills_for_its_memory_is_told_so_and_the_node_survives(trial: Trial) -> None:
    with _within_little_memory():
        node = trial.start("--procs", "1", module="jobs,fault_jobs")
    node.ready()
    with trial.fault():
        (hungry,) = trial.enqueue("fault_jobs.eats_memory", max_retries=0)
    assert trial.at_rest() == {"failed": 1}
    trial.recovered()
    row = trial.row(hungry)
    assert (row["crashes"], row["error"]["type"]) == (3, "ChildDied")
    assert "signal 9 (SIGKILL): out of memory" in row["error"]["message"]
    assert "out of memory" in node.log
    trial.enqueue("echo", count=20)
    assert trial.at_rest() == {"failed": 1, "completed": 20}
    trial.check_ledger(twice=[hungry])
    assert node.stop() == 0
