"""Slots: no more run than may, what waits lends once, who comes back goes before what is new, and nothing leaks."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from currant.child.slots import Lender, Slots


class Line:
    """Someone who stands in line, by the name of a cell."""

    def __init__(self) -> None:
        self.granted = 0

    def __call__(self) -> None:
        self.granted += 1


class SlotsMachine(RuleBasedStateMachine):
    """Executions start, begin and end waits, are broken off, end; a plain model says who lends and who may run."""

    CONCURRENCY, LENT_MAX = 3, 5

    def __init__(self) -> None:
        super().__init__()
        self.running: dict[int, None] = {}
        self.slots = Slots(self.CONCURRENCY, self.LENT_MAX, self.running)
        self.next_cell = 0
        #: The waits under way of each lender, and who stands in line for it.
        self.waits: dict[int, list[Lender]] = {}
        self.lines: dict[int, tuple[Lender, Line]] = {}
        #: Ended ones' lenders, whose tasks go on.
        self.stale: list[Lender] = []

    @precondition(lambda self: len(self.running) < self.slots.limit)
    @rule()
    def start(self) -> None:
        self.slots.grant()
        self.take_granted()
        if len(self.running) < self.slots.limit:
            assert not self.lines, "something new starts before who stands in line"
            self.running[self.next_cell] = None
            self.next_cell += 1

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        cell = data.draw(st.sampled_from(sorted(self.running)))
        lent = self.slots.lent
        lender = self.slots.begin(cell)
        if lender is None:
            assert lent >= self.LENT_MAX
            assert cell not in self.waits
            return
        self.waits.setdefault(cell, []).append(lender)
        if cell in self.lines:
            _, line = self.lines.pop(cell)
            assert line.granted == 1, "its other wait goes on, and stands in line no more"

    @precondition(lambda self: any(self.waits.values()))
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        cell = data.draw(st.sampled_from(sorted(cell for cell, waits in self.waits.items() if waits)))
        lender = self.waits[cell].pop()
        free = len(self.running) < self.slots.limit
        line = Line()
        at_once = self.slots.end(lender, line)
        if self.waits[cell]:
            assert at_once, "the others of its waits lend on"
        elif at_once:
            assert free
            assert not self.lines
            del self.waits[cell]
        else:
            assert not free or self.lines
            self.lines[cell] = (lender, line)

    @precondition(lambda self: any(self.waits.values()))
    @rule(data=st.data())
    def break_off_a_wait(self, data: st.DataObject) -> None:
        cell = data.draw(st.sampled_from(sorted(cell for cell, waits in self.waits.items() if waits)))
        self.slots.break_off(self.waits[cell].pop())
        if not self.waits[cell]:
            del self.waits[cell]

    @precondition(lambda self: self.lines)
    @rule(data=st.data())
    def break_off_in_line(self, data: st.DataObject) -> None:
        cell = data.draw(st.sampled_from(sorted(self.lines)))
        lender, line = self.lines.pop(cell)
        self.slots.break_off(lender, line)
        del self.waits[cell]

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def ends(self, data: st.DataObject) -> None:
        cell = data.draw(st.sampled_from(sorted(self.running)))
        del self.running[cell]
        self.slots.ended(cell)
        self.stale += self.waits.pop(cell, [])
        if cell in self.lines:
            _, line = self.lines.pop(cell)
            assert line.granted == 1

    @precondition(lambda self: self.stale)
    @rule(broken=st.booleans())
    def a_wait_outlives_its_execution(self, broken: bool) -> None:
        lender = self.stale.pop()
        if broken:
            self.slots.break_off(lender)
        else:
            assert self.slots.end(lender, Line())

    @rule()
    def grant(self) -> None:
        self.slots.grant()
        self.take_granted()
        assert not self.lines or len(self.running) >= self.slots.limit, "a slot is free, and somebody stands in line"

    def take_granted(self) -> None:
        for cell, (_, line) in list(self.lines.items()):
            if line.granted:
                assert line.granted == 1
                del self.lines[cell], self.waits[cell]

    @invariant()
    def the_count_is_exact(self) -> None:
        assert self.slots.lent == len(self.waits) == len(self.slots.lenders) <= self.LENT_MAX
        assert self.slots.limit == self.CONCURRENCY + len(self.waits)

    def teardown(self) -> None:
        for cell in list(self.running):
            del self.running[cell]
            self.slots.ended(cell)
        assert (self.slots.lent, self.slots.lenders, self.slots.limit) == (0, {}, self.CONCURRENCY)


SlotsMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)
TestSlots = SlotsMachine.TestCase


def test_several_waits_of_one_execution_lend_one_slot_until_the_last_is_over() -> None:
    running = {1: None}
    slots = Slots(1, 10, running)
    first, second = slots.begin(1), slots.begin(1)
    assert first is not None
    assert second is not None
    assert slots.limit == 2
    assert slots.end(first, Line())
    assert slots.limit == 2
    assert slots.end(second, Line())
    assert slots.limit == 1


def test_who_comes_back_waits_for_a_slot_and_gets_the_first_that_is_free_in_order() -> None:
    running = dict.fromkeys([1, 2])
    slots = Slots(1, 10, running)
    lenders = [slots.begin(1), slots.begin(2)]
    running[3] = None  # has the only slot
    lines = [Line(), Line()]
    for lender, line in zip(lenders, lines, strict=True):
        assert lender is not None
        assert not slots.end(lender, line)
    slots.grant()
    assert [line.granted for line in lines] == [0, 0]
    del running[3]
    slots.ended(3)
    slots.grant()
    assert [line.granted for line in lines] == [1, 0]
    assert len(running) == slots.limit, "nothing new may start"
    del running[1]
    slots.grant()
    assert [line.granted for line in lines] == [1, 1]


def test_what_is_broken_off_is_not_kept_waiting_and_nothing_starts_until_the_excess_is_over() -> None:
    running = dict.fromkeys([1, 2, 3])
    slots = Slots(1, 10, running)
    lenders = [slots.begin(1), slots.begin(2)]
    for lender in lenders:
        assert lender is not None
        slots.break_off(lender)
    assert slots.limit == 1
    assert len(running) > slots.limit


def test_beyond_the_most_that_may_be_lent_those_that_wait_keep_their_slots() -> None:
    running = dict.fromkeys([1, 2, 3])
    slots = Slots(3, 2, running)
    lenders = [slots.begin(cell) for cell in running]
    assert lenders[2] is None
    assert slots.limit == 5
