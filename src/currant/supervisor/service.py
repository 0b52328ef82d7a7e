"""The only wiring: makes the parts, hands them to each other, and walks through the phases."""

import asyncio
import enum
import os
import random
import signal
import time
from collections.abc import Callable, Coroutine
from typing import Any

from currant.backends import NewExecution
from currant.errors import (
    ConfigurationError,
    DatabaseError,
    DatabaseUnreachable,
    HookFailed,
    ProtocolError,
    StatementRefused,
)
from currant.executions import Ending, Execution, RetryPolicy
from currant.protocol.control import Boot
from currant.protocol.frames import frame_bytes_max
from currant.protocol.work import Cancel, CancelIds, Enqueue, FromChild, Lend, Overrun, Recalled, Unwatch, Watch
from currant.protocol.work import Outcomes as OutcomesFrame
from currant.settings import Settings, child_environment
from currant.store.enqueue import SOON_S
from currant.store.retention import Keep
from currant.supervisor.cancels import Cancels
from currant.supervisor.children import Child, Children
from currant.supervisor.claimer import Claimer
from currant.supervisor.completer import Completer
from currant.supervisor.control import ControlServer
from currant.supervisor.database import LISTEN_NAME, Database
from currant.supervisor.dispatcher import Dispatcher
from currant.supervisor.events import Counts, Event, Log
from currant.supervisor.forkserver import ForkServer
from currant.supervisor.instance import Instance
from currant.supervisor.ledger import Ledger
from currant.supervisor.listener import Listener
from currant.supervisor.membership import Membership
from currant.supervisor.outcomes import Outcomes
from currant.supervisor.overruns import Overruns
from currant.supervisor.prune import Pruner
from currant.supervisor.recovery import Recovery
from currant.supervisor.report import Connections, Report
from currant.supervisor.requests import Requests
from currant.supervisor.schedules import Scheduler
from currant.supervisor.tick import Promoter, Ticker
from currant.supervisor.watches import Watches

#: After the grace period: how long cancelled executions may take to end before their child is killed.
CANCEL_S = 3.0
#: How long a stop waits for the claim under way.
CLAIM_END_S = 5.0
#: How long a stop waits for the database to take the last outcomes.
FLUSH_S, FLUSH_HURRY_S = 10.0, 2.0
#: How long the stop hooks of the children may take before these are killed.
STOP_HOOKS_S, STOP_HOOKS_HURRY_S = 5.0, 0.5


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
        self._clock, self._randomness = clock, randomness
        self.phase = Phase.STARTING
        self._drain_asked = asyncio.Event()
        self._hurry = asyncio.Event()
        self._first_child = asyncio.Event()
        self._hook_failure: HookFailed | None = None
        self._emptied = asyncio.Event()
        self._tasks: asyncio.TaskGroup | None = None
        self._spawned: set[asyncio.Task[Any]] = set()
        frame_max = frame_bytes_max(settings.payload_bytes_max)
        self._counts = Counts()
        self._ledger = Ledger()
        self._connections = Connections(log, clock)
        self._database = Database(
            settings.database_url,
            payload_bytes_max=settings.payload_bytes_max,
            heartbeat_timeout_s=settings.heartbeat_timeout_s,
            discard=settings.keep_completed_s == 0,
            lost=self._connections.note_loss,
            regained=self._connections.note_return,
            sent=self._statement_sent,
            clock=clock,
        )
        self._children = Children(
            procs=settings.procs,
            boot_timeout_s=settings.boot_timeout_s,
            frame_bytes_max=frame_max,
            start_fork_server=lambda: start_fork_server(settings),
            ready=self._child_ready,
            received=self._child_sent,
            died=self._child_died,
            hopeless=self._start_hook_failed,
            log=log,
            random=randomness,
        )
        self._completer = Completer(
            self._database,
            saved=self._saved,
            fenced=lambda ids: self._outcomes.fenced(ids),
            refused=lambda execution, reason: self._outcomes.refused(execution, reason),
        )
        self._promoter = Promoter(
            promote=self._database.promote,
            promoted=lambda: self._claimer.work_came(),
            refused=self._connections.note_refusal,
            clock=clock,
        )
        self._scheduler = Scheduler(
            sync=self._database.sync_schedules,
            fire=self._database.fire_schedules,
            now=self._database.now,
            refused=self._connections.note_refusal,
        )
        self._outcomes = Outcomes(
            self._ledger,
            self._completer,
            self._counts,
            RetryPolicy(settings.retry_base_s, settings.retry_max_s, settings.crashes_max),
            due_in=self._promoter.due_in,
            log=log,
            clock=clock,
            random=randomness,
        )
        self._dispatcher = Dispatcher(
            self._ledger,
            child=self._children.__getitem__,
            release=self._outcomes.release,
            reject=self._outcomes.reject,
            frame_bytes_max=frame_max,
            clock=clock,
        )
        self._claimer = Claimer(
            room=lambda: self._ledger.room(clock()),
            claim=self._database.claim,
            dispatch=self._dispatch,
            due_in=self._promoter.due_in,
            pause=self._database.pause_claims,
            lost=lambda: self._recovery.claim_lost(),
            refused=self._connections.note_refusal,
            fenced=lambda: self._membership.fenced(),
            random=randomness,
        )
        self._recovery = Recovery(
            self._database,
            self._ledger,
            self._completer,
            self._claimer,
            self._outcomes,
            self._counts,
            log=log,
            refused=self._connections.note_refusal,
            clock=clock,
        )
        self._overruns = Overruns(
            self._ledger,
            recall=self._dispatcher.recall,
            replace=self._children.replace,
            grace_s=settings.grace_s,
        )
        self._cancels = Cancels(
            self._ledger,
            send=lambda child, cancel: self._children[child].send(cancel),
            is_started=lambda child, cell: self._children[child].is_started(cell),
            is_claiming=lambda: self._claimer.is_claiming,
            claim_over=self._claimer.claim_over,
            ask=self._database.cancels_asked,
            end=self._outcomes.cancel,
            overdue=self._overruns.note,
            spawn=self._spawn,
            refused=self._connections.note_refusal,
            clock=clock,
        )
        self._listener = Listener(
            subscribe=self._database.subscribe,
            own_channel=self._database.own_channel,
            notified=self._claimer.work_came,
            cancelled=self._cancels.asked,
            listening=self._cancels.listening,
            lost=lambda reason: self._connections.note_loss(LISTEN_NAME, reason),
            regained=lambda seconds: self._connections.note_return(LISTEN_NAME, seconds),
        )
        self._membership = Membership(
            self._database,
            instance,
            self._ledger,
            metadata={"pid": os.getpid(), "procs": settings.procs, "concurrency": settings.concurrency},
            recall=self._dispatcher.recall_all,
            renamed=lambda: self._listener.renew("the node has a new name"),
            log=log,
        )
        self._ticker = Ticker(
            tick=lambda: self._database.tick(self._scheduler.functions),
            timeout_s=settings.heartbeat_timeout_s,
            echoes=lambda: self._listener.echoes,
            silent=self._listen_silent,
            unanswered=lambda: self._listener.renew("a statement was not answered"),
            waiting=self._claimer.work_came,
            due_in=self._promoter.due_in,
            schedule=self._scheduler.told,
            reclaim=lambda: self._spawn(self._recovery.reclaim(), "reclaim"),
            fenced=self._membership.fenced,
            refused=self._connections.note_refusal,
        )
        self._requests = Requests(
            self._database,
            pause=self._database.pause_utility,
            written=self._enqueued,
            refused=self._connections.note_refusal,
        )
        self._watches = Watches(
            ended=self._database.ended,
            frame_bytes_max=frame_max,
            refused=self._connections.note_refusal,
        )
        report = Report(
            self._database,
            self._ledger,
            self._children,
            self._counts,
            self._connections,
            phase=lambda: self.phase,
            clock=clock,
        )
        self._control = ControlServer(instance.socket_path, status=report.status)

    async def run(self, fork_server: ForkServer) -> None:
        """Runs until a signal asks for the end and the drain is over.

        Raises:
            ModuleImportFailed, HookFailed, ConfigurationError, DatabaseError, SchemaError: it cannot start.
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
                    " put @job over a function there, or name the module that has them"
                )
            self._database.queues = list(self._settings.queues or hello.queues)
            if not set(self._database.queues) & set(hello.queues):
                self._log.warning(Event.QUEUES_WITHOUT_JOBS, queues=self._database.queues, registered=hello.queues)
            self._scheduler.know(hello.schedules)
            if await self._before_drain(self._connect()) is None:
                return
            await self._work(hello.functions, self._pruner(hello.keep_s_min))
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
        await self._membership.register()
        self._connections.silent = False
        return True

    async def _work(self, functions: list[str], pruner: Pruner) -> None:
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
                    ("scheduler", self._scheduler.run()),
                    ("dispatcher", self._dispatcher.watch()),
                    ("recovery", self._recovery.find_lost_claims()),
                    ("pruner", pruner.run()),
                    ("requests", self._requests.run()),
                    ("watches", self._watches.run()),
                )
            ]
            if last is not None:
                self._spawn(self._recovery.reclaim((last,)), "reclaim the last node")
            self._spawn(self._unpark(functions), "unpark")
            await self._control.start()
            if await self._before_drain(self._first_child.wait()):
                if self._hook_failure is not None:
                    await self._drain()
                    raise self._hook_failure
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
        self._children.dismiss_all()
        # While their hooks run, the last outcomes are written.
        await asyncio.gather(self._write_last(), self._wait_dismissed())

    async def _wait_dismissed(self) -> None:
        """Waits for the children's stop hooks, and kills those that are late."""
        await self._wait_for(self._children.dismissal.wait(), STOP_HOOKS_S, hurry=True)
        if self._hurry.is_set():
            await self._wait_for(self._children.dismissal.wait(), STOP_HOOKS_HURRY_S, hurry=False)
        self._children.dismissal.kill_late()

    async def _write_last(self) -> None:
        """Writes the outcomes that are left, and that the node is no more."""
        try:
            async with asyncio.timeout(FLUSH_HURRY_S if self._hurry.is_set() else FLUSH_S):
                await self._completer.flushed()
                # What may have been claimed unseen, or could not be written, is then found by whoever comes next.
                in_doubt = self._recovery.in_doubt or not self._claimer.stopped or self._ledger.unsaved > 0
                await self._membership.deregister(doubt=in_doubt)
        except (TimeoutError, DatabaseError):
            # The next supervisor here, or another node, takes back what is not written.
            pass

    async def _wait_empty(self, seconds: float, *, hurry: bool) -> None:
        """Waits until no child holds anything, for so long at most; not at all once there is a hurry."""
        await self._wait_for(self._until_empty(), seconds, hurry=hurry)

    async def _wait_for(self, work: Coroutine[Any, Any, None], seconds: float, *, hurry: bool) -> None:
        """Waits for the work, for so long at most; with `hurry`, not at all once there is one."""
        waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(work)]
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
        executions = self._cancels.claimed(executions)
        if self.phase is Phase.DRAINING:
            self._outcomes.release(executions)
        else:
            self._dispatcher.dispatch(executions)

    def _child_ready(self, child: Child) -> None:
        self._ledger.add_child(child.name, self._settings.concurrency, self._clock())
        self._first_child.set()
        self._claimer.work_came()

    def _start_hook_failed(self, text: str) -> None:
        self._hook_failure = HookFailed(text)
        self._first_child.set()

    def _child_sent(self, child: Child, message: FromChild) -> None:
        if isinstance(message, OutcomesFrame):
            self._outcomes.finished(self._ledger.finish(child.name, message.outcomes, self._clock()))
        elif isinstance(message, Recalled):
            back = self._cancels.returned(self._ledger.give_back(child.name, message.cells))
            back, lost = self._membership.sift(back)
            self._outcomes.release(lost)
            if self.phase is Phase.DRAINING:
                self._outcomes.release(back)
            else:
                self._dispatcher.returned(back)
        elif isinstance(message, Overrun):
            self._overruns.note(child.name, message.cell, Ending.FAILED)
        elif isinstance(message, Lend):
            self._ledger.lend(child.name, message.lent, self._clock())
            self._dispatcher.backlog_came()
        else:
            self._child_asked(child, message)
            return
        self._overruns.look(child.name)
        self._room_came()

    def _child_asked(self, child: Child, message: FromChild) -> None:
        """What its executions ask for, also during a drain."""
        try:
            if isinstance(message, Enqueue | CancelIds):
                self._requests.add(message, child.send)
            elif isinstance(message, Watch):
                self._watches.watch(child, message.ids)
            elif isinstance(message, Unwatch):
                self._watches.unwatch(child, message.ids)
        except ProtocolError as error:
            self._log.error(Event.BAD_FRAME, child=child.name, reason=str(error))
            child.problem = str(error)
            child.kill()

    def _enqueued(self, executions: list[NewExecution]) -> None:
        """Children's enqueues are committed: this node need not wait for its own notification."""
        waits = [
            each.delay_s if each.run_at_s is None else self._database.due_in(each.run_at_s)
            for each in executions
            if each.delay_s is not None or each.run_at_s is not None
        ]
        soon = [wait_s for wait_s in waits if wait_s is not None and wait_s <= SOON_S]
        if soon:
            self._promoter.due_in(min(soon))
        if len(waits) < len(executions) or (soon and min(soon) <= 0):
            self._claimer.work_came()

    def _child_died(self, child: Child, reason: str, by_fork_server: bool) -> None:
        """What ran is retried as a crash, unless it is the node's own doing; the rest goes back as it was."""
        overruns = self._overruns.take(child.name)
        started, unstarted = self._ledger.take_from(child.name, child.is_started)
        child.cells.close()
        self._watches.forget(child)
        self._counts.child_deaths += child.replaced is None and not child.dismissed
        self._outcomes.overrun([(each, overruns[each.cell]) for each in started if each.cell in overruns])
        started = [each for each in started if each.cell not in overruns]
        if by_fork_server or child.dismissed or child.replaced is not None:
            unstarted += started
        else:
            self._outcomes.crash(started, "ChildDied", f"the child process that ran it ended: {reason}")
        self._outcomes.release(unstarted)
        self._room_came()

    def _saved(self, count: int, size: int) -> None:
        self._ledger.settle(count, size)
        self._watches.saved()
        self._claimer.room_came()

    def _room_came(self) -> None:
        self._claimer.room_came()
        if not self._ledger.held:
            self._emptied.set()

    # Beside the pipeline

    def _pruner(self, keep_s_min: float | None) -> Pruner:
        keep = Keep(self._settings.keep_completed_s, self._settings.keep_failed_s)
        return Pruner(
            self._database,
            keep,
            newest_s=min(*keep, keep.completed_s if keep_s_min is None else keep_s_min),
            pruned=self._note_pruned,
            refused=self._connections.note_refusal,
            clock=self._clock,
            random=self._randomness,
        )

    def _note_pruned(self, count: int) -> None:
        self._counts.pruned += count

    async def _unpark(self, functions: list[str]) -> None:
        try:
            await self._database.unpark(functions)
        except StatementRefused as error:
            self._connections.note_refusal(str(error))

    def _listen_silent(self) -> None:
        self._log.warning(Event.LISTEN_SILENT)
        self._listener.renew("a probe did not come back")

    def _statement_sent(self) -> None:
        self._counts.statements += 1

    def _spawn(self, work: Coroutine[Any, Any, Any], name: str) -> None:
        assert self._tasks is not None
        task = self._tasks.create_task(work, name=name)
        self._spawned.add(task)
        task.add_done_callback(self._spawned.discard)
