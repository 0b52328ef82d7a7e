"""What runs where at the moment, and where it stands: the children are asked, and of one that does not answer the
supervisor tells what it knows itself."""

import asyncio
import itertools
from typing import NamedTuple

from currant.errors import CurrantError
from currant.protocol.commands import (
    RUNNING_MAX,
    ProcessStacks,
    Running,
    RunningReply,
    RunningRequest,
    StacksReply,
    StacksRequest,
    Standing,
)
from currant.protocol.work import Inspect, Inspected
from currant.supervisor import stacks
from currant.supervisor.child import Child, State
from currant.supervisor.children import Children
from currant.supervisor.ledger import Ledger
from currant.supervisor.places import Role
from currant.supervisor.stacks import Stacks
from currant.supervisor.stalls import LATE_S, Stalls

#: How long a child may take to answer: its loop may be late, and is stalled beyond that.
ANSWER_S = LATE_S
#: Of the stacks of all processes so much is told: a reply has its limit.
CHARS_MAX = 900_000
UNKNOWN_MAX = 100


class _Asked(NamedTuple):
    child: int
    answer: "asyncio.Future[Inspected | None]"


class Inspections:
    """Asks children what they run, and answers `currantctl running` and `currantctl stacks`."""

    def __init__(self, children: Children, ledger: Ledger, stalls: Stalls, own: Stacks) -> None:
        """`own`: asks a child by a signal, whatever it does."""
        self._children, self._ledger, self._stalls, self._stacks = children, ledger, stalls, own
        self._numbers = itertools.count(1)
        self._asked: dict[int, _Asked] = {}

    def answered(self, child: int, message: Inspected) -> None:
        """Takes a child's answer; one that nobody waits for is dropped."""
        asked = self._asked.get(message.number)
        if asked is not None and asked.child == child and not asked.answer.done():
            asked.answer.set_result(message)

    def forget(self, child: int) -> None:
        """The child is gone: nobody waits for its answers any more."""
        for asked in self._asked.values():
            if asked.child == child and not asked.answer.done():
                asked.answer.set_result(None)

    async def running(self, request: RunningRequest) -> RunningReply:
        """Returns what has started and not ended, the oldest first."""
        found = [each for some in await asyncio.gather(*map(self._run_by, self._busy())) for each in some]
        # What is not known comes last.
        found.sort(key=lambda each: -1.0 if each.run_s is None else each.run_s, reverse=True)
        return RunningReply(found[: min(max(0, request.most), RUNNING_MAX)], len(found))

    async def stacks(self, request: StacksRequest) -> StacksReply:
        """Returns where everything stands. Raises CurrantError: there is no such child, or it has no process."""
        children = list(self._of_place(request.child))
        found = list(await asyncio.gather(*map(self._stacks_of, children)))
        if request.child is None:
            found.insert(0, ProcessStacks(None, None, others=stacks.own()))
        _cut(found)
        return StacksReply(found)

    def _of_place(self, number: int | None) -> list[Child]:
        if number is not None and not self._children.has_place(number):
            raise CurrantError(no_such_child(number, self._children))
        living = [child for child in self._children if child.pid is not None and child.state is not State.ENDED]
        chosen = [child for child in living if number is None or child.place == number]
        if number is not None and not chosen:
            raise CurrantError(f"child {number} has no process at the moment: currantctl status says why")
        return sorted(chosen, key=lambda child: (child.place, child.id))

    def _busy(self) -> list[Child]:
        return [child for child in self._children if child.id in self._ledger.children and self._started(child)]

    async def _run_by(self, child: Child) -> list[Running]:
        # Before it is asked: what begins meanwhile is no matter, what ends meanwhile is left out.
        answer = await self._ask(child, stacks=False)
        known = {} if answer is None else {each.cell: each.run_s for each in answer.executions}
        _, stalled_s = self._stalls.of_child(child.id)
        # Since it has not answered, it has started nothing.
        least_s = None if stalled_s is None else stalled_s + LATE_S
        found = []
        for cell in self._started(child):
            if (answer is not None and cell not in known) or not (each := self._ledger.execution(child.id, cell)):
                continue
            run_s = least_s if answer is None else known[cell]
            found.append(
                Running(
                    each.id,
                    each.function,
                    each.queue,
                    each.attempt,
                    child.place,
                    child.pid,
                    None if run_s is None else round(run_s, 3),
                    answer is None,
                    each.timeout_s,
                )
            )
        return found

    async def _stacks_of(self, child: Child) -> ProcessStacks:
        answer = await self._ask(child, stacks=True)
        if answer is None:
            unknown = [self._ledger.execution(child.id, cell) for cell in self._started(child)[:UNKNOWN_MAX]]
            ids = [each.id for each in unknown if each is not None]
            return ProcessStacks(child.place, child.pid, others=await self._stacks.of(child), stalled=True, unknown=ids)
        found = ProcessStacks(child.place, child.pid, others=answer.others)
        for told in answer.executions:
            execution = self._ledger.execution(child.id, told.cell)
            if execution is None:
                continue
            if told.stack:
                found.executions.append(Standing(execution.id, execution.function, told.run_s, told.stack))
            elif len(found.unknown) < UNKNOWN_MAX:
                found.unknown.append(execution.id)
        return found

    async def _ask(self, child: Child, *, stacks: bool) -> Inspected | None:
        """Returns the child's answer; None when it is stalled, or gone, or gives none in time."""
        if child.state not in (State.READY, State.LEAVING) or self._stalls.of_child(child.id)[1] is not None:
            return None
        number = next(self._numbers)
        asked = self._asked[number] = _Asked(child.id, asyncio.get_running_loop().create_future())
        try:
            child.send(Inspect(number, stacks))
            async with asyncio.timeout(ANSWER_S):
                return await asked.answer
        except TimeoutError:
            return None
        finally:
            del self._asked[number]

    def _started(self, child: Child) -> list[int]:
        if child.id not in self._ledger.children:
            return []
        return [cell for cell in self._ledger.cells_of(child.id) if child.is_started(cell)]


def no_such_child(number: int, children: Children) -> str:
    """Returns what is said of a place that is not there."""
    there = ", ".join(map(str, sorted([*children.places(), *children.places(Role.QUARANTINE)])))
    return f"there is no child {number}: there are {there}"


def _cut(found: list[ProcessStacks]) -> None:
    """Leaves out what a reply has no room for."""
    left = CHARS_MAX
    for process in found:
        process.others = process.others[:left]
        left -= len(process.others)
        kept = []
        for each in process.executions:
            if len(each.stack) <= left:
                kept.append(each)
                left -= len(each.stack)
            elif len(process.unknown) < UNKNOWN_MAX:
                process.unknown.append(each.id)
        process.executions = kept
