"""The claimer: when it claims, when it sleeps, and what it does when the database fails."""

import asyncio
from collections.abc import Awaitable, Callable

from currant.errors import DatabaseUnreachable, StatementRefused
from currant.executions import Execution
from currant.settings import CLAIM_ROWS_MAX
from currant.store.queries import Claim, Position
from currant.supervisor.claimer import LOOK_ROWS_MAX, Claimer
from tests.support import comes_true, in_loop
from tests.unit.support import executions

EMPTY = Claim([], True, 0)
Answer = Claim | Exception | Callable[[], Awaitable[Claim]]


class Node:
    """Everything around a claimer: it answers its claims in turn, and notes what it does."""

    def __init__(self, *answers: Answer, room: int = 10) -> None:
        self.answers = list(answers)
        self.room = room
        self.claims: list[tuple[int, int]] = []
        #: Behind which positions they looked, and what each takes by the clock.
        self.afters: list[str | None] = []
        #: Which were told that there is plenty.
        self.plenty: list[bool] = []
        self.now = 100.0
        self.takes_s: list[float] = []
        self.dispatched: list[Execution] = []
        self.due: list[float] = []
        self.happened: list[str] = []
        self.exhausted = asyncio.Event()
        self.claimer = Claimer(
            room=lambda: self.room,
            rows_max=CLAIM_ROWS_MAX,
            claim=self._claim,
            dispatch=self._dispatch,
            due_in=self.due.append,
            pause=self._note("pause"),
            lost=lambda: self.happened.append("lost"),
            refused=self.happened.append,
            fenced=self._note("fenced"),
            random=lambda: 0.0,
            clock=lambda: self.now,
        )

    async def __aenter__(self) -> "Node":
        self.task = asyncio.create_task(self.claimer.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])
        if not self.task.cancelled():
            self.task.result()

    async def asleep(self) -> None:
        """Returns when all answers were taken and the claimer has nothing more to do."""
        await self.exhausted.wait()
        await settled()

    async def _claim(self, rows: int, look: int, after: Position | None, plenty: bool) -> Claim:
        assert self.answers, "it claimed although it had been told all there is"
        self.claims.append((rows, look))
        self.afters.append(after and after.id)
        self.plenty.append(plenty)
        if self.takes_s:
            self.now += self.takes_s.pop(0)
        answer = self.answers.pop(0)
        if not self.answers:
            self.exhausted.set()
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Claim) else await answer()

    def _dispatch(self, executions: list[Execution]) -> None:
        self.dispatched += executions
        self.room -= len(executions)

    def _note(self, what: str) -> Callable[[], Awaitable[None]]:
        async def note() -> None:
            self.happened.append(what)

        return note


async def settled() -> None:
    """Lets everything that is ready run."""
    for _ in range(20):
        await asyncio.sleep(0)


def got(count: int, *, seen: int | None = None, last: str | None = None) -> Claim:
    position = Position(5, 1.0, last) if last else None
    return Claim(executions(count), True, count if seen is None else seen, last=position)


@in_loop
async def test_it_sleeps_until_there_are_news() -> None:
    async with Node(EMPTY) as node:
        await settled()
        assert node.claims == []
        node.claimer.work_came()
        await node.asleep()
        assert node.claims == [(10, 10)]


@in_loop
async def test_what_is_claimed_is_dispatched_and_it_goes_on_while_there_is_room() -> None:
    async with Node(got(10), room=10) as node:
        node.claimer.work_came()
        await node.asleep()
        assert len(node.dispatched) == 10
        assert node.room == 0


@in_loop
async def test_nothing_is_claimed_without_room_and_the_news_are_kept_for_it() -> None:
    async with Node(EMPTY, room=0) as node:
        node.claimer.work_came()
        await settled()
        assert node.claims == []
        node.room = 3
        node.claimer.room_came()
        await node.asleep()
        assert node.claims == [(3, 3)]


@in_loop
async def test_after_an_empty_claim_more_room_alone_claims_nothing() -> None:
    async with Node(EMPTY) as node:
        node.claimer.work_came()
        await node.asleep()
        node.claimer.room_came()
        await settled()
        assert len(node.claims) == 1


@in_loop
async def test_an_empty_claim_tells_when_the_next_is_due() -> None:
    async with Node(EMPTY._replace(due_in_s=0.7)) as node:
        node.claimer.work_came()
        await node.asleep()
        assert node.due == [0.7]


@in_loop
async def test_after_an_empty_claim_news_claim_again() -> None:
    async with Node(EMPTY, got(1), EMPTY) as node:
        node.claimer.work_came()
        while not node.claims:
            await settled()
        node.claimer.work_came()
        while not node.dispatched:
            await settled()


@in_loop
async def test_a_claim_that_saw_all_there_was_is_as_good_as_an_empty_one() -> None:
    async with Node(got(4)) as node:
        node.claimer.work_came()
        await node.asleep()
        assert len(node.dispatched) == 4


@in_loop
async def test_a_full_claim_claims_again_at_once() -> None:
    async with Node(got(CLAIM_ROWS_MAX), got(CLAIM_ROWS_MAX), got(7), room=3 * CLAIM_ROWS_MAX) as node:
        node.claimer.work_came()
        await node.asleep()
        assert node.claims == [(CLAIM_ROWS_MAX, CLAIM_ROWS_MAX)] * 3
        assert len(node.dispatched) == 2 * CLAIM_ROWS_MAX + 7


@in_loop
async def test_a_short_claim_with_candidates_left_claims_again_and_looks_further() -> None:
    async with Node(got(3, seen=10), got(0, seen=40), got(2, seen=160), got(5, seen=5), room=12) as node:
        node.claimer.work_came()
        await node.asleep()
        assert node.claims == [(12, 12), (9, 48), (9, 192), (7, 768)]
        assert len(node.dispatched) == 10


@in_loop
async def test_it_looks_only_so_far() -> None:
    async with Node(*[got(0, seen=9)] * 7, EMPTY) as node:
        node.claimer.work_came()
        await node.asleep()
        assert max(look for _, look in node.claims) == LOOK_ROWS_MAX


@in_loop
async def test_a_refused_claim_is_told_and_made_again() -> None:
    async with Node(StatementRefused("no such column"), got(2)) as node:
        node.claimer.work_came()
        await node.asleep()
        assert node.happened == ["no such column", "pause"]
        assert len(node.dispatched) == 2


@in_loop
async def test_news_during_an_empty_claim_are_not_lost() -> None:
    async def empty_while_work_comes() -> Claim:
        node.claimer.work_came()
        return EMPTY

    async with Node(empty_while_work_comes, got(1)) as node:
        node.claimer.work_came()
        await node.asleep()
        assert len(node.dispatched) == 1


@in_loop
async def test_after_a_loss_of_the_database_it_waits_tells_what_may_be_lost_and_claims_again() -> None:
    async with Node(DatabaseUnreachable("gone"), DatabaseUnreachable("gone"), got(2)) as node:
        node.claimer.work_came()
        await node.asleep()
        assert node.happened == ["lost", "pause", "lost", "pause"]
        assert len(node.dispatched) == 2


@in_loop
async def test_a_node_whose_row_is_stopped_is_registered_anew_and_claims_again() -> None:
    async with Node(Claim([], False, 0), got(2)) as node:
        node.claimer.work_came()
        await node.asleep()
        assert node.happened == ["fenced"]
        assert len(node.dispatched) == 2


@in_loop
async def test_after_a_stop_no_claim_begins() -> None:
    async with Node() as node:
        await settled()
        await node.claimer.stop()
        node.claimer.work_came()
        await node.task
        assert node.claims == []


@in_loop
async def test_a_stop_lets_the_claim_under_way_be_dispatched() -> None:
    answer: asyncio.Future[Claim] = asyncio.get_running_loop().create_future()

    async def under_way() -> Claim:
        return await answer

    async with Node(under_way, room=1000) as node:
        node.claimer.work_came()
        while not node.claims:
            await settled()
        stopping = asyncio.create_task(node.claimer.stop())
        await settled()
        assert not stopping.done()
        answer.set_result(got(CLAIM_ROWS_MAX))
        await stopping
        await node.task
        assert len(node.dispatched) == CLAIM_ROWS_MAX
        assert len(node.claims) == 1


# The next one, under way early


async def claiming(node: Node) -> None:
    """Waits until a claim is under way, and what was claimed before is dispatched."""
    await comes_true(lambda: node.claimer.is_claiming and node.dispatched)


@in_loop
async def test_while_there_is_plenty_the_next_claim_begins_before_the_last_one_is_dispatched() -> None:
    seen: list[int] = []

    async def second() -> Claim:
        seen.append(len(node.dispatched))
        await claiming(node)
        seen.append(len(node.dispatched))
        return got(10)

    async with Node(got(10), second, got(5), room=25) as node:
        node.claimer._rows_max = 10
        node.claimer.work_came()
        await node.asleep()
        assert seen == [0, 10]
        # The third has room for what is left beside the second.
        assert node.claims == [(10, 10), (10, 10), (5, 5)]
        assert len(node.dispatched) == 25
        assert not node.claimer.is_claiming


@in_loop
async def test_what_is_claimed_and_not_dispatched_takes_its_room() -> None:
    async with Node(got(10), EMPTY, room=10) as node:
        node.claimer._rows_max = 10
        node.claimer.work_came()
        await settled()
        assert node.claims == [(10, 10)]
        node.room = 10
        node.claimer.room_came()
        await node.asleep()
        assert node.claims == [(10, 10), (10, 10)]


@in_loop
async def test_whoever_waits_for_the_claims_under_way_does_not_wait_for_those_that_begin_later() -> None:
    gates = [asyncio.Event(), asyncio.Event()]

    async def when_open(gate: asyncio.Event) -> Claim:
        await gate.wait()
        return got(10)

    async with Node(lambda: when_open(gates[0]), lambda: when_open(gates[1]), EMPTY, room=100) as node:
        node.claimer._rows_max = 10
        node.claimer.work_came()
        await settled()
        over = asyncio.create_task(node.claimer.claim_over())
        await settled()
        assert not over.done()
        gates[0].set()
        await over
        assert len(node.dispatched) == 10
        assert node.claimer.is_claiming
        gates[1].set()
        await node.asleep()


@in_loop
async def test_a_claimer_that_is_cancelled_leaves_no_claim_behind() -> None:
    ended: list[str] = []

    async def for_ever() -> Claim:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("claim")
        raise AssertionError

    async with Node(got(10), for_ever, room=100) as node:
        node.claimer._rows_max = 10
        node.claimer.work_came()
        await claiming(node)
    await settled()
    assert ended == ["claim"]


@in_loop
async def test_at_a_stop_the_next_claim_that_is_under_way_is_dispatched_too() -> None:
    gate = asyncio.Event()

    async def when_open() -> Claim:
        await gate.wait()
        return got(10)

    async with Node(got(10), when_open, room=100) as node:
        node.claimer._rows_max = 10
        node.claimer.work_came()
        await claiming(node)
        stopping = asyncio.create_task(node.claimer.stop())
        await settled()
        assert not stopping.done()
        gate.set()
        await stopping
        assert len(node.dispatched) == 20
        assert len(node.claims) == 2


# Where it begins to look


async def afters(*looks: tuple[Claim, float]) -> list[str | None]:
    """Returns behind which positions claims of ten looked that brought these and took so long, until one is empty."""
    async with Node(*(claim for claim, _ in looks), EMPTY) as node:
        node.claimer._room = lambda: 10
        node.takes_s = [took_s for _, took_s in looks]
        node.claimer.work_came()
        await node.asleep()
        return node.afters


@in_loop
async def test_while_looks_from_the_head_are_quick_each_begins_there() -> None:
    assert await afters((got(10, last="a"), 0.01), (got(10, last="b"), 0.01)) == [None] * 3


@in_loop
async def test_after_a_slow_look_from_the_head_it_goes_on_behind_the_last_for_eight_times_as_long() -> None:
    takes_s = [0.3, *[0.14] * 18, 0.01]
    looks = [(got(10, last=f"p{number}"), took_s) for number, took_s in enumerate(takes_s)]
    # For 2.4 seconds from the first on; the next look from the head is quick.
    assert await afters(*looks) == [None, *(f"p{number}" for number in range(18)), None, None]


@in_loop
async def test_where_looks_from_elsewhere_are_as_slow_the_head_is_not_to_blame_for_a_while() -> None:
    looks = [
        (got(10, last="a"), 0.1),
        (got(10, last="b"), 0.08),
        # For 0.8 seconds it is borne with, ...
        (got(10), 0.4),
        (got(10), 0.39),
        # ... then the two are compared again, and this time the others are quicker.
        (got(10, last="c"), 0.3),
        (got(10, last="d"), 0.05),
        (got(10, last="e"), 2.4),
    ]
    assert await afters(*looks) == [None, "a", None, None, None, "c", "d", None]


@in_loop
async def test_a_head_that_grows_slower_and_slower_is_left_however_noisy_the_looks_are() -> None:
    """Each noisy look from elsewhere once let the head be twice as slow from then on."""
    looks = [
        look
        for head_s in (0.1, 0.2, 0.4)
        for look in ((got(10, last="a"), head_s), (got(10, last="b"), head_s), (got(10), 8 * head_s))
    ]
    assert await afters(*looks) == [*(None, "a", None) * 3, None]


@in_loop
async def test_what_is_claimed_takes_its_time_without_the_head_being_slow() -> None:
    async with Node(got(500, last="a"), got(500, last="b"), EMPTY, EMPTY) as node:
        node.claimer._room = lambda: 500
        node.takes_s = [0.04, 0.05]
        node.claimer.work_came()
        await node.asleep()
        assert node.afters == [None, None, "b", None]


@in_loop
async def test_after_a_full_claim_there_is_plenty_unless_it_is_to_say_where_its_last_one_stood() -> None:
    looks = (
        (got(10), 0.01),
        (got(10), 0.1),
        (got(10, last="a"), 0.1),
        (got(10, last="b"), 0.01),
        (got(10), 1.0),
        (got(9, seen=10), 0.01),
        (got(10), 0.01),
    )
    async with Node(*(claim for claim, _ in looks), EMPTY) as node:
        node.claimer._room = lambda: 10
        node.takes_s = [took_s for _, took_s in looks]
        node.claimer.work_came()
        await node.asleep()
        assert node.afters == [None, None, None, "a", "b", None, None, None]
        assert node.plenty == [False, True, False, False, False, True, False, True]


@in_loop
async def test_at_the_end_it_looks_at_the_head_before_it_sleeps() -> None:
    assert await afters((got(10, last="a"), 1.0), (got(2, last="b"), 0.01)) == [None, "a", None]
    assert await afters((got(10, last="a"), 1.0), (EMPTY, 0.01)) == [None, "a", None]


@in_loop
async def test_a_claim_that_is_bounded_in_bytes_goes_on_behind_its_last() -> None:
    looks = (got(4, seen=10, last="a"), 1.0), (got(10, last="b"), 0.01), (EMPTY, 0.01)
    assert await afters(*looks) == [None, "a", "b", None]
