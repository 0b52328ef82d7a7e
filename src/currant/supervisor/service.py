"""The only wiring: makes the parts, hands them to each other, and walks through the phases of the lifecycle."""

import asyncio
import os
import random
import time
from collections.abc import Callable, Coroutine
from typing import Any

from currant.errors import ConfigurationError, DatabaseUnreachable, HookFailed
from currant.executions import RetryPolicy
from currant.protocol.control import Boot, ServerHello
from currant.protocol.frames import frame_bytes_max
from currant.protocol.work import Cancel
from currant.settings import Settings, child_environment, working_directory
from currant.store.retention import Keep
from currant.supervisor.cancels import Cancels
from currant.supervisor.child import Child, State
from currant.supervisor.children import Children
from currant.supervisor.claimer import Claimer
from currant.supervisor.completer import Completer
from currant.supervisor.control import ControlServer
from currant.supervisor.database import LISTEN_NAME, Database
from currant.supervisor.dispatcher import Dispatcher
from currant.supervisor.drain import Drain
from currant.supervisor.ears import Ears
from currant.supervisor.events import Counts, Event, Log
from currant.supervisor.forkserver import ForkServer, StartForkServer
from currant.supervisor.instance import Instance
from currant.supervisor.ledger import Ledger
from currant.supervisor.lifecycle import Lifecycle, Phase
from currant.supervisor.listener import Listener
from currant.supervisor.membership import Membership
from currant.supervisor.outcomes import Outcomes
from currant.supervisor.overruns import Overruns
from currant.supervisor.prune import Pruner
from currant.supervisor.quarantine import Quarantine
from currant.supervisor.recovery import Recovery
from currant.supervisor.recycling import Recycler
from currant.supervisor.reload import Reload
from currant.supervisor.report import Connections, Report
from currant.supervisor.requests import Requests
from currant.supervisor.schedules import Scheduler
from currant.supervisor.signals import answer, answers
from currant.supervisor.sizing import Sizing
from currant.supervisor.stacks import Stacks
from currant.supervisor.stalls import Stalls
from currant.supervisor.tick import Promoter, Ticker
from currant.supervisor.traffic import Traffic
from currant.supervisor.unparker import Unparker
from currant.supervisor.watches import Watches
from currant.supervisor.windows import Windows

#: At the end: how long the database may take to cancel the statements that are under way.
CANCEL_STATEMENTS_S = 0.5


def fork_server_starter(settings: Settings) -> StartForkServer:
    """Returns what starts fork servers: the first one before there is an event loop.

    They start in the directory of this moment, by its name: a symlink that is switched to a new release is followed.
    """
    directory = working_directory()

    def start(*, import_late: bool = False) -> ForkServer:
        boot = Boot(
            list(settings.modules),
            settings.concurrency,
            settings.payload_bytes_max,
            settings.grace_s,
            import_late=import_late,
        )
        return ForkServer(boot, child_environment(see_database=settings.children_see_database), directory)

    return start


#: Of the node's parts, that which degrades when children cannot be started.
CHILDREN = "children"


class Service:
    """A node, from its start to its end."""

    def __init__(
        self,
        settings: Settings,
        instance: Instance,
        log: Log,
        start_fork_server: StartForkServer,
        *,
        clock: Callable[[], float] = time.monotonic,
        randomness: Callable[[], float] = random.random,
    ) -> None:
        assert settings.database_url is not None
        self._settings, self._instance, self._log = settings, instance, log
        self._clock, self._randomness = clock, randomness
        self._lifecycle = Lifecycle(
            changed=self._phase_changed, reload=lambda: self._spawn(self._reload.run(), "reload")
        )
        self._first_child = asyncio.Event()
        self._hook_failure: HookFailed | None = None
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
            start_fork_server=start_fork_server,
            ears=Ears(
                ready=self._child_ready,
                received=lambda child, message: self._traffic.child_sent(child, message),
                leaving=lambda child: self._traffic.child_leaves(child),
                died=lambda child, reason, by_fork_server: self._traffic.child_died(child, reason, by_fork_server),
                hopeless=self._start_hook_failed,
                degraded=lambda reason: self._lifecycle.degrade(CHILDREN, reason),
                recovered=lambda: self._lifecycle.recover(CHILDREN),
            ),
            log=log,
            clock=clock,
            random=randomness,
        )
        self._sizing = Sizing(self._lifecycle, self._children, log)
        self._completer = Completer(
            self._database,
            saved=lambda count, size: self._traffic.saved(count, size),
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
            dispatch=lambda executions: self._traffic.dispatch(executions),
            due_in=self._promoter.due_in,
            pause=self._database.pause_claims,
            lost=lambda: self._recovery.claim_lost(),
            refused=self._connections.note_refusal,
            fenced=lambda: self._membership.fenced(),
            random=randomness,
            clock=clock,
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
            recall=lambda: self._traffic.recall_all(),
            renamed=lambda: self._listener.renew("the node has a new name"),
            log=log,
        )
        self._unparker = Unparker(
            unpark=self._database.unpark,
            came=self._claimer.work_came,
            drained=lambda: self._claimer.drained,
            refused=self._connections.note_refusal,
            clock=clock,
        )
        self._ticker = Ticker(
            tick=lambda: self._database.tick(self._scheduler.functions, self._unparker.moments),
            timeout_s=settings.heartbeat_timeout_s,
            echoes=lambda: self._listener.echoes,
            silent=self._listen_silent,
            unanswered=lambda: self._listener.renew("a statement was not answered"),
            waiting=self._claimer.work_came,
            due_in=self._promoter.due_in,
            schedule=self._scheduler.told,
            parked=self._unparker.parked,
            reclaim=lambda: self._spawn(self._recovery.reclaim(), "reclaim"),
            fenced=self._membership.fenced,
            refused=self._connections.note_refusal,
        )
        self._requests = Requests(
            self._database,
            pause=self._database.pause_utility,
            written=lambda executions: self._traffic.enqueued(executions),
            refused=self._connections.note_refusal,
        )
        self._watches = Watches(
            ended=self._database.ended,
            frame_bytes_max=frame_max,
            refused=self._connections.note_refusal,
        )
        self._stacks = Stacks(log)
        self._stalls = Stalls(
            self._ledger,
            self._counts,
            stacks=self._stacks,
            returned=lambda executions: self._traffic.returned(executions),
            overdue=self._overruns.kill,
            spawn=self._spawn,
            timeout_s=settings.stall_timeout_s,
            grace_s=settings.grace_s,
            log=log,
            clock=clock,
        )
        self._quarantine = Quarantine(
            self._ledger,
            self._children,
            give=self._dispatcher.give,
            put_off=self._outcomes.put_off,
            release=self._outcomes.release,
            procs=settings.procs,
            log=log,
            clock=clock,
            random=randomness,
        )
        self._traffic = Traffic(
            self._lifecycle,
            self._ledger,
            self._counts,
            claimer=self._claimer,
            dispatcher=self._dispatcher,
            outcomes=self._outcomes,
            overruns=self._overruns,
            cancels=self._cancels,
            requests=self._requests,
            watches=self._watches,
            windows=Windows(frame_max),
            membership=self._membership,
            stalls=self._stalls,
            quarantine=self._quarantine,
            dismiss=self._children.dismiss,
            slots=settings.concurrency,
            due_in=self._promoter.due_in,
            seconds_until=self._database.due_in,
            clock=clock,
        )
        self._drain = Drain(
            self._lifecycle,
            self._ledger,
            self._children,
            claimer=self._claimer,
            recall_all=self._traffic.recall_all,
            until_empty=self._traffic.until_empty,
            write_last=self._write_last,
            grace_s=settings.grace_s,
        )
        keep = Keep(settings.keep_completed_s, settings.keep_failed_s)
        self._pruner = Pruner(
            self._database,
            keep,
            newest_s=min(keep),
            pruned=self._note_pruned,
            refused=self._connections.note_refusal,
            clock=clock,
            random=randomness,
        )
        self._reload = Reload(
            self._children,
            self._lifecycle,
            boot_timeout_s=settings.boot_timeout_s,
            cancel=self._cancel_in,
            took=self._take_code,
            log=log,
            clock=clock,
        )
        self._recycler = Recycler(
            self._children,
            executions_max=settings.max_executions_per_child,
            memory_bytes_max=settings.max_memory_per_child,
            finished=lambda child: self._ledger.of_child(child)[-1],
            may_fork=self._children.may_fork,
            random=randomness,
        )
        report = Report(
            self._database,
            self._ledger,
            self._children,
            self._counts,
            self._connections,
            self._stalls,
            lifecycle=self._lifecycle,
            clock=clock,
        )
        self._control = ControlServer(instance.socket_path, status=report.status, reload=self._reload.asked)

    async def run(self, fork_server: ForkServer) -> None:
        """Runs until a signal asks for the end and the drain is over.

        Raises:
            ModuleImportFailed, HookFailed, ConfigurationError, DatabaseError, SchemaError: it cannot start.
            StatementRefused: the database has become another one under it.
        """
        answer(asyncio.get_running_loop(), answers(self._lifecycle, self._sizing, dump_stacks=self._dump_stacks))
        try:
            hello = await self._lifecycle.unless_ending(self._children.start(fork_server))
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
            self._reload.functions = hello.functions
            self._scheduler.know(hello.schedules)
            if await self._lifecycle.unless_ending(self._connect()) is None:
                return
            self._pruner.keep(self._newest_s(hello))
            await self._work(hello.functions)
        except BaseExceptionGroup as group:
            # Of the parts one failed first, and that is the reason; a mistake of ours keeps its traceback.
            raise group.exceptions[0] from None
        finally:
            self._lifecycle.stopped()
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
                    ("scheduler", self._scheduler.run()),
                    ("unparker", self._unparker.run()),
                    ("dispatcher", self._dispatcher.watch()),
                    ("recovery", self._recovery.find_lost_claims()),
                    ("pruner", self._pruner.run()),
                    ("recycler", self._recycler.run()),
                    ("requests", self._requests.run()),
                    ("watches", self._watches.run()),
                    ("stalls", self._stalls.run()),
                    ("quarantine", self._quarantine.run()),
                )
            ]
            if last is not None:
                self._spawn(self._recovery.reclaim((last,)), "reclaim the last node")
            self._unparker.know(functions)
            await self._control.start()
            if await self._lifecycle.unless_ending(self._first_child.wait()):
                if self._hook_failure is None:
                    self._lifecycle.started()
                else:
                    self._lifecycle.ask_drain("a start hook failed")
            await self._lifecycle.until_ending()
            await self._drain.run()
            if self._hook_failure is not None:
                raise self._hook_failure
            for part in (*parts, *self._spawned):
                part.cancel()
            # Of a statement that is cancelled the driver waits until the server has let it go.
            cut = asyncio.get_running_loop().call_later(CANCEL_STATEMENTS_S, self._database.cut)
        cut.cancel()

    async def _write_last(self) -> None:
        await self._completer.flushed()
        # What may have been claimed unseen, or could not be written, is then found by whoever comes next.
        in_doubt = self._recovery.in_doubt or not self._claimer.stopped or self._ledger.unsaved > 0
        await self._membership.deregister(doubt=in_doubt)

    def _phase_changed(self, before: Phase, now: Phase) -> None:
        """Tells the log."""
        match now:
            case Phase.RUNNING | Phase.DEGRADED if before is Phase.STARTING:
                self._log.info(
                    Event.READY,
                    node=self._database.node,
                    pid=os.getpid(),
                    procs=self._settings.procs,
                    concurrency=self._settings.concurrency,
                    queues=self._database.queues,
                )
            case Phase.DRAINING:
                self._log.info(
                    Event.DRAINING,
                    reason=self._lifecycle.why_ending,
                    running=self._ledger.held,
                    grace_s=self._settings.grace_s,
                )
            case Phase.HURRYING:
                self._log.warning(Event.HURRYING, running=self._ledger.held)
            case Phase.QUITTING:
                self._log.warning(Event.QUITTING, reason=self._lifecycle.why_ending, running=self._ledger.held)
            case Phase.STOPPED if self._database.node:
                self._log.info(
                    Event.STOPPED,
                    completed=self._counts.completed,
                    failed=self._counts.failed,
                    retried=self._counts.retried,
                    released=self._counts.released,
                    unsaved=self._ledger.unsaved,
                )

    # Children

    def _child_ready(self, child: Child) -> None:
        self._traffic.child_ready(child)
        self._first_child.set()

    def _dump_stacks(self) -> None:
        if self._tasks is not None:
            children = [(child.place, child) for child in self._children if child.state is State.READY]
            self._spawn(self._stacks.dump(children), "dump stacks")

    def _start_hook_failed(self, text: str) -> None:
        self._hook_failure = HookFailed(text)
        self._first_child.set()

    # Reloads

    def _take_code(self, hello: ServerHello) -> None:
        """The node's functions, queues and schedules are those of the new code."""
        if not self._settings.queues and self._database.queues != hello.queues:
            self._database.queues = list(hello.queues)
            self._listener.renew(None)
        self._pruner.keep(self._newest_s(hello))
        self._scheduler.know(hello.schedules)
        self._unparker.know(hello.functions)
        self._claimer.work_came()

    def _cancel_in(self, child: int) -> None:
        if child in self._ledger.children:
            self._children[child].send(Cancel(self._ledger.cells_of(child)))

    # Beside the pipeline

    def _newest_s(self, hello: ServerHello) -> float:
        """Returns how old at least an execution is that may be pruned."""
        keep = Keep(self._settings.keep_completed_s, self._settings.keep_failed_s)
        return min(*keep, keep.completed_s if hello.keep_s_min is None else hello.keep_s_min)

    def _note_pruned(self, count: int) -> None:
        self._counts.pruned += count

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
