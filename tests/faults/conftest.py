"""The fixtures of the fault tests."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from currant.store import migrate
from currant.store.embedded import start_throwaway
from currant.store.scratch import Scratch
from tests.conftest import empty_schema
from tests.faults.plugin import FAILED, RECORD
from tests.faults.servers import Server
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
def own_server() -> Iterator[Server]:
    """A server of the test's own, which it may stop."""
    server = Server()
    yield server
    server.close()


@pytest.fixture(scope="module")
def modules_server() -> Iterator[Scratch]:
    with start_throwaway() as server:
        yield Scratch(server.url, "a server of the module's own")


@pytest.fixture
def own_url(modules_server: Scratch) -> Iterator[str]:
    with empty_schema(modules_server) as url:
        asyncio.run(migrate.migrate_at(url))
        yield url


@pytest.fixture
def own_trial(own_url: str, trial_at: Callable[[str], Trial]) -> Trial:
    """A trial on a server that only this module's tests use: they may end any connection there."""
    return trial_at(own_url)


@pytest.fixture
def trial(url: str, trial_at: Callable[[str], Trial]) -> Trial:
    """A database, a ledger and nodes; faults are timed, and the ledger test goes into the report."""
    return trial_at(url)
