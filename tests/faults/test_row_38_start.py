"""Row 38: a runtime directory that cannot be used, a path too long for a socket, a port that is taken: no start."""

import os
import socket
from pathlib import Path

import pytest

from tests.faults.trial import Trial
from tests.nodes import HANGS_S

pytestmark = pytest.mark.fault(38)


def _refused(trial: Trial, folder: Path) -> str:
    node = trial.start("--procs", "1", CURRANT_RUNTIME_DIR=str(folder))
    assert node.process.wait(HANGS_S) == 2
    (line,) = node.log.splitlines()
    return line


def test_a_runtime_directory_that_cannot_be_made_or_written_is_named_with_the_setting(trial: Trial) -> None:
    # Root may write everywhere, but not here.
    line = _refused(trial, Path("/proc/currant"))
    assert "/proc/currant cannot be used" in line
    assert "CURRANT_RUNTIME_DIR" in line
    file = trial.folder / "a-file"
    file.touch()
    assert "a-file/run cannot be used (Not a directory)" in _refused(trial, file / "run")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_runtime_directory_of_another_user_is_refused(trial: Trial) -> None:
    folder = trial.folder / "theirs"
    folder.mkdir()
    os.chown(folder, 12345, -1)
    assert "belongs to uid 12345" in _refused(trial, folder)


def test_a_path_too_long_for_a_socket_is_refused_with_the_limit(trial: Trial) -> None:
    line = _refused(trial, trial.folder / ("x" * 100))
    assert "CURRANT_RUNTIME_DIR is too long for a Unix socket in it (107 bytes)" in line
    assert trial.rows("SELECT count(*) FROM worker_heartbeats") == [(0,)]


def test_a_port_for_the_metrics_that_is_taken_is_refused_by_name(trial: Trial) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        node = trial.start("--procs", "1", "--metrics", address)
        assert node.process.wait(HANGS_S) == 2
        (line,) = node.log.splitlines()
        assert address in line
        assert "--metrics" in line
    assert trial.rows("SELECT count(*) FROM worker_heartbeats") == [(0,)]
