"""The only wiring: makes the parts, hands them to each other, and walks through the phases."""

import asyncio
import enum
import os
import random
import signal
import time
from collections.abc import Callable, Coroutine
from typing import Any

from currant.errors import ConfigurationError, DatabaseUnreachable
from currant.executions import Ending, Execution, Outcome, RetryPolicy, Verdict, encode_failure, judge
from currant.identifiers import new_node_id
from currant.protocol.control import Boot
from currant.protocol.frames import frame_bytes_max
from currant.protocol.status import ChildStatus, StatusReply, StatusRequest
from currant.protocol.work import Cancel, FromChild, Outcomes, Recalled
from currant.settings import Settings, child_environment
from currant.supervisor.children import Child, Children
from currant.supervisor.claimer import Claimer
from currant.supervisor.completer import Completer
from currant.supervisor.control import ControlServer
from currant.supervisor.database import CLAIM_VALID_S, LISTEN_NAME, Database
from currant.supervisor.dispatcher import Dispatcher
from currant.supervisor.events import Counts, Event, Log
from currant.supervisor.failures import FailureLog
from currant.supervisor.forkserver import ForkServer
from currant.supervisor.instance import Instance
from currant.supervisor.ledger import Ledger
from currant.supervisor.listener import Listener
from currant.supervisor.tick import Promoter, Ticker

REFUSAL_QUIET_S = 10.0
#: The pieces in which dead nodes' executions are taken back.
RECLAIM_ROWS = 10_000
#: After the grace period: how long cancelled executions may take to end before their child is killed.
CANCEL_S = 3.0
#: How long a stop waits for the claim under way.
CLAIM_END_S = 5.0
#: How long a stop waits for the database to take the last outcomes.
FLUSH_S, FLUSH_HURRY_S = 10.0, 2.0
STATUS_QUERY_S = 3.0


class Phase(enum.StrEnum):
    """Of the service, in this order. Signals only ask for the next one."""

    STARTING = "starting"
    RUNNING = "running"
    DRAINING = "draining"
    STOPPED = "stopped"


def start_fork_server(settings: Settings) -> ForkServer:
    """Starts a fork server: the first one before there is an event loop."""
    boot = Boot(list(settings.modules), settings.concurrency, settings.payload_bytes_max)
    return ForkServer(boot, child_environment())


class Service:
    """A node, from its start to its end."""

    def __init__(
        self,
        settings: Settings,
        instance: Instance,
        log: Log,
        *,
        clock: Callable[[], float] = time.monotonic,
        randomness: Callable[[], float] = random.random,
    ) -> None:
        assert settings.database_url is not None
        self._settings, self._instance, self._log = settings, instance, log
        self._clock, self._random = clock, randomness
        self.phase = Phase.STARTING
        self._counts = Counts()
        self._policy = RetryPolicy(settings.retry_base_s, settings.retry_max_s, settings.crashes_max)
        self._ledger = Ledger()
        self._lost: dict[str, str] = {}
        self._drain_asked = asyncio.Event()
        self._hurry = asyncio.Event()
        self._first_child = asyncio.Event()
        self._emptied = asyncio.Event()
        self._parked_functions: set[str] = set()
        self._failures = FailureLog(log, clock)
        self._reclaiming = False
        self._looking = False
        #: Until then executions may turn up as claimed by this node that it does not know of.
        self._doubt_until = float("-inf")
        self._refusal_told_at = float("-inf")
        self._register_lock = asyncio.Lock()
        self._started_at = clock()
        self._sample = (clock(), 0, 0)
        self._rates = (0.0, 0.0)
        self._tasks: asyncio.TaskGroup | None = None
        self._spawned: set[asyncio.Task[None]] = set()
        self._database = Database(
            settings.database_url,
            payload_bytes_max=settings.payload_bytes_max,
            heartbeat_timeout_s=settings.heartbeat_timeout_s,
            lost=self._connection_lost,
            regained=self._connection_regained,
            sent=self._statement_sent,
            clock=clock,
        )
        self._children = Children(
            procs=settings.procs,
            boot_timeout_s=settings.boot_timeout_s,
            frame_bytes_max=frame_bytes_max(settings.payload_bytes_max),
            start_fork_server=lambda: start_fork_server(settings),
            ready=self._child_ready,
            received=self._child_sent,
            died=self._child_died,
            log=log,
            random=randomness,
        )
        self._dispatcher = Dispatcher(
            self._ledger,
            child=self._children.__getitem__,
            release=self._release,
            reject=self._reject,
            frame_bytes_max=frame_bytes_max(settings.payload_bytes_max),
            clock=clock,
        )
        self._claimer = Claimer(
            room=lambda: self._ledger.room(clock()),
            claim=self._database.claim,
            dispatch=self._dispatch,
            pause=self._database.pause_claims,
            lost=self._claim_lost,
            refused=self._statement_refused,
            fenced=self._fenced,
            random=randomness,
        )
        self._completer = Completer(
            self._database,
            saved=self._saved,
            fenced=self._outcomes_fenced,
            refused=self._outcome_refused,
        )
        self._promoter = Promoter(promote=self._database.promote, refused=self._statement_refused, clock=clock)
        self._listener = Listener(
            subscribe=self._database.subscribe,
            own_channel=self._database.own_channel,
            notified=self._claimer.work_came,
            lost=lambda reason: self._connection_lost(LISTEN_NAME, reason),
            regained=lambda seconds: self._connection_regained(LISTEN_NAME, seconds),
        )
        self._ticker = Ticker(
            tick=self._database.tick,
            timeout_s=settings.heartbeat_timeout_s,
            echoes=lambda: self._listener.echoes,
            silent=self._listen_silent,
            waiting=self._claimer.work_came,
            due_in=self._promoter.due_in,
            reclaim=lambda: self._spawn(self._reclaim(()), "reclaim"),
            fenced=self._fenced,
            refused=self._statement_refused,
            clock=clock,
        )
        self._control = ControlServer(instance.socket_path, status=self.status)

    async def run(self, fork_server: ForkServer) -> None:
        """Runs until a signal asks for the end and the drain is over.

        Raises:
            ModuleImportFailed, ConfigurationError, DatabaseError, SchemaError: it cannot start.
            StatementRefused: the database has become another one under it.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled, number)
        try:
            hello = await self._before_drain(self._children.start(fork_server))
            if hello is None:
                return
            if not hello.functions:
                raise ConfigurationError(
                    f"no job is registered by {', '.join(self._settings.modules)}:"
                    " put @job over an async function there, or name the module that has them"
                )
            self._database.queues = list(self._settings.queues or hello.queues)
            if not set(self._database.queues) & set(hello.queues):
                self._log.warning(Event.QUEUES_WITHOUT_JOBS, queues=self._database.queues, registered=hello.queues)
            if await self._before_drain(self._connect()) is None:
                return
            await self._work(hello.functions)
        except BaseExceptionGroup as group:
            # Of the parts one failed first, and that is the reason; a mistake of ours keeps its traceback.
            raise group.exceptions[0] from None
        finally:
            self.phase = Phase.STOPPED
            await self._children.stop()
            await self._control.stop()
            await self._database.close()

    # The phases

    async def _connect(self) -> bool:
        """Waits for the database, then makes the node known."""
        told = False
        while True:
            try:
                await self._database.check()
                break
            except DatabaseUnreachable as error:
                if not told:
                    self._log.warning(Event.WAITING_FOR_DATABASE, reason=str(error))
                    told = True
                await self._database.pause_claims()
        await self._register()
        return True

    async def _work(self, functions: list[str]) -> None:
        last = self._instance.last_node
        self._instance.record(self._database.node)
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            self._children.fork_all()
            parts = [
                tasks.create_task(part, name=name)
                for name, part in (
                    ("claimer", self._claimer.run()),
                    ("completer", self._completer.run()),
                    ("listener", self._listener.run()),
                    ("ticker", self._ticker.run()),
                    ("promoter", self._promoter.run()),
                    ("dispatcher", self._dispatcher.watch()),
                )
            ]
            if last is not None:
                self._spawn(self._reclaim((last,)), "reclaim the last node")
            self._spawn(self._unpark(functions), "unpark")
            await self._control.start()
            if await self._before_drain(self._first_child.wait()):
                self.phase = Phase.RUNNING
                self._log.info(
                    Event.READY,
                    node=self._database.node,
                    pid=os.getpid(),
                    procs=self._settings.procs,
                    concurrency=self._settings.concurrency,
                    queues=self._database.queues,
                )
            await self._drain_asked.wait()
            await self._drain()
            for part in (*parts, *self._spawned):
                part.cancel()
        self._log.info(
            Event.STOPPED,
            completed=self._counts.completed,
            failed=self._counts.failed,
            retried=self._counts.retried,
            released=self._counts.released,
            unsaved=self._ledger.unsaved,
        )

    async def _drain(self) -> None:
        """Gives back what has not started, waits for what runs, cancels it, kills what is left, and writes it down."""
        self.phase = Phase.DRAINING
        self._dispatcher.recall_all()
        # The claim under way is given back as soon as it returns. Without a database it does not: the next supervisor
        # finds what it may have claimed.
        await asyncio.wait((asyncio.ensure_future(self._claimer.stop()),), timeout=CLAIM_END_S)
        await self._wait_empty(self._settings.grace_s, hurry=True)
        for name in self._ledger.children:
            self._children[name].send(Cancel(self._ledger.cells_of(name)))
        await self._wait_empty(CANCEL_S, hurry=False)
        self._children.never_mind()
        for child in list(self._children):
            if child.name in self._ledger.children and self._ledger.cells_of(child.name):
                child.dismissed = True
                child.kill()
        await self._wait_empty(CANCEL_S, hurry=False)
        try:
            async with asyncio.timeout(FLUSH_HURRY_S if self._hurry.is_set() else FLUSH_S):
                await self._completer.flushed()
                # What may have been claimed unseen is then found by whoever comes next.
                await self._database.deregister(doubt=self._looking or not self._claimer.stopped)
                self._instance.record(None)
        except (TimeoutError, DatabaseUnreachable):
            # The next supervisor here, or another node, takes back what is not written.
            pass

    async def _wait_empty(self, seconds: float, *, hurry: bool) -> None:
        """Waits until no child holds anything, for so long at most; not at all once there is a hurry."""
        waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(self._until_empty())]
        if hurry:
            waits.append(asyncio.ensure_future(self._hurry.wait()))
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    async def _until_empty(self) -> None:
        while self._ledger.held:
            self._emptied.clear()
            await self._emptied.wait()

    async def _before_drain(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Returns what `work` returns, or None when a signal asked for the end first."""
        asked = asyncio.ensure_future(self._drain_asked.wait())
        task = asyncio.ensure_future(work)
        await asyncio.wait((asked, task), return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        if not task.done():
            task.cancel()
            return None
        return task.result()

    def _signalled(self, number: signal.Signals) -> None:
        if self._drain_asked.is_set():
            if not self._hurry.is_set():
                self._log.warning(Event.HURRYING, running=self._ledger.held)
            self._hurry.set()
            return
        self._log.info(Event.DRAINING, signal=number.name, running=self._ledger.held, grace_s=self._settings.grace_s)
        self._drain_asked.set()

    # An execution's way

    def _dispatch(self, executions: list[Execution]) -> None:
        self._counts.claimed += len(executions)
        if self.phase is Phase.DRAINING:
            self._release(executions)
        else:
            self._dispatcher.dispatch(executions)

    def _child_ready(self, child: Child) -> None:
        self._ledger.add_child(child.name, self._settings.concurrency, self._clock())
        self._first_child.set()
        self._claimer.work_came()

    def _child_sent(self, child: Child, message: FromChild) -> None:
        if isinstance(message, Outcomes):
            self._finished(child, message.outcomes)
        elif isinstance(message, Recalled):
            back = self._ledger.give_back(child.name, message.cells)
            if self.phase is Phase.DRAINING:
                self._release(back)
            else:
                self._dispatcher.returned(back)
        self._claimer.room_came()
        if not self._ledger.held:
            self._emptied.set()

    def _finished(self, child: Child, outcomes: list[Outcome]) -> None:
        finished = self._ledger.finish(child.name, outcomes, self._clock())
        results = [
            (execution, outcome.body or b"null")
            for execution, outcome in finished
            if outcome.ending is Ending.COMPLETED
        ]
        self._counts.completed += len(results)
        self._ledger.add_unsaved(len(results), sum(len(body) for _, body in results))
        self._completer.add_results(results)
        if len(results) < len(finished):
            self._unfinished([pair for pair in finished if pair[1].ending is not Ending.COMPLETED])

    def _unfinished(self, finished: list[tuple[Execution, Outcome]]) -> None:
        unknown = [execution for execution, outcome in finished if outcome.ending is Ending.UNKNOWN]
        if unknown:
            self._park(unknown)
        self._judge(
            [
                (execution, outcome.ending, outcome.body)
                for execution, outcome in finished
                if outcome.ending is not Ending.UNKNOWN
            ]
        )

    def _judge(self, endings: list[tuple[Execution, Ending, bytes | None]]) -> None:
        verdicts = [judge(*ending, self._policy, self._random) for ending in endings]
        for (_, ending, _), verdict in zip(endings, verdicts, strict=True):
            self._count(ending, verdict)
            if verdict.delay_s is not None:
                # The moment is the database's; this one is at most a little early, and then asks again.
                self._promoter.due_in(verdict.delay_s)
        self._ledger.add_unsaved(len(verdicts), sum(len(each.error or b"") for each in verdicts))
        self._completer.add_verdicts(verdicts)

    def _count(self, ending: Ending, verdict: Verdict) -> None:
        self._counts.crashed += ending is Ending.CRASHED
        self._counts.released += ending is Ending.RELEASED
        self._counts.retried += verdict.delay_s is not None
        if verdict.reason is not None:
            self._counts.failed += 1
            self._failures.note(verdict)

    def _release(self, executions: list[Execution]) -> None:
        self._judge([(execution, Ending.RELEASED, None) for execution in executions])

    def _reject(self, executions: list[Execution]) -> None:
        error = encode_failure("TooLarge", "its arguments, or the names in its row, are larger than a frame can hold")
        self._judge([(execution, Ending.REJECTED, error) for execution in executions])

    def _park(self, executions: list[Execution]) -> None:
        self._counts.parked += len(executions)
        for function in {each.function for each in executions} - self._parked_functions:
            self._log.warning(Event.PARKED, function=function)
            self._parked_functions.add(function)
        self._ledger.add_unsaved(len(executions), 0)
        self._completer.add_unknown(executions)

    def _child_died(self, child: Child, reason: str, by_fork_server: bool) -> None:
        """What ran is retried as a crash, unless it is the node's own fault; the rest goes back as it was."""
        started, unstarted = self._ledger.take_from(child.name, child.is_started)
        child.cells.close()
        self._counts.child_deaths += 1
        released = unstarted
        if by_fork_server or child.dismissed:
            released = started + unstarted
        elif started:
            error = encode_failure("ChildDied", f"the child process that ran it ended: {reason}")
            self._judge([(execution, Ending.CRASHED, error) for execution in started])
        self._release(released)
        if not self._ledger.held:
            self._emptied.set()

    def _saved(self, count: int, size: int) -> None:
        self._ledger.settle(count, size)
        self._claimer.room_came()

    def _outcomes_fenced(self, count: int) -> None:
        self._counts.fenced += count

    def _outcome_refused(self, execution: Execution, reason: str) -> None:
        self._log.error(Event.OUTCOME_REFUSED, execution=execution.id, reason=reason)

    # The node among nodes

    async def _register(self) -> None:
        metadata: dict[str, object] = {
            "pid": os.getpid(),
            "procs": self._settings.procs,
            "concurrency": self._settings.concurrency,
        }
        await self._database.register(new_node_id(), metadata)

    async def _fenced(self) -> None:
        """Another node declared this one dead: its leases are lost, what runs goes on, and a new node begins."""
        before = self._database.node
        async with self._register_lock:
            if self._database.node != before:
                return
            await self._register()
            self._instance.record(self._database.node)
            self._log.error(Event.FENCED, node=before, new_node=self._database.node)
            self._listener.renew("the node has a new name")

    async def _reclaim(self, known: tuple[str, ...]) -> None:
        """Takes back what dead nodes held, in pieces."""
        if self._reclaiming:
            return
        self._reclaiming = True
        try:
            nodes = await self._database.declare_dead(known)
            if nodes:
                total = await self._take_back(nodes)
                await self._database.reclaimed(nodes)
                self._counts.reclaimed += total
                self._log.warning(Event.RECLAIMED, nodes=nodes, executions=total)
        finally:
            self._reclaiming = False

    async def _take_back(self, nodes: list[str]) -> int:
        error = encode_failure("NodeDied", f"the node that ran it ended: {', '.join(nodes)}")
        taken: set[tuple[str, int]] = set()
        while True:
            held = await self._database.held(nodes, rows=RECLAIM_ROWS)
            # What was taken before and is held still is what the database refuses to write: not for ever.
            new = [execution for execution in held if (execution.id, execution.lease) not in taken]
            if not new:
                return len(taken)
            taken |= {(execution.id, execution.lease) for execution in new}
            self._judge([(execution, Ending.CRASHED, error) for execution in new])
            await self._completer.flushed()

    async def _unpark(self, functions: list[str]) -> None:
        await self._database.unpark(functions)

    def _claim_lost(self) -> None:
        """A claim failed on its way: it may have been made, or will be, unseen. Claims go on meanwhile."""
        self._doubt_until = self._clock() + CLAIM_VALID_S
        if not self._looking:
            self._looking = True
            self._spawn(self._look_for_lost_claims(), "look for lost claims")

    async def _look_for_lost_claims(self) -> None:
        """Looks at once, for what was cut off after its commit, and again when nothing can be claimed late any more."""
        try:
            while True:
                await self._release_lost_claims()
                if self._clock() > self._doubt_until + 1.0:
                    return
                await asyncio.sleep(max(0.0, self._doubt_until - self._clock()) + 2.0)
        finally:
            self._looking = False

    async def _release_lost_claims(self) -> None:
        if not (suspects := await self._unknown_claims()):
            return
        # Of these, the claim under way may not have been heard of yet; when it is over, what is left is lost.
        await self._claimer.claim_over()
        again = await self._unknown_claims()
        leases = {(execution.id, execution.lease) for execution in suspects}
        lost = [execution for execution in again if (execution.id, execution.lease) in leases]
        if lost:
            self._log.warning(Event.FOUND, executions=len(lost))
            self._release(lost)

    async def _unknown_claims(self) -> list[Execution]:
        """Returns what this node has claimed by the database's word, and neither a child nor the completer knows of."""
        before = self._known_leases()
        held = await self._database.held([self._database.node], rows=RECLAIM_ROWS + 2 * len(before))
        known = before | self._known_leases()
        return [execution for execution in held if (execution.id, execution.lease) not in known]

    def _known_leases(self) -> set[tuple[str, int]]:
        return self._ledger.leases() | self._completer.leases()

    def _statement_refused(self, reason: str) -> None:
        if self._clock() - self._refusal_told_at >= REFUSAL_QUIET_S:
            self._refusal_told_at = self._clock()
            self._log.error(Event.STATEMENT_REFUSED, reason=reason)

    def _listen_silent(self) -> None:
        self._log.warning(Event.LISTEN_SILENT)
        self._listener.renew("a probe did not come back")

    # What others see

    async def status(self, request: StatusRequest) -> StatusReply:
        """Returns the state of the node; what only the database knows is None when it does not answer."""
        pending: dict[str, int] | None = None
        parked: dict[str, int] | None = None
        try:
            if request.waiting:
                async with asyncio.timeout(STATUS_QUERY_S):
                    pending, parked = await self._database.waiting()
        except (TimeoutError, DatabaseUnreachable):
            pass
        completed_per_s, statements_per_s = self._measure()
        counts = self._counts
        return StatusReply(
            node=self._database.node,
            pid=os.getpid(),
            phase=self.phase,
            uptime_s=self._clock() - self._started_at,
            queues=self._database.queues,
            children=[self._child_status(child) for child in self._children],
            executions={
                "claimed": counts.claimed,
                "completed": counts.completed,
                "failed": counts.failed,
                "retried": counts.retried,
                "crashed": counts.crashed,
                "released": counts.released,
                "parked": counts.parked,
                "fenced": counts.fenced,
                "reclaimed": counts.reclaimed,
            },
            unsaved=self._ledger.unsaved,
            completed_per_s=completed_per_s,
            statements_per_s=statements_per_s,
            connections_lost=dict(self._lost),
            pending=pending,
            parked=parked,
        )

    def _child_status(self, child: Child) -> ChildStatus:
        slots, running, waiting, finished = self._ledger.of_child(child.name)
        return ChildStatus(child.name, child.pid, child.state, slots, running, waiting, finished)

    def _measure(self) -> tuple[float, float]:
        """Returns completions and statements a second since the last sample, which is at least a second old."""
        now = self._clock()
        at, completed, statements = self._sample
        if now - at >= 1.0:
            self._rates = (
                (self._counts.completed - completed) / (now - at),
                (self._counts.statements - statements) / (now - at),
            )
            self._sample = (now, self._counts.completed, self._counts.statements)
        return self._rates

    def _statement_sent(self) -> None:
        self._counts.statements += 1

    def _connection_lost(self, name: str, reason: str) -> None:
        # At the start there is one line for all of them: that the database is waited for.
        if name not in self._lost and self._database.node:
            self._log.warning(Event.CONNECTION_LOST, connection=name, reason=reason)
        self._lost[name] = reason

    def _connection_regained(self, name: str, seconds: float) -> None:
        if self._lost.pop(name, None) is not None and self._database.node:
            self._log.info(Event.CONNECTION_REGAINED, connection=name, seconds=round(seconds, 1))

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        assert self._tasks is not None
        task = self._tasks.create_task(work, name=name)
        self._spawned.add(task)
        task.add_done_callback(self._spawned.discard)
