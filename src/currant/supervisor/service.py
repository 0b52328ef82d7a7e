"""The only wiring: makes the parts of a node and hands them to each other."""

import asyncio
import contextlib
import gc
import os
import random
import socket
import time
from collections.abc import Callable, Collection, Coroutine, Sequence
from signal import Signals
from typing import Any

from currant.executions import RetryPolicy
from currant.protocol.commands import (
    CancelRequest,
    DrainRequest,
    LogLevelRequest,
    ReloadRequest,
    Request,
    RestartRequest,
    ResumeRequest,
    RunningRequest,
    ScaleRequest,
    StacksRequest,
)
from currant.protocol.frames import frame_bytes_max
from currant.protocol.status import StatusRequest
from currant.settings import ServiceManager, Settings
from currant.store.queries import Tick
from currant.store.retention import Keep
from currant.supervisor.announcer import Announcer
from currant.supervisor.cancels import Cancels
from currant.supervisor.child import Child, State
from currant.supervisor.children import Children
from currant.supervisor.claimer import Claimer
from currant.supervisor.code import Code
from currant.supervisor.completer import Completer
from currant.supervisor.control import ControlServer, Handler
from currant.supervisor.database import LISTEN_NAME, Database
from currant.supervisor.dispatcher import Dispatcher
from currant.supervisor.drain import Drain
from currant.supervisor.ears import Ears
from currant.supervisor.events import Counts, Event, Log
from currant.supervisor.figures import Figures
from currant.supervisor.forkserver import ForkServer, StartForkServer
from currant.supervisor.headline import Headline
from currant.supervisor.herald import Herald
from currant.supervisor.inspections import Inspections
from currant.supervisor.instance import Instance
from currant.supervisor.ledger import Ledger
from currant.supervisor.lifecycle import Lifecycle, Phase
from currant.supervisor.listener import Listener
from currant.supervisor.loglevel import LogLevel
from currant.supervisor.membership import Membership
from currant.supervisor.memory import Memory
from currant.supervisor.metrics.collector import NodeCollector
from currant.supervisor.metrics.endpoint import Endpoint
from currant.supervisor.metrics.health import Health
from currant.supervisor.metrics.queues import QueueWatch
from currant.supervisor.node import Node
from currant.supervisor.notify import Notifier
from currant.supervisor.operations import Operations
from currant.supervisor.outcomes import Outcomes
from currant.supervisor.overruns import Overruns
from currant.supervisor.pauses import PauseLook, Pauses
from currant.supervisor.poller import Poller
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
from currant.supervisor.tally import Tally
from currant.supervisor.tasks import Tasks
from currant.supervisor.tick import Promoter, Ticker
from currant.supervisor.traffic import Traffic
from currant.supervisor.unparker import Unparker
from currant.supervisor.watches import Watches
from currant.supervisor.windows import Windows

Part = Callable[[], Coroutine[Any, Any, None]]
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
        log_level: LogLevel,
        manager: ServiceManager | None = None,
        metrics: socket.socket | None = None,
        clock: Callable[[], float] = time.monotonic,
        randomness: Callable[[], float] = random.random,
    ) -> None:
        """
        Args:
            log_level: of `log`: children are told when it is set anew.
            metrics: where whoever watches the node connects; None: nowhere.
        """
        assert settings.database_url is not None
        self._log = log
        self._lifecycle = Lifecycle(
            changed=self._phase_changed,
            reload=lambda: self._reload.begin(),
        )
        self._tasks = Tasks()
        frame_max = frame_bytes_max(settings.payload_bytes_max)
        self._counts = Counts()
        self._tally = Tally()
        self._ledger = Ledger(prefetch=settings.prefetch)
        self._connections = Connections(log, clock)
        self._pauses = Pauses(opened=lambda: self._claimer.work_came(), log=log)
        self._database = Database(
            settings.database_url,
            payload_bytes_max=settings.payload_bytes_max,
            heartbeat_timeout_s=settings.heartbeat_timeout_s,
            discard=settings.keep_completed_s == 0,
            pauses=self._pauses,
            lost=self._connections.note_loss,
            regained=self._connections.note_return,
            clock=clock,
        )
        self._announcer = Announcer(settings, self._database, self._ledger, self._counts, log)
        self._memory = Memory()
        self._children = Children(
            procs=settings.procs,
            boot_timeout_s=settings.boot_timeout_s,
            frame_bytes_max=frame_max,
            start_fork_server=start_fork_server,
            ears=Ears(
                ready=self._child_ready,
                received=lambda child, message: self._traffic.child_sent(child, message),
                leaving=lambda child: self._traffic.child_leaves(child),
                died=self._child_died,
                restarted=lambda why: self._figures.note_restart(why),
                hopeless=lambda text: self._node.start_failed(text),
                degraded=lambda reason: self._lifecycle.degrade(CHILDREN, reason),
                recovered=lambda: self._lifecycle.recover(CHILDREN),
            ),
            log=log,
            clock=clock,
            random=randomness,
            describe=self._memory.describe,
        )
        log_level.changed = self._children.set_log_level
        self._sizing = Sizing(self._lifecycle, self._children, log)
        self._completer = Completer(
            self._database,
            rows_max=settings.complete_batch,
            saved=lambda count, size: self._traffic.saved(count, size),
            fenced=lambda ids: self._outcomes.fenced(ids),
            refused=lambda execution, reason: self._outcomes.refused(execution, reason),
            book=self._tally,
        )
        self._promoter = Promoter(
            promote=self._database.promote,
            promoted=lambda queues: self._work_came(queues),
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
            room=lambda: self._ledger.room(clock()) if self._claims else 0,
            rows_max=settings.claim_batch,
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
            spawn=self._tasks.spawn,
            refused=self._connections.note_refusal,
            clock=clock,
        )
        self._pause_look = PauseLook(self._database.look_at_pauses, self._connections.note_refusal)
        self._listener = Listener(
            subscribe=self._database.subscribe,
            own_channel=self._database.own_channel,
            notified=self._work_came,
            paused=self._pause_look.due,
            cancelled=self._cancels.asked,
            listening=self._listening,
            lost=lambda reason: self._connections.note_loss(LISTEN_NAME, reason),
            regained=lambda seconds: self._connections.note_return(LISTEN_NAME, seconds),
        )
        self._poller = None if settings.poll_s is None else Poller(settings.poll_s, self._claimer.work_came)
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
            drained=lambda: self._claimer.drained or not self._database.open_queues,
            refused=self._connections.note_refusal,
            clock=clock,
        )
        self._ticker = Ticker(
            tick=self._tick,
            timeout_s=settings.heartbeat_timeout_s,
            echoes=lambda: self._listener.echoes,
            silent=self._listen_silent,
            unanswered=lambda: self._listener.renew("a statement was not answered"),
            waiting=self._claimer.work_came,
            due_in=self._promoter.due_in,
            schedule=self._scheduler.told,
            parked=self._unparker.parked,
            reclaim=lambda: self._tasks.spawn(self._recovery.reclaim(), "reclaim"),
            fenced=self._membership.fenced,
            refused=self._connections.note_refusal,
        )
        self._requests = Requests(
            self._database,
            pause=self._database.pause_utility,
            written=lambda executions: self._traffic.enqueued(
                [each for each in executions if self._pauses.is_open(each.queue)]
            ),
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
            spawn=self._tasks.spawn,
            timeout_s=settings.stall_timeout_s,
            grace_s=settings.grace_s,
            log=log,
            clock=clock,
        )
        self._figures = Figures(self._children, self._ledger, self._stalls, clock=clock)
        self._inspections = Inspections(self._children, self._ledger, self._stalls, self._stacks)
        self._quarantine = Quarantine(
            self._ledger,
            self._children,
            give=self._dispatcher.give,
            put_off=self._outcomes.put_off,
            release=self._outcomes.release,
            log=log,
            clock=clock,
            random=randomness,
        )
        self._traffic = Traffic(
            self._lifecycle,
            self._ledger,
            self._counts,
            self._tally,
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
            inspections=self._inspections,
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
            flushed=self._completer.flushed,
            deregister=self._membership.deregister,
            in_doubt=lambda: self._recovery.in_doubt,
            grace_s=settings.grace_s,
        )
        keep = Keep(settings.keep_completed_s, settings.keep_failed_s)
        self._pruner = Pruner(
            self._database,
            keep,
            newest_s=min(keep),
            pruned=self._counts.note_pruned,
            refused=self._connections.note_refusal,
            clock=clock,
            random=randomness,
        )
        self._code = Code(
            self._database,
            modules=settings.modules,
            queues=settings.queues,
            keep=keep,
            pruner=self._pruner,
            scheduler=self._scheduler,
            unparker=self._unparker,
            changed=self._queues_changed,
            work_came=self._claimer.work_came,
            known=self._tally.known,
            log=log,
        )
        self._reload = Reload(
            self._lifecycle,
            self._children,
            boot_timeout_s=settings.boot_timeout_s,
            cancel=self._drain.cancel,
            took=self._code.change,
            functions=lambda: self._code.functions,
            spawn=self._tasks.spawn,
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
            tally=self._tally,
            recent=self._outcomes.recent,
            lifecycle=self._lifecycle,
            clock=clock,
        )
        headline = Headline(
            self._lifecycle,
            self._children,
            self._database,
            self._ledger,
            self._counts,
            self._connections,
            clock=clock,
        )
        self._herald = Herald(
            Notifier(manager.address) if manager else None,
            watchdog_s=manager.watchdog_s if manager else None,
            headline=headline.line,
            hung=lambda: "ticker" if self._ticker.overdue else self._database.overdue,
            log=log,
        )
        operations = Operations(
            self._lifecycle,
            self._children,
            self._ledger,
            self._cancels,
            recall_all=self._traffic.recall_all,
            work_came=self._claimer.work_came,
            cancel=lambda ids: self._database.cancel(ids, doubt=False),
            ended=self._database.ended,
            boot_timeout_s=settings.boot_timeout_s,
            log=log,
            log_level=log_level,
        )
        self._endpoint = None if metrics is None else self._make_endpoint(metrics, clock)
        self._node = Node(
            self._lifecycle,
            self._tasks,
            self._children,
            self._database,
            connections=self._connections,
            membership=self._membership,
            code=self._code,
            control=ControlServer(instance.socket_path, self._handlers(report, operations)),
            drain=self._drain,
            parts=self._parts(instance.last_node),
            log=log,
        )

    async def run(self, fork_server: ForkServer, came: Sequence[Signals] = ()) -> None:
        """Runs until a signal asks for the end, and the end is over; `came` are those that came before.

        Raises what `Node.run` does.
        """
        # All that was made so far stays: a look through it would hold up what runs for tens of milliseconds.
        gc.collect()
        gc.freeze()
        asked = answers(self._lifecycle, self._sizing, dump_stacks=self._dump_stacks)
        answer(asyncio.get_running_loop(), asked, came)
        heralding = asyncio.create_task(self._herald.run(), name="herald")
        try:
            if self._endpoint is not None:
                await self._endpoint.start()
            await self._node.run(fork_server)
        finally:
            if self._endpoint is not None:
                self._endpoint.stop()
            heralding.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await heralding
            self._herald.close()

    def _make_endpoint(self, listening: socket.socket, clock: Callable[[], float]) -> Endpoint:
        queue_watch = QueueWatch(self._database.queue_figures, clock=clock)
        collector = NodeCollector(
            lifecycle=self._lifecycle,
            database=self._database,
            ledger=self._ledger,
            counts=self._counts,
            tally=self._tally,
            figures=self._figures,
            connections=self._connections,
            listener=None if self._poller else self._listener,
            queue_watch=queue_watch,
            parts=(CHILDREN,),
            clock=clock,
        )
        health = Health(self._lifecycle, self._database, self._children, lost=lambda: self._connections.lost)
        return Endpoint(
            listening, collector, refresh=queue_watch.refresh, why_not_ready=health.why_not_ready, log=self._log
        )

    def _parts(self, last_node: str | None) -> dict[str, Part]:
        """Returns what runs as long as the node does, by name."""
        parts: dict[str, Part] = {
            "claimer": self._claimer.run,
            "completer": self._completer.run,
            "listener": (self._poller or self._listener).run,
            "pauses": self._pause_look.run,
            "ticker": self._ticker.run,
            "promoter": self._promoter.run,
            "scheduler": self._scheduler.run,
            "unparker": self._unparker.run,
            "dispatcher": self._dispatcher.watch,
            "recovery": self._recovery.find_lost_claims,
            "pruner": self._pruner.run,
            "recycler": self._recycler.run,
            "requests": self._requests.run,
            "watches": self._watches.run,
            "stalls": self._stalls.run,
            "quarantine": self._quarantine.run,
        }
        if last_node is not None:
            parts["reclaim the last node"] = lambda: self._recovery.reclaim((last_node,))
        return parts

    def _phase_changed(self, before: Phase, now: Phase) -> None:
        self._announcer.announce(before, now, self._lifecycle.why_ending)
        self._herald.announce(before, now)

    def _handlers(self, report: Report, operations: Operations) -> dict[type[Request], Handler]:
        """Returns who answers what `currantctl` asks."""
        return {
            StatusRequest: report.status,
            ReloadRequest: self._reload.asked,
            DrainRequest: operations.drain,
            ResumeRequest: operations.resume,
            ScaleRequest: self._sizing.scale,
            RestartRequest: operations.restart,
            CancelRequest: operations.cancel,
            LogLevelRequest: operations.log_level,
            RunningRequest: self._inspections.running,
            StacksRequest: self._inspections.stacks,
        }

    @property
    def _claims(self) -> bool:
        """Whether there is anything to claim for this node, by people's word."""
        return self._lifecycle.takes_work and bool(self._database.open_queues)

    def _child_ready(self, child: Child) -> None:
        self._traffic.child_ready(child)
        self._node.child_ready()

    def _child_died(self, child: Child, reason: str, by_fork_server: bool) -> None:
        self._figures.note_end(child)
        self._traffic.child_died(child, reason, by_fork_server)

    def _dump_stacks(self) -> None:
        if self._lifecycle.working:
            children = [(child.place, child) for child in self._children if child.state is State.READY]
            self._tasks.spawn(self._stacks.dump(children), "dump stacks")

    async def _tick(self) -> Tick:
        self._memory.look()
        if self._poller is not None:
            # What was sent to the node's own channel, nobody hears.
            self._cancels.listening()
        return await self._database.tick(self._scheduler.functions, self._unparker.moments)

    def _work_came(self, queues: Collection[str]) -> None:
        """There may be work in these queues. What waits in a paused one, or in one of other nodes, is none for now."""
        if any(self._pauses.is_open(each) for each in queues):
            self._claimer.work_came()

    def _queues_changed(self) -> None:
        self._listener.renew(None)
        self._pause_look.due()

    def _listening(self) -> None:
        """LISTEN has begun: what was told before, nobody has heard."""
        self._claimer.work_came()
        self._cancels.listening()
        self._pause_look.due()

    def _listen_silent(self) -> None:
        self._log.warning(Event.LISTEN_SILENT)
        self._listener.renew("a probe did not come back")
