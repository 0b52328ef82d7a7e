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


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701, 0o1777])
def test_a_directory_that_others_may_enter_is_refused_with_what_to_do(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(ConfigurationError, match=rf"\(mode {mode:04o}\): make it private with `chmod 700 .*run`"):
        acquire(folder)
    assert not list(folder.iterdir())
    folder.chmod(0o700)
    acquire(folder).close()


def test_a_directory_of_another_user_is_refused_by_its_uid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = tmp_path.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(ConfigurationError, match=rf"belongs to uid {owner}, not to this user: choose a private"):
        acquire(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a link to another user, as root alone can")
def test_a_link_that_another_user_put_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir(mode=0o700)
    (tmp_path / "run").symlink_to(tmp_path / "mine")
    acquire(tmp_path / "run").close()
    os.chown(tmp_path / "run", 65534, 65534, follow_symlinks=False)
    with pytest.raises(ConfigurationError, match="belongs to uid 65534"):
        acquire(tmp_path / "run")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_that_cannot_be_written_is_refused_with_the_setting(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir(mode=0o500)
    with pytest.raises(ConfigurationError, match=r"cannot be used \(Permission denied\): choose another with"):
        acquire(folder)


def test_a_second_supervisor_is_refused_and_told_the_pid(tmp_path: Path) -> None:
    first = acquire(tmp_path)
    first.record("node_1")
    with pytest.raises(ConfigurationError, match=rf"runs in {tmp_path} already \(pid {os.getpid()}\)"):
        acquire(tmp_path)
    first.close()
    acquire(tmp_path).close()


@pytest.mark.parametrize("held", [b"garbage", b'{"pid":1,"node":"\xff"}', b'{"more":' + b"[" * 4096])
def test_a_lock_file_that_nobody_can_read_names_no_node(tmp_path: Path, held: bytes) -> None:
    (tmp_path / LOCK_NAME).write_bytes(held)
    instance = acquire(tmp_path)
    assert instance.last_node is None
    instance.close()


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
    (tmp_path / "run").mkdir(mode=0o700)
    (tmp_path / "run" / LOCK_NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError, match="cannot be used"):
        acquire(tmp_path / "run")
    assert not (tmp_path / "elsewhere").exists()
