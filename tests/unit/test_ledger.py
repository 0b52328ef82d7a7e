"""The ledger: nothing is given twice or lost, free slots come first, and prefetch never makes work wait."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from currant.executions import Ending, Execution, Outcome
from currant.protocol.cells import CELLS_MAX
from currant.supervisor.dealing import deal, spread
from currant.supervisor.ledger import BYTES_MAX, CHUNK_S, KNOWN_S, PREFETCH_MAX, UNSAVED_MAX, WINDOW_S, Ledger, Shut
from tests.unit.support import execution, executions

Plan = dict[int, list[Execution]]


def ledger_of(*slots: int, now: float = 0.0) -> Ledger:
    """Returns a ledger with children 0, 1, … of so many slots."""
    ledger = Ledger()
    for child, count in enumerate(slots):
        ledger.add_child(child, count, now)
    return ledger


def finish(ledger: Ledger, child: int, count: int, now: float) -> None:
    """The first `count` executions that the child holds come back."""
    cells = ledger.cells_of(child)[:count]
    assert len(cells) == count
    assert len(ledger.finish(child, [Outcome(cell, Ending.COMPLETED) for cell in cells], now)) == count


def make_quick(ledger: Ledger, child: int, count: int, now: float) -> None:
    """Gives the otherwise idle child a pace of `count` executions in the window of `now`."""
    slots = ledger.of_child(child)[0]
    while count:
        some = min(slots, count)
        plan, rest = ledger.assign(executions(some), now)
        assert set(plan) == {child}
        assert not rest
        finish(ledger, child, some, now)
        count -= some


def shares_of(plan: Plan) -> dict[int, int]:
    return {child: len(given) for child, given in plan.items()}


def refused_bytes(ledger: Ledger) -> int:
    """How many bytes the ledger counts now, by how many more close it."""
    low, high = 0, 2 * BYTES_MAX
    while low < high:
        middle = (low + high) // 2
        ledger.add_unsaved(0, middle)
        closed = ledger.room(0.0) == 0
        ledger.settle(0, middle)
        low, high = (low, middle) if closed else (middle + 1, high)
    return BYTES_MAX - low


# What must hold whatever happens, in whatever order


class LedgerMachine(RuleBasedStateMachine):
    """Children come and die, executions come, finish, go back; a plain model says what the ledger must hold."""

    saves = Bundle("saves")

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger()
        self.now = 0.0
        self.slots: dict[int, int] = {}
        self.own_slots: dict[int, int] = {}
        self.held: dict[int, dict[int, Execution]] = {}
        self.closed: set[int] = set()
        self.unsaved = 0
        self.made = 0
        self.aside: list[Execution] = []

    @rule(slots=st.integers(1, 5))
    def add_child(self, slots: int) -> None:
        child = len(self.slots) and max(self.slots) + 1
        self.ledger.add_child(child, slots, self.now)
        self.slots[child], self.held[child] = slots, {}
        self.own_slots[child] = slots

    @rule(passed=st.sampled_from([0.0, 0.01, WINDOW_S, 3 * WINDOW_S]))
    def pass_time(self, passed: float) -> None:
        self.now += passed

    @rule(count=st.integers(0, 30), size=st.integers(0, 3), slots_only=st.booleans())
    def assign(self, count: int, size: int, slots_only: bool) -> None:
        some = executions(count, size=size)
        for each in some:
            each.id, self.made = f"job_{self.made}", self.made + 1
        free = self.ledger.free
        plan, rest = self.ledger.assign_to_slots(some, self.now) if slots_only else self.ledger.assign(some, self.now)
        given = [each for each_child in plan.values() for each in each_child]
        assert sorted(each.id for each in given + rest) == sorted(each.id for each in some)
        assert len(given) >= min(free, count)
        assert not slots_only or len(given) == min(free, count)
        assert all(plan.values()), "a child with nothing has no place in the plan"
        for child, theirs in plan.items():
            assert child not in self.closed, "a closed child was given work"
            for each in theirs:
                assert each.cell not in self.held[child], "a cell was given twice"
                self.held[child][each.cell] = each

    @rule(data=st.data(), size=st.integers(0, 3), target=saves)
    def finish(self, data: st.DataObject, size: int) -> object:
        if not self.held:
            return multiple()
        child, cells = self.some_cells(data)
        # The last is not held: of a child that died in between, or a lie.
        outcomes = [Outcome(cell, Ending.COMPLETED, b"x" * size) for cell in [*cells, 8191 - 4000]]
        finished = self.ledger.finish(child, outcomes, self.now)
        assert [each for each, _ in finished] == [self.held[child].pop(cell) for cell in cells]
        self.ledger.add_unsaved(len(finished), size * len(finished))
        self.unsaved += len(finished)
        return len(finished), size * len(finished)

    @rule(saved=consumes(saves))
    def save(self, saved: tuple[int, int]) -> None:
        self.ledger.settle(*saved)
        self.unsaved -= saved[0]

    @rule(data=st.data())
    def recall_and_give_back(self, data: st.DataObject) -> None:
        if not self.held:
            return
        child, started = self.some_cells(data)
        most = data.draw(st.integers(0, 10))
        cells = self.ledger.recall(child, started.__contains__, most)
        assert len(cells) <= most
        assert not set(cells) & set(started)
        back = self.ledger.give_back(child, cells)
        assert back == [self.held[child].pop(cell) for cell in cells]

    @rule(data=st.data())
    def withdraw_and_drop(self, data: st.DataObject) -> None:
        if not self.held:
            return
        child, cells = self.some_cells(data)
        assert self.ledger.withdraw(child, cells) == [self.held[child].pop(cell) for cell in cells]
        # Until it has dropped them, its last words about them mean nothing, and the cells are not free.
        assert self.ledger.give_back(child, cells) == []
        assert set(self.ledger.dropped(child)) == set(cells)

    @rule(count=st.integers(0, 5))
    def set_aside(self, count: int) -> None:
        some = [execution(f"aside_{self.made + number}") for number in range(count)]
        self.made += count
        self.ledger.set_aside(some, self.now)
        self.aside += some

    @rule(data=st.data())
    def give_what_is_aside(self, data: st.DataObject) -> None:
        if not self.held or not self.aside:
            return
        child = data.draw(st.sampled_from(sorted(self.held)))
        first = self.ledger.pop_aside()
        assert first is self.aside.pop(0)
        self.ledger.assign_to(child, first)
        self.held[child][first.cell] = first

    @rule(data=st.data())
    def take_some_of_what_is_aside(self, data: st.DataObject) -> None:
        some = data.draw(st.lists(st.sampled_from(self.aside), unique_by=id)) if self.aside else []
        ids = {each.id for each in some}
        assert self.ledger.take_aside(ids) == [each for each in self.aside if each.id in ids]
        self.aside = [each for each in self.aside if each.id not in ids]

    @rule(data=st.data(), lent=st.integers(0, 10))
    def lend(self, data: st.DataObject, lent: int) -> None:
        if not self.held:
            return
        child = data.draw(st.sampled_from(sorted(self.held)))
        self.ledger.lend(child, lent, self.now)
        # For everything but the report it is as if the child had so many slots more.
        self.slots[child] = self.own_slots[child] + lent

    @rule(data=st.data())
    def close_or_reopen(self, data: st.DataObject) -> None:
        if not self.held:
            return
        child = data.draw(st.sampled_from(sorted(self.held)))
        (self.ledger.reopen if child in self.closed else self.ledger.close)(child, Shut.OVERRUN)
        self.closed ^= {child}

    @rule(data=st.data())
    def child_dies(self, data: st.DataObject) -> None:
        if not self.held:
            return
        child, cells = self.some_cells(data)
        held = self.held.pop(child)
        del self.slots[child]
        self.closed.discard(child)
        started, unstarted = self.ledger.take_from(child, cells.__contains__)
        assert {each.cell for each in started} == set(cells)
        assert {each.cell for each in unstarted} == set(held) - set(cells)
        assert self.ledger.take_from(child, cells.__contains__) == ([], []), "taken twice"

    def some_cells(self, data: st.DataObject) -> tuple[int, list[int]]:
        child = data.draw(st.sampled_from(sorted(self.held)))
        cells = sorted(self.held[child])
        return child, data.draw(st.lists(st.sampled_from(cells), unique=True)) if cells else []

    @invariant()
    def it_holds_what_the_model_holds(self) -> None:
        everything = [each for held in self.held.values() for each in held.values()] + self.aside
        assert self.ledger.held == len(everything)
        assert self.ledger.leases() == {(each.id, each.lease) for each in everything}
        assert sorted(self.ledger.ids()) == sorted(each.id for each in everything)
        found = [(child, each) for child, held in self.held.items() for each in held.values()][::2]
        looked_for = {each.id for _, each in found} | {"job_nowhere"}
        assert sorted(self.ledger.find(looked_for), key=str) == sorted(found, key=str)
        for child, each in found:
            assert self.ledger.execution(child, each.cell) is each
        assert self.ledger.unsaved == self.unsaved

    @invariant()
    def free_and_held_agree(self) -> None:
        assert self.ledger.children == list(self.slots)
        assert self.ledger.free == sum(
            max(0, self.slots[each] - len(self.held[each])) for each in self.slots if each not in self.closed
        )
        assert self.ledger.backlog == sum(max(0, len(self.held[each]) - self.slots[each]) for each in self.slots)
        for child, slots in self.slots.items():
            _, running, waiting, _ = self.ledger.of_child(child)
            assert (running, running + waiting) == (min(slots, len(self.held[child])), len(self.held[child]))

    @invariant()
    def there_is_room_for_every_free_slot(self) -> None:
        assert self.ledger.room(self.now) >= self.ledger.free

    def teardown(self) -> None:
        for child in list(self.held):
            self.ledger.take_from(child, bool)
        assert self.ledger.take_aside() == self.aside
        self.ledger.settle(self.unsaved, 0)
        assert (self.ledger.held, self.ledger.unsaved, self.ledger.free) == (0, 0, 0)


LedgerMachine.TestCase.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
TestLedger = LedgerMachine.TestCase


@given(st.lists(st.integers(0, 5000), max_size=20), st.data())
def test_bytes_return_to_zero_whichever_way_the_executions_went(sizes: list[int], data: st.DataObject) -> None:
    ledger = ledger_of(100, 1)
    some = [each for size in sizes for each in executions(1, size=size)]
    ledger.assign(some, 0.0)
    assert refused_bytes(ledger) == sum(sizes)
    cells = ledger.cells_of(0)
    ways = data.draw(st.lists(st.sampled_from("fgt"), min_size=len(cells), max_size=len(cells)))
    outcomes = [Outcome(cell, Ending.COMPLETED) for cell, way in zip(cells, ways, strict=True) if way == "f"]
    ledger.finish(0, outcomes, 0.0)
    ledger.give_back(0, [cell for cell, way in zip(cells, ways, strict=True) if way == "g"])
    ledger.take_from(0, bool)
    ledger.finish(1, [Outcome(cell, Ending.COMPLETED) for cell in ledger.cells_of(1)], 0.0)
    assert refused_bytes(ledger) == 0


# spread


@given(st.integers(0, 200), st.dictionaries(st.integers(0, 10), st.integers(-3, 30), max_size=8))
def test_spread_deals_everything_that_has_a_place_and_leaves_the_rest_even(count: int, places: dict[int, int]) -> None:
    shares = spread(count, places)
    assert sum(shares.values()) == min(count, sum(max(0, free) for free in places.values()))
    assert all(0 <= share <= places[name] for name, share in shares.items())
    left = {name: free - shares.get(name, 0) for name, free in places.items()}
    for name, share in shares.items():
        if share:
            assert all(left[name] >= other - 1 for other in left.values())


def test_spread_among_equals_differs_by_one_at_most() -> None:
    assert sorted(spread(10, {1: 8, 2: 8, 3: 8}).values()) == [3, 3, 4]


# Chunks


@given(
    st.integers(0, 200),
    st.dictionaries(st.integers(0, 10), st.integers(-3, 30), max_size=8),
    st.dictionaries(st.integers(0, 10), st.integers(0, 40), max_size=8),
)
def test_what_is_dealt_in_chunks_is_all_that_has_a_place(
    count: int, places: dict[int, int], chunks: dict[int, int]
) -> None:
    shares = deal(count, places, lambda name: chunks.get(name, 0))
    assert sum(shares.values()) == min(count, sum(max(0, free) for free in places.values()))
    assert all(0 <= share <= places[name] for name, share in shares.items())


@given(st.integers(0, 200), st.dictionaries(st.integers(0, 10), st.integers(-3, 30), max_size=8))
def test_with_chunks_smaller_than_an_even_share_all_is_dealt_evenly(count: int, places: dict[int, int]) -> None:
    small = (count - 1) // max(1, sum(free > 0 for free in places.values()))
    assume(small > 0)
    even = {name: share for name, share in spread(count, places).items() if share}
    assert {name: share for name, share in deal(count, places, lambda _: small).items() if share} == even


def test_short_executions_are_kept_together_and_long_ones_are_dealt_evenly() -> None:
    quick = ledger_of(*[64] * 8)
    quick.assign(executions(80), 0.0)
    for child in range(8):
        finish(quick, child, 10, 0.0)
        quick.note_spent(child, 10 * CHUNK_S / 20)
    plan, _ = quick.assign(executions(40), 0.0)
    assert sorted(shares_of(plan).values()) == [20, 20]
    slow = ledger_of(*[64] * 8)
    slow.assign(executions(80), 0.0)
    for child in range(8):
        finish(slow, child, 10, 0.0)
        slow.note_spent(child, 10 * CHUNK_S * 2)
    plan, _ = slow.assign(executions(40), 0.0)
    assert list(shares_of(plan).values()) == [5] * 8


def test_children_take_turns_and_one_of_which_nothing_is_known_gets_one() -> None:
    ledger = ledger_of(*[64] * 3)
    ledger.assign(executions(30), 0.0)
    for child in range(3):
        finish(ledger, child, 10, 0.0)
        ledger.note_spent(child, 10 * CHUNK_S / 20)
    ledger.add_child(3, 64, 0.0)
    given: list[dict[int, int]] = []
    for _ in range(6):
        plan, _ = ledger.assign(executions(4), 0.0)
        given.append(shares_of(plan))
        for child, count in given[-1].items():
            finish(ledger, child, count, 0.0)
    assert given == [{3: 1, 0: 3}, {1: 4}, {2: 4}, {3: 1, 0: 3}, {1: 4}, {2: 4}]


def test_while_nothing_is_known_of_their_pace_and_when_it_is_long_ago_all_get_the_same() -> None:
    ledger = ledger_of(*[64] * 4)
    plan, _ = ledger.assign(executions(4), 0.0)
    assert list(shares_of(plan).values()) == [1] * 4
    for child in range(4):
        finish(ledger, child, 1, 0.0)
        ledger.note_spent(child, 1e-6)
    # Each rests most of the time where there are many: what it showed counts for a while, ...
    plan, _ = ledger.assign(executions(4), 3 * WINDOW_S)
    assert list(shares_of(plan).values()) == [4]
    # ... and no longer.
    plan, _ = ledger.assign(executions(4), KNOWN_S + 3 * WINDOW_S)
    assert list(shares_of(plan).values()) == [1] * 4


@pytest.mark.parametrize("spent_s", [0.0, -1.0, float("nan"), float("inf"), 1e-300])
def test_whatever_a_child_says_of_its_pace_it_gets_no_more_than_its_slots(spent_s: float) -> None:
    ledger = ledger_of(4, 4)
    for child in (0, 1):
        ledger.assign(executions(8), 0.0)
        finish(ledger, child, 4, 0.0)
        ledger.note_spent(child, spent_s)
        finish(ledger, 1 - child, 4, 0.0)
    plan, rest = ledger.assign(executions(8), 0.0)
    assert shares_of(plan) == {0: 4, 1: 4}
    assert not rest


# room


def test_there_is_no_room_without_children() -> None:
    assert Ledger().room(0.0) == 0


def test_there_is_no_room_when_every_slot_is_taken() -> None:
    ledger = ledger_of(2, 3)
    assert ledger.room(0.0) == 5
    ledger.assign(executions(5), 0.0)
    assert ledger.room(0.0) == 0


def test_nothing_is_prefetched_while_the_pace_is_unknown() -> None:
    ledger = ledger_of(4)
    assert ledger.room(0.0) == 4
    plan, rest = ledger.assign(executions(6), 0.0)
    assert shares_of(plan) == {0: 4}
    assert len(rest) == 2


def test_prefetch_is_what_the_child_finished_in_a_window() -> None:
    ledger = ledger_of(2)
    make_quick(ledger, 0, 10, now=0.01)
    assert ledger.room(0.01) == 2 + 10
    # The window before still says so ...
    assert ledger.room(0.01 + WINDOW_S) == 2 + 10
    # ... and an idle one after it does not.
    assert ledger.room(0.01 + 4 * WINDOW_S) == 2


def test_what_was_claimed_for_a_backlog_is_not_given_back_when_the_claim_has_taken_long() -> None:
    ledger = ledger_of(2, 2)
    for child in (0, 1):
        ledger.close(1 - child, Shut.STALLED)
        make_quick(ledger, child, 20, 0.0)
        ledger.reopen(1 - child, Shut.STALLED)
    room = ledger.room(0.0)
    assert room == 4 + 40
    plan, rest = ledger.assign(executions(room - 10), 5 * WINDOW_S)
    assert (shares_of(plan), rest) == ({0: 17, 1: 17}, [])
    plan, rest = ledger.assign(executions(10), 5 * WINDOW_S)
    assert (shares_of(plan), rest) == ({0: 5, 1: 5}, [])
    # Once: by now nothing is known of their pace.
    _, rest = ledger.assign(executions(1), 5 * WINDOW_S)
    assert len(rest) == 1


def test_without_prefetch_there_is_room_for_the_slots_alone() -> None:
    ledger = Ledger(prefetch=False)
    ledger.add_child(0, 4, 0.0)
    make_quick(ledger, 0, 100, 0.05)
    assert ledger.room(0.1) == 4
    plan, rest = ledger.assign(executions(10), 0.1)
    assert (shares_of(plan), len(rest)) == ({0: 4}, 6)
    assert ledger.room(0.1) == 0


def test_prefetch_is_bounded() -> None:
    ledger = ledger_of(2000)
    make_quick(ledger, 0, PREFETCH_MAX + 900, now=0.01)
    assert ledger.room(0.01) == 2000 + PREFETCH_MAX


def test_a_child_with_long_jobs_gets_nothing_beyond_its_slots_while_another_is_quick() -> None:
    ledger = ledger_of(2, 2)
    ledger.assign(executions(4), 0.0)
    for now in (0.0, 0.01, 0.02, 0.03):
        finish(ledger, 1, 2, now)
        ledger.assign(executions(2), now)
    plan, rest = ledger.assign(executions(8), 0.03)
    assert shares_of(plan) == {1: 8}
    assert not rest
    assert ledger.of_child(0)[1:3] == (2, 0)


def test_a_quick_child_that_got_long_jobs_is_given_nothing_more_after_two_windows() -> None:
    ledger = ledger_of(2)
    make_quick(ledger, 0, 10, now=0.01)
    ledger.assign(executions(2), 0.02)
    assert ledger.room(0.02) > 0
    assert ledger.room(0.02 + 3 * WINDOW_S) == 0


def test_a_backlog_is_refilled_when_it_is_below_half() -> None:
    ledger = ledger_of(2)
    make_quick(ledger, 0, 10, now=0.0)
    ledger.assign(executions(12), 0.0)
    assert ledger.room(0.0) == 0
    finish(ledger, 0, 3, 0.0)
    # 7 wait and 13 are wanted: half is there.
    assert ledger.room(0.0) == 0
    finish(ledger, 0, 1, 0.0)
    # 6 wait and 14 are wanted.
    assert ledger.room(0.0) == 8


def test_free_slots_are_filled_first_and_evenly() -> None:
    ledger = ledger_of(4)
    make_quick(ledger, 0, 20, now=0.0)
    ledger.add_child(1, 4, 0.0)
    ledger.add_child(2, 4, 0.0)
    plan, _ = ledger.assign(executions(9), 0.0)
    assert shares_of(plan) == {0: 3, 1: 3, 2: 3}
    plan, _ = ledger.assign(executions(9), 0.0)
    # The three free slots, and only then the backlog of the one whose pace is known.
    assert shares_of(plan) == {0: 1 + 6, 1: 1, 2: 1}


def test_executions_are_given_in_their_order() -> None:
    ledger = ledger_of(3)
    make_quick(ledger, 0, 9, now=0.0)
    some = executions(9)
    plan, _ = ledger.assign(some, 0.0)
    assert plan == {0: some}


def test_a_returned_execution_goes_to_a_free_slot_and_to_no_backlog() -> None:
    ledger = ledger_of(2)
    make_quick(ledger, 0, 10, now=0.0)
    plan, rest = ledger.assign_to_slots(executions(5), 0.0)
    assert shares_of(plan) == {0: 2}
    assert len(rest) == 3


def test_nothing_is_claimed_while_too_much_is_unsaved() -> None:
    ledger = ledger_of(4)
    ledger.add_unsaved(UNSAVED_MAX - 1, 0)
    assert ledger.room(0.0) == 4
    ledger.add_unsaved(1, 0)
    assert ledger.room(0.0) == 0
    ledger.settle(1, 0)
    assert ledger.room(0.0) == 4


def test_nothing_is_claimed_while_results_and_arguments_take_too_many_bytes() -> None:
    ledger = ledger_of(4)
    ledger.assign(executions(1, size=1000), 0.0)
    ledger.add_unsaved(1, BYTES_MAX - 1001)
    assert ledger.room(0.0) == 3
    ledger.add_unsaved(1, 1)
    assert ledger.room(0.0) == 0
    finish(ledger, 0, 1, 0.0)
    assert ledger.room(0.0) > 0


def test_settling_more_than_was_unsaved_is_a_mistake() -> None:
    with pytest.raises(AssertionError):
        Ledger().settle(1, 0)


def test_outcomes_of_an_unknown_child_are_left_out() -> None:
    ledger = ledger_of(1)
    assert ledger.finish(7, [Outcome(0, Ending.COMPLETED)], 0.0) == []
    assert ledger.give_back(7, [0]) == []
    assert ledger.of_child(7) == (0, 0, 0, 0)


# Lent slots


def test_a_lent_slot_is_room_for_another_and_a_returned_one_is_none() -> None:
    ledger = ledger_of(2)
    ledger.assign(executions(2), 0.0)
    assert ledger.room(0.0) == 0
    ledger.lend(0, 2, 0.0)
    assert ledger.room(0.0) == ledger.free == 2
    ledger.assign(executions(2), 0.0)
    assert (ledger.room(0.0), ledger.backlog) == (0, 0)
    finish(ledger, 0, 1, 0.0)
    ledger.lend(0, 1, 0.0)
    assert (ledger.free, ledger.backlog) == (0, 0)
    ledger.lend(0, 0, 0.0)
    assert (ledger.free, ledger.backlog) == (0, 1)
    # A child that is gone, and nonsense.
    ledger.lend(7, 3, 0.0)
    ledger.lend(0, -5, 0.0)
    assert ledger.of_child(0)[0] == 2


def test_however_much_is_lent_no_child_gets_more_than_it_has_cells() -> None:
    ledger = ledger_of(CELLS_MAX // 2)
    ledger.lend(0, 1 << 30, 0.0)
    plan, rest = ledger.assign(executions(CELLS_MAX + 10), 0.0)
    assert len(plan[0]) == CELLS_MAX
    assert len(rest) == 10
    assert ledger.room(0.0) == 0


def test_a_slot_that_is_lent_moves_a_backlog_and_one_that_is_taken_back_may_begin_one() -> None:
    ledger = with_backlog(5.0)
    ledger.lend(0, 1, 7.0)
    assert ledger.stuck(0, 7.5) == pytest.approx(0.5)
    # Taken back: what waits has waited on.
    ledger.lend(0, 0, 7.8)
    assert ledger.stuck(0, 8.0) == pytest.approx(1.0)
    ledger = ledger_of(1)
    ledger.lend(0, 1, 5.0)
    ledger.assign(executions(2), 5.0)
    assert ledger.stuck(0, 9.0) == 0.0
    ledger.lend(0, 0, 9.0)
    assert ledger.stuck(0, 9.25) == pytest.approx(0.25)


# Closed children


def test_a_closed_child_gets_nothing_until_it_is_opened_again() -> None:
    ledger = ledger_of(2, 3)
    make_quick(ledger_quick := ledger_of(2), 0, 10, now=0.01)
    ledger_quick.close(0, Shut.OVERRUN)
    assert ledger_quick.room(0.01) == 0
    ledger.close(0, Shut.OVERRUN)
    assert (ledger.room(0.0), ledger.free) == (3, 3)
    plan, rest = ledger.assign(executions(5), 0.0)
    assert (shares_of(plan), len(rest)) == ({1: 3}, 2)
    assert ledger.assign_to_slots(executions(1), 0.0) == ({}, executions(1))
    ledger.reopen(0, Shut.OVERRUN)
    assert ledger.room(0.0) == 2


def test_a_child_that_is_closed_for_two_reasons_is_open_when_both_are_gone() -> None:
    ledger = ledger_of(2)
    ledger.close(0, Shut.OVERRUN)
    ledger.close(0, Shut.STALLED)
    ledger.reopen(0, Shut.OVERRUN)
    assert ledger.free == 0
    ledger.reopen(0, Shut.STALLED)
    assert ledger.free == 2


def test_the_cell_of_what_was_withdrawn_is_not_given_out_before_the_child_has_dropped_it() -> None:
    ledger = ledger_of(CELLS_MAX)
    ledger.assign(executions(CELLS_MAX - 1), 0.0)
    ledger.withdraw(0, [5])
    ledger.assign(executions(1), 0.0)
    assert ledger.execution(0, 5) is None
    assert ledger.dropped(0) == [5]
    ledger.assign(executions(1), 0.0)
    assert ledger.execution(0, 5) is not None


def test_what_a_child_does_not_hold_is_not_found() -> None:
    ledger = ledger_of(1)
    assert ledger.find({"job_0"}) == []
    assert ledger.execution(0, 5) is None
    assert ledger.execution(9, 0) is None
    plan, _ = ledger.assign(executions(1), 0.0)
    assert ledger.find({"job_0", "job_1"}) == [(0, plan[0][0])]
    assert ledger.find({"job_1"}) == []


# stuck and recall


def with_backlog(now: float) -> Ledger:
    """One child of two slots, two running and six waiting since `now`."""
    ledger = ledger_of(2)
    make_quick(ledger, 0, 6, now)
    ledger.assign(executions(8), now)
    return ledger


def test_a_child_without_a_backlog_is_never_stuck() -> None:
    ledger = ledger_of(2)
    ledger.assign(executions(2), 0.0)
    assert ledger.stuck(0, 100.0) == 0.0


def test_a_backlog_is_stuck_since_its_beginning_or_the_last_that_finished() -> None:
    ledger = with_backlog(5.0)
    assert ledger.stuck(0, 7.0) == pytest.approx(2.0)
    finish(ledger, 0, 1, 7.5)
    assert ledger.stuck(0, 8.0) == pytest.approx(0.5)


def test_more_for_a_stuck_backlog_does_not_hide_that_it_is_stuck() -> None:
    ledger = ledger_of(2)
    make_quick(ledger, 0, 6, 5.0)
    ledger.assign(executions(4), 5.0)
    ledger.assign(executions(2), 5.05)
    assert ledger.stuck(0, 5.5) == pytest.approx(0.5)


def test_a_backlog_that_is_being_recalled_is_not_recalled_again() -> None:
    ledger = with_backlog(5.0)
    cells = ledger.recall(0, lambda _: False, 2)
    assert ledger.stuck(0, 9.0) == 0.0
    ledger.give_back(0, cells)
    assert ledger.stuck(0, 9.0) > 0.0


def test_a_recall_takes_the_last_of_the_unstarted() -> None:
    ledger = with_backlog(0.0)
    cells = ledger.cells_of(0)
    started = set(cells[:3])
    assert ledger.recall(0, started.__contains__, 2) == cells[-2:]
    assert ledger.recall(0, started.__contains__, 100) == cells[3:]
    assert ledger.recall(0, started.__contains__, 0) == []


def test_what_is_given_back_frees_its_place_and_comes_once() -> None:
    ledger = with_backlog(0.0)
    cells = ledger.recall(0, lambda _: False, 3)
    assert len(ledger.give_back(0, cells)) == 3
    assert ledger.give_back(0, cells) == []
    assert (ledger.held, ledger.backlog) == (5, 3)
