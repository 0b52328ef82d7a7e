"""How busy a child's slots are: what it adds up, what of that is read, and what a supervisor believes of it."""

import os
from collections.abc import Iterator

import pytest

from currant.child.meter import Meter
from currant.protocol.cells import CELLS_MAX, Busy, Cells, create
from currant.supervisor.load import busy_until


class Child:
    """A meter of four slots, whose clock the test sets."""

    def __init__(self) -> None:
        self.now = 100.0
        self.written: list[Busy] = []
        self.meter = Meter(4, self._write, lambda: self.now)

    def _write(self, *busy: float) -> None:
        self.written.append(Busy(*busy))

    def note(self, at: float, active: int, *, stepping: bool = False) -> None:
        self.now = at
        self.meter.note(active, stepping=stepping)

    def steady(self, at: float) -> None:
        self.now = at
        self.meter.steady()

    def busy(self, at: float) -> float:
        return busy_until(self.written[-1], 4, at)


@pytest.fixture
def cells() -> Iterator[Cells]:
    fd = create()
    made = Cells(fd)
    os.close(fd)
    yield made
    made.close()


def test_what_runs_counts_until_now_and_goes_on_counting() -> None:
    child = Child()
    child.note(110.0, 3)
    child.steady(115.0)
    assert child.busy(112.0) == pytest.approx(15.0 + 6.0)
    child.note(115.0, 0)
    assert child.busy(200.0) == pytest.approx(15.0 + 15.0)


def test_what_ends_one_after_the_other_counts_half_of_the_time_in_which_it_does() -> None:
    child = Child()
    child.note(100.0, 4)
    child.steady(110.0)
    child.note(112.0, 0)
    assert child.busy(112.0) == pytest.approx(40.0 + 4.0)


def test_first_steps_take_one_slot_that_the_number_does_not_hold() -> None:
    child = Child()
    child.note(100.0, 0, stepping=True)
    assert child.busy(103.0) == pytest.approx(3.0)
    child.note(110.0, 0)
    assert child.busy(200.0) == pytest.approx(10.0)


def test_no_more_than_the_slots_are_busy() -> None:
    child = Child()
    child.note(100.0, 7, stepping=True)
    assert child.busy(101.0) == pytest.approx(4.0)
    child.note(110.0, 7)
    assert child.written[-1] == Busy(40.0, 4, 110.0)


def test_what_the_child_writes_is_read_and_what_is_half_written_is_not(cells: Cells) -> None:
    assert cells.read_busy() is None, "nothing is written yet"
    cells.write_busy(1.5, 2, 3.25)
    assert cells.read_busy() == Busy(1.5, 2, 3.25)
    for at in range(24):
        # As it is when some bytes of the next record are there and others are not.
        before = cells._memory[2 * CELLS_MAX + at]
        cells._memory[2 * CELLS_MAX + at] = before ^ 1
        assert cells.read_busy() is None
        cells._memory[2 * CELLS_MAX + at] = before
    assert cells.read_busy() == Busy(1.5, 2, 3.25)


def test_the_stacks_are_beside_it(cells: Cells) -> None:
    cells.write_busy(1.5, 2, 3.25)
    cells.rewind_stack()
    os.write(cells.fileno(), b"File ...")
    assert cells.stack() == b"File ..."
    assert cells.read_busy() == Busy(1.5, 2, 3.25)
    assert not cells.any_started()


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), float("-inf")])
def test_no_number_is_not_believed(odd: float) -> None:
    for busy in (Busy(odd, 1, 0.0), Busy(1.0, odd, 0.0), Busy(1.0, 1, odd)):
        assert busy_until(busy, 4, 10.0) == 0.0


def test_a_number_of_active_ones_is_believed_up_to_the_slots() -> None:
    assert busy_until(Busy(1.0, 1e300, 5.0), 4, 10.0) == 1.0 + 20.0
    assert busy_until(Busy(1.0, -5.0, 5.0), 4, 10.0) == 1.0
    assert busy_until(Busy(1.0, 4, 20.0), 4, 10.0) == 1.0, "a moment to come"
    assert busy_until(None, 4, 10.0) == 0.0
