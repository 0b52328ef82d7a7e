"""Whatever a child says, in whatever order: each execution comes back once, and nothing of the supervisor's fails.

The parts are a node's own, around a real ledger; what they end in (database, processes) is not there.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from currant.backends import Ended, Enqueued, NewExecution
from currant.cli.log import make_log
from currant.errors import ProtocolError
from currant.executions import Ending, Execution, Outcome, RetryPolicy, Verdict
from currant.protocol import frames, work
from currant.protocol.cells import Cells, create
from currant.supervisor import processes
from currant.supervisor.child import Restart, State
from currant.supervisor.dispatcher import Dispatcher
from currant.supervisor.events import Counts
from currant.supervisor.inspections import Inspections
from currant.supervisor.ledger import Ledger
from currant.supervisor.loglevel import LogLevel
from currant.supervisor.outcomes import Outcomes
from currant.supervisor.overruns import Overruns
from currant.supervisor.places import Role
from currant.supervisor.processes import Condition
from currant.supervisor.quarantine import Quarantine
from currant.supervisor.requests import Requests
from currant.supervisor.stalls import LATE_S, PING_S, Stalls
from currant.supervisor.tally import Tally
from currant.supervisor.traffic import Traffic
from currant.supervisor.watches import Watches
from currant.supervisor.windows import Windows
from tests.support import in_loop
from tests.unit.support import executions
from tests.unit.test_decoders_property import messages

FRAME_MAX = frames.frame_bytes_max(1 << 20)
SLOTS = 3
GRACE_S, STALL_TIMEOUT_S = 20.0, 60.0
#: In each, timers and tasks that are due go one step on.
TURNS = 5


class Child:
    """A child without a process."""

    def __init__(self, id: int, role: Role) -> None:
        self.id = self.place = id
        self.role = role
        self.state = State.READY
        self.cells = Cells(create())
        self.pid = self.pidfd = None
        self.unread_bytes = 0
        self.problem: str | None = None
        self.killed_for: Restart | None = None
        self.replaced: str | None = None
        self.dismissed = False

    def send(self, message: work.ToChild, bytes_max: int | None = None) -> None:
        frames.encode(message, FRAME_MAX if bytes_max is None else bytes_max)

    def clear(self, cells: list[int]) -> None:
        self.cells.clear(cells)

    def is_started(self, cell: int) -> bool:
        return self.cells.is_started(cell)

    def kill(self) -> None:
        """It may say something before it is dead: how much, the steps decide."""


class Stub:
    """The parts that no child's word goes through: they do nothing, and return what they are given."""

    takes_work = True

    def work_came(self) -> None: ...
    def room_came(self) -> None: ...

    def claimed(self, executions: list[Execution]) -> list[Execution]:
        return executions

    def returned(self, executions: list[Execution]) -> list[Execution]:
        return executions

    def sift(self, executions: list[Execution]) -> tuple[list[Execution], list[Execution]]:
        return executions, []

    async def of(self, child: object) -> str:
        return "no stack"


class Completer:
    """Where everything ends."""

    def __init__(self) -> None:
        self.ended: list[str] = []
        self.unsaved: list[int] = []

    def add_results(self, results: list[tuple[Execution, bytes]]) -> None:
        self._add([each.id for each, _ in results], [len(body) for _, body in results])

    def add_verdicts(self, verdicts: list[Verdict]) -> None:
        self._add([each.execution.id for each in verdicts], [len(each.error or b"") for each in verdicts])

    def add_unknown(self, executions: list[Execution]) -> None:
        self._add([each.id for each in executions], [0] * len(executions))

    def _add(self, ids: list[str], sizes: list[int]) -> None:
        self.ended += ids
        self.unsaved += sizes


class Database:
    """It has all that is asked for, and nothing."""

    async def enqueue(self, ids: Sequence[str], executions: Sequence[NewExecution], *, doubt: bool) -> list[Enqueued]:
        return [Enqueued(id, True) for id in ids]

    async def cancel(self, ids: Sequence[str], *, doubt: bool) -> set[str]:
        return set(ids)

    async def ended(self, ids: list[str]) -> list[Ended]:
        return []


class Node:
    """The parts of a node that a child's word goes through; the test moves its clock."""

    def __init__(self) -> None:
        self.now = 100.0
        self._timers: list[asyncio.TimerHandle] = []
        self.claimed: list[str] = []
        self.children: dict[int, Child] = {}
        self.failed: list[object] = []
        self._made = 0
        self._opened: list[int] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.ledger, self.completer, self.stub, self.tally = Ledger(), Completer(), Stub(), Tally()
        counts, log, stub, database = Counts(), make_log(LogLevel("critical")), cast(Any, self.stub), Database()

        def clock() -> float:
            return self.now

        self.outcomes = Outcomes(
            self.ledger,
            cast(Any, self.completer),
            counts,
            RetryPolicy(1.0, 60.0, 3),
            due_in=lambda _: None,
            log=log,
            clock=clock,
            random=lambda: 0.5,
        )
        self.dispatcher = Dispatcher(
            self.ledger,
            child=self.children.__getitem__,
            release=self.outcomes.release,
            reject=self.outcomes.reject,
            frame_bytes_max=FRAME_MAX,
            clock=clock,
        )
        self.overruns = Overruns(self.ledger, recall=self.dispatcher.recall, replace=self._replace, grace_s=GRACE_S)
        self.stalls = Stalls(
            self.ledger,
            counts,
            stacks=stub,
            returned=lambda executions: self.traffic.returned(executions),
            overdue=self.overruns.kill,
            spawn=self._spawn,
            timeout_s=STALL_TIMEOUT_S,
            grace_s=GRACE_S,
            log=log,
            clock=clock,
        )
        self.inspections = Inspections(cast(Any, self.children), self.ledger, self.stalls, stub)
        self.quarantine = Quarantine(
            self.ledger,
            self,
            give=self.dispatcher.give,
            put_off=self.outcomes.put_off,
            release=self.outcomes.release,
            log=log,
            clock=clock,
            random=lambda: 0.5,
        )
        self.requests = Requests(
            database,
            pause=lambda: asyncio.sleep(0),
            written=lambda executions: self.traffic.enqueued(executions),
            refused=self.failed.append,
        )
        self.watches = Watches(ended=database.ended, frame_bytes_max=FRAME_MAX, refused=self.failed.append)
        self.windows = Windows(FRAME_MAX)
        self.traffic = Traffic(
            stub,
            self.ledger,
            counts,
            self.tally,
            claimer=stub,
            dispatcher=self.dispatcher,
            outcomes=self.outcomes,
            overruns=self.overruns,
            cancels=stub,
            requests=self.requests,
            watches=self.watches,
            windows=self.windows,
            membership=stub,
            stalls=self.stalls,
            quarantine=self.quarantine,
            inspections=self.inspections,
            dismiss=self._dismiss,
            slots=SLOTS,
            due_in=lambda _: None,
            seconds_until=lambda moment: moment - self.now,
            clock=clock,
        )

    async def __aenter__(self) -> "Node":
        loop: Any = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: self.failed.append(context))
        # What the parts do after a while, they do by the clock of the test.
        loop.call_later = self._call_later
        self._writes = asyncio.create_task(self.requests.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writes.cancel()
        await asyncio.wait([self._writes])
        assert self._writes.cancelled()
        for child in self.children.values():
            child.cells.close()

    # What the parts ask for

    def _call_later(self, delay_s: float, callback: Callable[..., object], *args: object) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(self.now + delay_s, callback, args, asyncio.get_running_loop())
        self._timers.append(timer)
        return timer

    def _spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.failed.append(task.exception())

    def _replace(self, id: int, reason: str, why: Restart) -> None:
        self.children[id].replaced = reason

    def _dismiss(self, id: int) -> None:
        assert not self.ledger.cells_of(id)
        self.children[id].dismissed = True

    def open_place(self, role: Role) -> int:
        assert role is Role.QUARANTINE
        self._made += 1
        self._opened.append(self._made)
        return self._made

    def close_place(self, number: int) -> None:
        if number in self.children:
            self.leave(self.children[number])

    # What happens to it

    def add_child(self) -> None:
        self._made += 1
        self._begin(Child(self._made, Role.WORK))

    def fork(self) -> None:
        """Those that the quarantine wants are ready, and one more."""
        self.add_child()
        while self._opened:
            self._begin(Child(self._opened.pop(), Role.QUARANTINE))

    def _begin(self, child: Child) -> None:
        self.children[child.id] = child
        self.traffic.child_ready(cast(Any, child))

    def claim(self, count: int, crashes: int, timeout_s: float | None) -> None:
        some = executions(count, size=3)
        for each in some:
            each.id, each.crashes, each.timeout_s = f"job_{len(self.claimed)}", crashes, timeout_s
            self.claimed.append(each.id)
        self.traffic.dispatch(some)

    def start(self, child: Child, count: int) -> None:
        for cell in self.ledger.cells_of(child.id)[:count]:
            child.cells.start(cell)

    def say(self, child: Child, message: work.FromChild) -> None:
        if isinstance(message, work.Hello | work.BootFailed):
            return  # they come no further than to the table of children
        try:
            self.traffic.child_sent(cast(Any, child), message)
        except ProtocolError:
            self.die(child)

    def leave(self, child: Child) -> None:
        if child.state is State.READY:
            child.state = State.LEAVING
            self.traffic.child_leaves(cast(Any, child))

    def die(self, child: Child, by_fork_server: bool = False) -> None:
        del self.children[child.id]
        child.state = State.ENDED
        self.traffic.child_died(cast(Any, child), "signal 9 (SIGKILL)", by_fork_server)

    def recall(self) -> None:
        self.traffic.recall_all()

    def look(self) -> None:
        self.quarantine.look_at_line(self.now)
        self.dispatcher._look()

    def drain(self) -> None:
        self.stub.takes_work = False
        self.traffic.recall_all()

    def save(self) -> None:
        self.traffic.saved(len(self.completer.unsaved), sum(self.completer.unsaved))
        self.completer.unsaved.clear()

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        due = [each for each in self._timers if each.when() <= self.now]
        self._timers = [each for each in self._timers if each.when() > self.now]
        for timer in due:
            if not timer.cancelled():
                timer._run()
        self.stalls.look(self.now)

    async def stall(self) -> None:
        """No child answers, and all are held when they lose what they have not started."""
        self.pass_time(PING_S)
        self.pass_time(LATE_S)
        await self.turn()

    async def turn(self) -> None:
        for _ in range(TURNS):
            await asyncio.sleep(0)

    async def end(self) -> None:
        """Everything comes back."""
        for child in list(self.children.values()):
            self.die(child)
        self.quarantine.dissolve()
        await self.turn()
        self.save()


# The lies: most name what may be there, and some are any message at all.
_cells = st.integers(0, SLOTS) | st.sampled_from([0, 1, 2, 2 * SLOTS, -1, 8191, 8192, 2**40])
_outcomes = st.builds(
    Outcome, _cells, st.sampled_from(Ending), st.none() | st.just(b"1"), st.none() | st.floats(0, 2**31)
)
_ids = st.lists(st.sampled_from(["", "a", "b", "a\0b", "x" * 9000]), max_size=3)
_lies = st.one_of(
    st.builds(work.Outcomes, st.lists(_outcomes, max_size=4)),
    st.builds(work.Recalled, st.lists(_cells, max_size=4)),
    st.builds(work.Overrun, _cells),
    st.builds(work.Pong, st.integers(-1, 4), st.floats()),
    st.builds(work.Lend, st.sampled_from([-(2**63), -1, 0, 1, 2, 2**63])),
    st.builds(work.Watch, _ids),
    st.builds(work.Unwatch, _ids),
    messages("from a child"),
)
_which = st.integers(0, 3)
_steps = st.one_of(
    st.tuples(st.just("say"), _which, _lies),
    st.tuples(st.just("claim"), st.integers(1, 8), st.integers(0, 3), st.none() | st.just(1.0)),
    st.tuples(st.just("start"), _which, st.integers(1, 3)),
    st.tuples(st.just("say"), _which, _lies),
    st.tuples(st.just("pass_time"), st.sampled_from([0.2, PING_S, GRACE_S, STALL_TIMEOUT_S])),
    st.tuples(st.just("leave"), _which),
    st.tuples(st.just("die"), _which, st.booleans()),
    st.just(("stall",)),
    st.sampled_from([("turn",), ("fork",), ("recall",), ("save",), ("drain",), ("look",)]),
)


async def _do(node: Node, kind: str, *details: Any) -> None:
    if not node.children:
        node.add_child()
    children = list(node.children.values())
    match kind:
        case "say" | "start" | "leave" | "die":
            getattr(node, kind)(children[details[0] % len(children)], *details[1:])
        case "stall" | "turn":
            await getattr(node, kind)()
        case _:
            getattr(node, kind)(*details)


@pytest.fixture(autouse=True, scope="module")
def _processes_can_be_held() -> Any:
    async def hold(process: object) -> bool:
        return True

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(processes, "hold", hold)
        patch.setattr(processes, "condition", lambda _: Condition.SLEEPING)
        yield


@settings(max_examples=60)
@given(st.lists(_steps, min_size=15, max_size=40))
@in_loop
async def test_each_execution_comes_back_once_whatever_children_say(steps: list[tuple[Any, ...]]) -> None:
    async with Node() as node:
        node.add_child()
        node.add_child()
        for step in steps:
            await _do(node, *step)
            assert node.ledger.held == len(node.claimed) - len(node.completer.ended)
        await node.end()
        assert Counter(node.completer.ended) == Counter(node.claimed)
        assert node.failed == []
        assert (node.ledger.held, node.ledger.unsaved, node.ledger._bytes) == (0, 0, 0)
        assert (node.watches._children, node.watches._ids, node.watches._bytes) == ({}, {}, {})
        assert node.windows._windows == {}
