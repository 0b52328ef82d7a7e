"""What children have done, by place: the counts of a place never fall, whichever processes come and go there."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from currant import proc
from currant.executions import Ending, Outcome
from currant.protocol.cells import Cells, create
from currant.supervisor.child import Restart, State
from currant.supervisor.figures import Figures, PlaceFigures
from currant.supervisor.ledger import Ledger
from currant.supervisor.places import Place, Role
from tests.unit.support import execution


@dataclass
class Child:
    """A child whose process is the test's."""

    id: int
    place: int
    ready_at: float
    cells: Cells
    state: State = State.READY
    pid: int | None = field(default_factory=os.getpid)
    ended_at: float | None = None
    busy_slot_s: float = 0.0
    cpu_s: float = 0.0
    memory_bytes: int = 0
    memory_at: float = float("-inf")


class Node:
    """Two places of two slots each; the second is empty at first."""

    def __init__(self) -> None:
        self.now = 100.0
        self.ledger = Ledger()
        self.all_places = [Place(0, Role.WORK), Place(1, Role.QUARANTINE)]
        self.children: dict[int, Child] = {}
        self.figures = Figures(cast(Any, self), self.ledger, cast(Any, self), clock=lambda: self.now)

    def __iter__(self) -> Iterator[Child]:
        return iter(self.children.values())

    def of_child(self, _: int) -> tuple[float, float | None]:
        return 0.125, None

    def start(self, id: int, place: int) -> Child:
        self.ledger.add_child(id, 2, self.now)
        child = self.children[id] = Child(id, place, self.now, Cells(create()))
        self.all_places[place].child = id
        return child

    def run(self, child: int) -> None:
        some = execution()
        self.ledger.assign_to(child, some)
        self.ledger.finish(child, [Outcome(some.cell, Ending.COMPLETED)], self.now)

    def end(self, child: Child) -> None:
        child.state, child.ended_at = State.ENDED, self.now
        # It is buried a moment later.
        self.now += 0.25
        if self.all_places[child.place].child == child.id:
            self.all_places[child.place].child = None
        self.figures.note_end(cast(Any, child))
        child.cells.close()
        self.ledger.take_from(child.id, lambda _: False)
        del self.children[child.id]

    def first(self) -> PlaceFigures:
        return self.figures.of_places()[0]


@pytest.fixture
def node() -> Node:
    return Node()


def test_an_empty_place_has_nothing(node: Node) -> None:
    assert node.figures.of_places() == [PlaceFigures(0, Role.WORK), PlaceFigures(1, Role.QUARANTINE)]


def test_a_process_at_work_is_told_as_it_is_now(node: Node) -> None:
    child = node.start(5, 0)
    child.cells.write_busy(0.5, 1, 101.0)
    node.run(5)
    node.now = 102.0
    found = node.first()
    assert (found.up, found.slots, found.busy_slots, found.lag_s) == (True, 2, 1, 0.125)
    assert (found.slot_s, found.busy_slot_s, found.executions) == (4.0, 1.5, 1)
    assert found.cpu_s > 0
    assert found.memory_bytes > 1 << 20
    started_at_s = found.started_at_s
    node.now = 200.0
    assert node.first().started_at_s == started_at_s


def test_the_counts_of_a_place_go_on_when_its_process_is_replaced(node: Node) -> None:
    first = node.start(5, 0)
    first.cells.write_busy(0.5, 1, 100.0)
    node.run(5)
    node.run(5)
    node.now = 101.0
    # For a moment there are two: the one that goes has something to finish.
    second = node.start(6, 0)
    node.run(6)
    node.now = 102.0
    both = node.first()
    assert (both.slot_s, both.busy_slot_s, both.executions, both.slots) == (6.0, 2.5, 3, 2)
    node.end(first)
    gone = node.first()
    # Of the one that has ended nothing is added for the time since.
    assert (gone.slot_s, gone.busy_slot_s, gone.executions) == (6.5, 2.5, 3)
    assert gone.cpu_s >= both.cpu_s
    node.end(second)
    empty = node.first()
    assert (empty.up, empty.slot_s, empty.executions, empty.started_at_s) == (False, 6.5, 3, None)
    node.start(7, 0)
    node.run(7)
    assert node.first().executions == 4


def test_what_a_dead_process_used_is_kept_also_when_its_number_is_anothers(node: Node) -> None:
    child = node.start(5, 0)
    node.figures.of_places()
    child.cpu_s += 1000
    child.pid = 1
    node.end(child)
    assert node.first().cpu_s > 1000


def test_memory_is_read_once_a_second(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[int] = []

    def read(pid: int) -> int:
        reads.append(pid)
        return len(reads)

    monkeypatch.setattr(proc, "resident_bytes", read)
    node.start(5, 0)
    assert [node.first().memory_bytes for _ in range(3)] == [1, 1, 1]
    node.now += 1
    assert node.first().memory_bytes == 2


def test_each_reason_to_restart_is_there_from_the_beginning(node: Node) -> None:
    node.figures.note_restart(Restart.MEMORY)
    assert node.figures.restarts.keys() == set(Restart)
    assert node.figures.restarts.total() == 1
