"""The scheduler: what it asks and when, by answers and a clock that the test gives."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from currant.backends import NewExecution
from currant.errors import DatabaseUnreachable
from currant.protocol.control import Schedule
from currant.store.schedules import Found, Plan
from currant.supervisor.schedules import Scheduler
from tests.support import in_loop

EVERY_MINUTE = "* * * * *"
#: A full hour, in Unix time.
NOW_S = 1_800_000_000.0
Answer = Found | Exception


def schedule(function: str = "app.f", cron: str = EVERY_MINUTE) -> Schedule:
    return Schedule(cron, "UTC", NewExecution(function, "q", 5, b"[]", b"{}", b"{}", 3, None))


def plan(next_s: float, function: str = "app.f", cron: str = EVERY_MINUTE) -> Plan:
    return Plan(function, cron, "UTC", next_s)


class Node:
    """A scheduler whose statements answer in turn, by a clock that goes on with the loop's."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[list[Plan], list[float]]] = []
        self.refusals: list[str] = []
        self.exhausted = asyncio.Event()
        self.asking = asyncio.Condition()
        self.ahead_s = 0.0
        loop = asyncio.get_running_loop()
        self._began = loop.time()
        self.now: Callable[[], float] = lambda: NOW_S + loop.time() - self._began + self.ahead_s
        self.scheduler = Scheduler(sync=self._sync, fire=self._fire, now=self.now, refused=self.refusals.append)

    async def until_asked(self, times: int) -> None:
        async with self.asking:
            await self.asking.wait_for(lambda: len(self.asked) >= times)

    async def _sync(self, plans: Sequence[Plan], schedules: Sequence[Schedule]) -> Found:
        return await self._answer([*plans], [])

    async def _fire(self, plans: Sequence[Plan], nexts: Sequence[float]) -> Found:
        return await self._answer([*plans], [*nexts])

    async def _answer(self, plans: list[Plan], nexts: list[float]) -> Found:
        assert self.answers, "it asked although it had been told all there is"
        self.asked.append((plans, nexts))
        async with self.asking:
            self.asking.notify_all()
        answer = self.answers.pop(0)
        if not self.answers:
            self.exhausted.set()
        if isinstance(answer, Exception):
            raise answer
        return answer


async def settled() -> None:
    """Lets everything that is ready run."""
    for _ in range(20):
        await asyncio.sleep(0)


@asynccontextmanager
async def running(*answers: Answer, schedules: Sequence[Schedule] = (schedule(),)) -> AsyncIterator[Node]:
    node = Node(*answers)
    node.scheduler.know(schedules)
    task = asyncio.create_task(node.scheduler.run())
    yield node
    await settled()
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()


def found(*plans: Plan, locked: Sequence[str] = (), clock_s: float = NOW_S) -> Found:
    return Found(list(plans), [], list(locked), clock_s if plans else None)


@in_loop
async def test_without_schedules_nothing_is_asked() -> None:
    async with running(schedules=()) as node:
        assert node.scheduler.functions == []


@in_loop
async def test_it_says_its_schedules_and_sleeps_until_the_first_is_due() -> None:
    async with running(found(plan(NOW_S + 60)), schedules=[schedule(), schedule("app.g", "0 * * * *")]) as node:
        await node.exhausted.wait()
        ((said, _),) = node.asked
        assert [(each.function, each.next_s > NOW_S) for each in said] == [("app.f", True), ("app.g", True)]


@in_loop
async def test_of_all_that_was_missed_one_is_run_and_the_next_is_yet_to_come() -> None:
    async with running(found(plan(NOW_S - 3600)), found(plan(NOW_S + 60))) as node:
        await node.exhausted.wait()
        assert node.asked[1] == ([plan(NOW_S - 3600)], [NOW_S + 60])


@in_loop
async def test_another_node_s_expression_is_the_one_that_it_goes_by() -> None:
    theirs = plan(NOW_S - 1, cron="0 * * * *")
    async with running(found(plan(NOW_S - 60)), found(theirs), found(plan(NOW_S + 3600, cron="0 * * * *"))) as node:
        await node.exhausted.wait()
        assert node.asked[2] == ([theirs], [NOW_S + 3600])


@in_loop
async def test_an_outage_is_caught_up_with_from_its_end_and_not_from_its_beginning() -> None:
    async with running(found(plan(NOW_S - 60)), DatabaseUnreachable("gone"), found(plan(NOW_S + 7260))) as node:
        await node.until_asked(2)
        node.ahead_s = 7200
        await node.exhausted.wait()
        assert node.asked[1][1] == [NOW_S + 60]
        assert node.asked[2][1] == [NOW_S + 7260]


@in_loop
async def test_a_moment_that_the_tick_does_not_know_makes_it_look() -> None:
    async with running(found(plan(NOW_S + 60)), found(plan(NOW_S + 30))) as node:
        await node.until_asked(1)
        await settled()
        node.scheduler.told(NOW_S + 60)
        await settled()
        assert len(node.asked) == 1
        node.scheduler.told(NOW_S + 30)
        await node.exhausted.wait()
        assert [each.function for each in node.asked[1][0]] == ["app.f"]


@in_loop
async def test_what_is_gone_is_not_asked_for_again() -> None:
    async with running(found(plan(NOW_S - 60)), found()) as node:
        await node.exhausted.wait()
        await settled()
        assert node.scheduler.functions == []


@in_loop
async def test_a_clock_that_is_ahead_of_the_databases_asks_no_more_often() -> None:
    # By our clock it is due, by the database's not before a fifth of a second.
    due = plan(NOW_S - 10)
    async with running(found(due), found(due, clock_s=NOW_S - 10.2), found(plan(NOW_S + 60))) as node:
        began = asyncio.get_running_loop().time()
        await node.exhausted.wait()
        assert asyncio.get_running_loop().time() - began >= 0.2


@in_loop
async def test_a_row_that_someone_holds_is_looked_at_again_a_little_later() -> None:
    due = plan(NOW_S - 10)
    async with running(found(due), found(due, locked=["app.f"]), found(plan(NOW_S + 60))) as node:
        began = asyncio.get_running_loop().time()
        await node.exhausted.wait()
        assert asyncio.get_running_loop().time() - began >= 0.2
        assert node.asked[2][0] == [due]


@in_loop
async def test_an_expression_that_this_currant_cannot_read_is_left_to_the_node_that_said_it() -> None:
    async with running(found(plan(NOW_S - 10, cron="@fortnightly"), plan(NOW_S - 10, "app.g")), found()) as node:
        await node.exhausted.wait()
        assert [each.function for each in node.asked[1][0]] == ["app.g"]
        (refusal,) = node.refusals
        assert "app.f is left to other nodes" in refusal


@in_loop
async def test_one_that_is_held_back_for_ever_is_no_reason_to_ask() -> None:
    async with running(found(plan(math.inf)), schedules=[schedule()]) as node:
        await node.exhausted.wait()
        node.scheduler.told(math.inf)
        await settled()
        assert len(node.asked) == 1
