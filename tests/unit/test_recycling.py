"""Which children are recycled, and when."""

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from currant.errors import ConfigurationError
from currant.settings import load, working_directory
from currant.supervisor.child import Restart, State
from currant.supervisor.recycling import JITTER, Recycler


@dataclass
class Child:
    id: int
    pid: int | None = 1
    state: State = State.READY
    retiring: str | None = None


@dataclass
class Children:
    all: list[Child] = field(default_factory=lambda: [Child(0), Child(1)])

    def __iter__(self) -> Any:
        return iter(self.all)

    def retire(self, id: int, reason: str, why: Restart) -> None:
        self.all[id].retiring = reason


class Node:
    def __init__(self, *, executions: int | None = None, memory: int | None = None, random: float = 0.5) -> None:
        self.children = cast(Any, Children())
        self.finished = [0, 0]
        self.memory = 0
        self.forks = 10
        self.recycler = Recycler(
            self.children,
            executions_max=executions,
            memory_bytes_max=memory,
            finished=lambda child: self.finished[child],
            may_fork=self._may_fork,
            random=lambda: random,
            memory_of=lambda pid: self.memory,
        )

    def _may_fork(self) -> bool:
        self.forks -= 1
        return self.forks >= 0

    def retired(self) -> list[str | None]:
        self.recycler.look()
        return [child.retiring for child in self.children]


def test_a_child_that_has_run_so_many_executions_is_retired_once() -> None:
    node = Node(executions=100)
    node.finished = [99, 1234]
    assert node.retired() == [None, "1,234 executions (CURRANT_MAX_EXECUTIONS_PER_CHILD)"]
    assert node.retired()[0] is None
    assert node.forks == 9


@pytest.mark.parametrize(("random", "limit"), [(0.0, 100 * (1 - JITTER)), (1.0, 100 * (1 + JITTER))])
def test_the_limits_are_jittered(random: float, limit: float) -> None:
    node = Node(executions=100, random=random)
    node.finished = [int(limit) - 1, 0]
    assert node.retired() == [None, None]
    node.finished = [int(limit) + 1, 0]
    assert node.retired()[0] is not None


def test_a_child_that_is_too_large_is_retired_unless_it_has_done_nothing_yet() -> None:
    node = Node(memory=100 << 20)
    node.memory = 200 << 20
    node.finished = [1, 0]
    assert node.retired() == ["200 MiB of memory (CURRANT_MAX_MEMORY_PER_CHILD)", None]


def test_children_that_are_not_ready_are_left_alone_and_so_are_all_without_a_fork_to_spare() -> None:
    node = Node(executions=1)
    node.finished = [9, 9]
    node.children.all[0].state = State.LEAVING
    node.forks = 0
    assert node.retired() == [None, None]


@pytest.mark.parametrize(
    ("text", "size"),
    [("1048576", 1 << 20), ("512M", 512 << 20), ("2g", 2 << 30), ("1024 KiB", 1 << 20)],
)
def test_a_size_may_have_a_suffix(text: str, size: int) -> None:
    assert load({"max_memory_per_child": text}, environ={}).max_memory_per_child == size


@pytest.mark.parametrize("text", ["", "M", "12", "1.5G", "-1G", "2X", "512 MM", "9999999T"])
def test_what_is_no_size_is_refused_by_name(text: str) -> None:
    with pytest.raises(ConfigurationError, match="--max-memory-per-child must be a number of bytes"):
        load({"max_memory_per_child": text or " "}, environ={})


def test_the_directory_keeps_the_name_by_which_it_was_entered(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "release").mkdir()
    (tmp_path / "current").symlink_to("release")
    monkeypatch.chdir(tmp_path / "release")
    for named, directory in [("current", "current"), ("", "release"), ("gone", "release")]:
        monkeypatch.setenv("PWD", str(tmp_path / named) if named else "")
        assert working_directory() == str(tmp_path / directory)
    monkeypatch.setenv("PWD", str(tmp_path))
    assert working_directory() == str(tmp_path / "release")
