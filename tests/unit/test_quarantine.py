"""The quarantine: suspects run alone, one at a time; what waits too long is put off; normal work never waits."""

import pytest

from currant.cli.log import make_log
from currant.executions import Ending, Execution, Outcome
from currant.supervisor.ledger import Ledger, Shut
from currant.supervisor.loglevel import LogLevel
from currant.supervisor.places import Role
from currant.supervisor.quarantine import CRASHES, GROW_S, IDLE_S, LINE_MAX, PLACES_MAX, PUT_OFF_S, WAIT_S, Quarantine
from tests.unit.support import executions


class Node:
    """A quarantine, what it asks for, and a clock that the test moves. It has one child for work, with eight slots."""

    def __init__(self) -> None:
        self.now = 0.0
        self.ledger = Ledger()
        self.ledger.add_child(0, 8, self.now)
        self.open: list[int] = []
        self.given: list[tuple[int, Execution]] = []
        self.put_off: list[tuple[Execution, float]] = []
        self.released: list[Execution] = []
        self.quarantine = Quarantine(
            self.ledger,
            self,
            give=self._give,
            put_off=lambda some, delay_s: self.put_off.extend((each, delay_s) for each in some),
            release=self.released.extend,
            log=make_log(LogLevel("critical")),
            clock=lambda: self.now,
            random=lambda: 0.5,
        )

    def open_place(self, role: Role) -> int:
        assert role is Role.QUARANTINE
        self.open.append(100 + len(self.open))
        return self.open[-1]

    def close_place(self, number: int) -> None:
        self.open.remove(number)

    def ready(self, child: int) -> None:
        self.ledger.add_child(child, 1, self.now)
        self.ledger.close(child, Shut.QUARANTINE)
        self.quarantine.look()

    def end(self, child: int) -> None:
        (cell,) = self.ledger.cells_of(child)
        self.ledger.finish(child, [Outcome(cell, Ending.COMPLETED)], self.now)
        self.quarantine.look()

    def _give(self, child: int, execution: Execution) -> None:
        self.ledger.assign_to(child, execution)
        self.given.append((child, execution))

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.quarantine.look_at_line(self.now)


def suspects(count: int) -> list[Execution]:
    some = executions(count)
    for each in some:
        each.crashes = CRASHES
    return some


def test_what_has_not_crashed_twice_passes_untouched() -> None:
    node = Node()
    some = executions(5)
    some[0].crashes = 1
    assert node.quarantine.sift(some) is some
    assert node.open == []


def test_suspects_run_one_at_a_time_in_the_order_they_came() -> None:
    node = Node()
    good, *bad = [*executions(1), *suspects(3)]
    assert node.quarantine.sift([bad[0], good, *bad[1:]]) == [good]
    assert (node.open, node.given, node.ledger.aside, node.ledger.held) == ([100], [], 3, 3)
    node.ready(1)
    assert node.given == [(1, bad[0])]
    node.quarantine.look()
    assert len(node.given) == 1
    node.end(1)
    # Its child dies by the second: the next child takes the third.
    assert node.ledger.take_from(1, lambda cell: True) == ([bad[1]], [])
    node.ready(2)
    assert node.given == [(1, bad[0]), (1, bad[1]), (2, bad[2])]
    assert node.ledger.aside == 0


def test_no_other_work_is_given_to_its_children_and_they_make_no_room() -> None:
    node = Node()
    node.quarantine.sift(suspects(1))
    node.ready(1)
    node.end(1)
    assert node.ledger.free == 8
    assert set(node.ledger.assign(executions(20), node.now)[0]) == {0}


def test_a_line_that_waits_gets_more_places_but_not_many() -> None:
    node = Node()
    node.quarantine.sift(suspects(9))
    node.ready(1)
    for _ in range(PLACES_MAX + 1):
        node.pass_time(GROW_S)
    assert len(node.open) == PLACES_MAX
    node.ready(2)
    assert [child for child, _ in node.given] == [1, 2]


def test_what_finds_the_line_full_or_waits_too_long_is_put_off() -> None:
    node = Node()
    some = suspects(LINE_MAX + 2)
    node.quarantine.sift(some)
    assert node.put_off == [(each, 1.5 * PUT_OFF_S) for each in some[LINE_MAX:]]
    node.ready(1)
    node.pass_time(WAIT_S + 1)
    assert [each for each, _ in node.put_off] == some[LINE_MAX:] + some[1:LINE_MAX]
    assert (node.ledger.aside, node.ledger.held) == (0, 1)


def test_its_places_are_closed_when_nobody_has_needed_them_for_a_while() -> None:
    node = Node()
    node.quarantine.sift(suspects(1))
    node.ready(1)
    node.pass_time(2 * IDLE_S)
    assert node.open == [100], "it runs still"
    node.end(1)
    node.pass_time(IDLE_S - 1)
    assert node.open == [100]
    node.pass_time(1)
    assert node.open == []
    # The next one opens a place again.
    node.ledger.take_from(1, bool)
    node.quarantine.sift(suspects(1))
    assert node.open == [100]


def test_a_drain_releases_what_waits() -> None:
    node = Node()
    some = suspects(3)
    node.quarantine.sift(some)
    node.ready(1)
    node.quarantine.dissolve()
    assert node.released == some[1:]
    assert node.ledger.held == 1


@pytest.mark.parametrize("closed", [Shut.LEAVING, Shut.STALLED, Shut.OVERRUN])
def test_a_child_that_is_closed_for_another_reason_too_gets_no_suspect(closed: Shut) -> None:
    node = Node()
    node.quarantine.sift(suspects(1))
    node.ledger.add_child(1, 1, node.now)
    node.ledger.close(1, Shut.QUARANTINE | closed)
    node.quarantine.look()
    assert node.given == []
    node.ledger.reopen(1, closed)
    node.quarantine.look()
    assert len(node.given) == 1
