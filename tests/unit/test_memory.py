"""What the kernel's files say of kills for want of memory."""

from pathlib import Path

import pytest

from currant.supervisor.memory import Memory, counters, kills

MOUNTS_1 = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
35 31 0:32 / {root}/memory rw,relatime - cgroup cgroup rw,memory
32 31 0:29 / {root}/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu
"""
MOUNTS_2 = "30 23 0:26 {below} {root} rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"


def proc(folder: Path, cgroup: str, mountinfo: str) -> list[Path]:
    (folder / "cgroup").write_text(cgroup)
    (folder / "mountinfo").write_text(mountinfo)
    return counters(folder, folder / "vmstat")


def test_the_first_version_counts_beside_its_limit(tmp_path: Path) -> None:
    files = proc(tmp_path, "4:memory:/a/b\n1:cpu:/c\n0::/\n", MOUNTS_1.format(root=tmp_path))
    assert files == [tmp_path / "memory/a/b/memory.oom_control", tmp_path / "vmstat"]


@pytest.mark.parametrize(("below", "group"), [("/", "/unit"), ("/docker/1", "/docker/1/unit")])
def test_the_second_version_counts_events(tmp_path: Path, below: str, group: str) -> None:
    files = proc(tmp_path, f"0::{group}\n", MOUNTS_2.format(root=tmp_path, below=below))
    assert files == [tmp_path / "unit/memory.events", tmp_path / "vmstat"]


def test_without_control_groups_the_machine_counts(tmp_path: Path) -> None:
    assert counters(tmp_path / "none", tmp_path / "vmstat") == [tmp_path / "vmstat"]
    assert proc(tmp_path, "", "") == [tmp_path / "vmstat"]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n", 3),
        ("low 0\nhigh 0\nmax 12\noom 2\noom_kill 1\noom_group_kill 0\n", 1),
        ("nr_free_pages 5\noom_kill 7\n", 7),
        ("oom_kill_disable 0\n", None),
        ("oom_kill many\n", None),
        ("", None),
    ],
)
def test_the_count_is_found_in_each_kind_of_file(tmp_path: Path, text: str, count: int | None) -> None:
    file = tmp_path / "file"
    file.write_text(text)
    assert kills([tmp_path / "absent", file]) == count


def test_a_kill_is_told_once_and_only_of_what_was_killed(tmp_path: Path) -> None:
    file = tmp_path / "memory.events"
    file.write_text("oom_kill 4\n")
    memory = Memory([file])
    assert memory.describe(-9) == "signal 9 (SIGKILL)"
    file.write_text("oom_kill 5\n")
    assert memory.describe(-11) == "signal 11 (SIGSEGV)"
    assert memory.describe(0) == "exit code 0"
    assert memory.describe(-9) == "signal 9 (SIGKILL): out of memory"
    assert memory.describe(-9) == "signal 9 (SIGKILL)"
    file.write_text("oom_kill 6\n")
    memory.look()
    # Perhaps its death is just about to be told.
    assert memory.describe(-9) == "signal 9 (SIGKILL): out of memory"
    file.write_text("oom_kill 7\n")
    memory.look()
    memory.look()
    assert memory.describe(-9) == "signal 9 (SIGKILL)"


def test_where_nothing_counts_nothing_is_said(tmp_path: Path) -> None:
    assert Memory([tmp_path / "absent"]).describe(-9) == "signal 9 (SIGKILL)"
