"""The fixtures of the fault tests."""

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from tests.faults.plugin import FAILED, RECORD
from tests.faults.trial import Trial


@pytest.fixture
def trial_at(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], Trial]]:
    """Makes the test's trial on a database of its own choice, e.g. a server that it stops."""
    config = request.config
    executions = config.getoption("--executions") if config.getoption("--crash") else None
    trials: list[Trial] = []

    def make(url: str) -> Trial:
        assert not trials, "a test has one trial"
        trials.append(Trial(url, tmp_path, executions))
        return trials[0]

    yield make
    for trial in trials:
        try:
            trial.finish(failed=request.node.stash.get(FAILED, False))
        finally:
            request.node.user_properties.append((RECORD, msgspec.to_builtins(trial.record)))
            trial.close()


@pytest.fixture
def trial(url: str, trial_at: Callable[[str], Trial]) -> Trial:
    """A database, a ledger and nodes; faults are timed, and the ledger test goes into the report."""
    return trial_at(url)
