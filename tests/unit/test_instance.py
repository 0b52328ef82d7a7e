"""The runtime directory: one supervisor in it, and what the next one learns of the last."""

import os
import stat
from pathlib import Path

import pytest

from currant.errors import ConfigurationError
from currant.supervisor.instance import LOCK_NAME, acquire


def test_the_directory_is_made_and_private(tmp_path: Path) -> None:
    instance = acquire(tmp_path / "a" / "b")
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "a" / "b" / LOCK_NAME).stat().st_mode) == 0o600
    assert instance.socket_path.parent == tmp_path / "a" / "b"
    instance.close()


def test_a_second_supervisor_is_refused_and_told_the_pid(tmp_path: Path) -> None:
    first = acquire(tmp_path)
    first.record("node_1")
    with pytest.raises(ConfigurationError, match=rf"runs in {tmp_path} already \(pid {os.getpid()}\)"):
        acquire(tmp_path)
    first.close()
    acquire(tmp_path).close()


def test_after_an_unclean_end_the_next_one_knows_the_last_node(tmp_path: Path) -> None:
    first = acquire(tmp_path)
    assert first.last_node is None
    first.record("node_with_a_long_name")
    first.record("node_1")
    first.close()
    second = acquire(tmp_path)
    assert second.last_node == "node_1"
    second.record(None)
    second.close()
    third = acquire(tmp_path)
    assert third.last_node is None
    third.close()


@pytest.mark.parametrize("content", [b"", b"garbage", b"{}", b'{"pid":"x"}', b"\xff" * 5000])
def test_a_lock_file_of_any_content_does_not_keep_a_supervisor_from_starting(tmp_path: Path, content: bytes) -> None:
    (tmp_path / LOCK_NAME).write_bytes(content)
    instance = acquire(tmp_path)
    assert instance.last_node is None
    instance.record("node_1")
    instance.close()
    again = acquire(tmp_path)
    assert again.last_node == "node_1"
    again.close()


def test_a_path_too_long_for_a_socket_is_refused_with_the_setting(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"CURRANT_RUNTIME_DIR is too long .*107 bytes"):
        acquire(tmp_path / ("x" * 100))


def test_a_path_that_is_no_directory_is_refused_with_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="with --runtime-dir or CURRANT_RUNTIME_DIR"):
        acquire(tmp_path / "file")


def test_a_link_in_the_place_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / LOCK_NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError, match="cannot be used"):
        acquire(tmp_path / "run")
    assert not (tmp_path / "elsewhere").exists()
