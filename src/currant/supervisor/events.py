"""What happens in a supervisor: the names of its log events, and its counts. Both are documented here and only here."""

import enum
from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger


class Event(enum.StrEnum):
    """The log events. None of them is for a single execution that went well."""

    meaning: str

    def __new__(cls, name: str, meaning: str) -> "Event":
        """`name` is what the log says; `meaning` tells the event and its fields."""
        event = str.__new__(cls, name)
        event._value_ = name
        event.meaning = meaning
        return event

    EMBEDDED = (
        "embedded database",
        "The embedded Postgres runs, and its schema is made. Fields: CURRANT_DATABASE_URL, for the application.",
    )
    READY = (
        "node ready",
        "The node is registered, its children are ready, work is claimed. Fields: node, pid, procs, "
        "concurrency, queues.",
    )
    QUEUES_PAUSED = (
        "queues paused",
        "Somebody has paused queues: nothing more is claimed from them, on any node, until they are resumed "
        "(`currant queues` says by whom and why). Fields: queues.",
    )
    QUEUES_RESUMED = (
        "queues resumed",
        "Somebody has resumed queues: their executions are claimed again. Fields: queues.",
    )
    QUEUES_WITHOUT_JOBS = (
        "queues without jobs",
        "No job of the modules uses a queue that was given: a slip of the pen? Fields: queues, registered.",
    )
    UNKNOWN_VARIABLE = (
        "unknown variable",
        "A variable begins with CURRANT_ and is no setting: a slip of the pen? Fields: variable, did_you_mean.",
    )
    PASSWORD_SHOWN = (
        "password on the command line",
        "The address on the command line holds a password, which every user of the machine can see (ps): "
        "give it in CURRANT_DATABASE_URL, PGPASSWORD or a password file. Fields: option.",
    )
    FAILED = (
        "execution failed",
        "An execution failed for good; for one function at most every ten seconds. Fields: execution, "
        "function, reason, error, message, more: how many others of the function failed since the last "
        "line.",
    )
    METRICS = (
        "metrics served",
        "The metrics, /healthz and /readyz are there. Fields: url.",
    )
    DRAINING = (
        "draining",
        "A signal, or what the reason says, asked for a stop: no more claims. Fields: reason, running, grace_s.",
    )
    HURRYING = (
        "hurrying",
        "A second signal: what runs is cancelled now. Fields: running.",
    )
    QUITTING = (
        "quitting",
        "A signal asked for the end at once: what runs is killed and released. Fields: reason, running.",
    )
    STOPPED = (
        "node stopped",
        "The node has stopped. Fields: completed, failed, retried, released, unsaved: what the next "
        "supervisor here, or another node, runs again.",
    )
    WAITING_FOR_DATABASE = (
        "waiting for the database",
        "The database does not answer at the start. Fields: reason.",
    )
    CONNECTION_LOST = (
        "database connection lost",
        "A connection is lost, the first of an outage: what others are lost until all are back is in `status`. "
        "Fields: connection, reason.",
    )
    CONNECTION_REGAINED = (
        "database connection regained",
        "All connections are back. Fields: connections: those that were lost, seconds: how long it took.",
    )
    CHILD_DIED = (
        "child died",
        "A child ended that should not have. Fields: child, pid, reason, restart_in_s.",
    )
    CHILD_REPLACED = (
        "child replaced",
        "A child was ended and replaced on purpose: nothing else could end what it ran past its timeout, or "
        "after a cancel. What else it still ran is released. Fields: child, pid, reason.",
    )
    UNFIT_FOR_FORKING = (
        "import starts threads or opens sockets",
        "The modules do, when they are imported, what does not survive a fork. Each child imports them for itself "
        "instead, which takes more time and memory: do it in a start hook. Fields: found.",
    )
    RELOADING = (
        "reloading",
        "A reload begins: a new fork server imports the modules. Fields: none.",
    )
    RELOADED = (
        "reloaded",
        "The children have the new code, those that still finish old work aside. Fields: seconds, functions, "
        "added, removed.",
    )
    RELOAD_FAILED = (
        "reload failed",
        "The new code is not taken on: the old children go on. Fields: error.",
    )
    CHILD_STALLED = (
        "child stalled",
        "A child's event loop does not answer: it gets no new work, and what it had not started goes elsewhere. "
        "Blocking code in an `async def`, or somebody stopped the process. Fields: child, pid, process: what its main "
        "thread does, moved: how many executions went elsewhere, running, stack: of its threads, innermost calls "
        "first, or why there is none.",
    )
    CHILD_RECOVERED = (
        "child recovered",
        "A stalled child answers again, and gets work. Fields: child, pid, stalled_s.",
    )
    STACKS = (
        "stacks",
        "SIGUSR1 asked for the Python stacks of the supervisor and of all children. Fields: process, pid, stack.",
    )
    CHILD_RETIRED = (
        "child retired",
        "Another child has taken this one's place, or the place is closed: it finishes what it has started, and ends. "
        "Fields: child, pid, reason.",
    )
    PLACE_OPENED = (
        "place opened",
        "SIGTTIN, or `currantctl scale`, asked for one child more. Fields: child, procs: how many there are now.",
    )
    PLACE_CLOSED = (
        "place closed",
        "SIGTTOU, or `currantctl scale`, asked for one child less. Fields: child, procs: how many are left.",
    )
    PLACE_KEPT = (
        "place kept",
        "SIGTTOU asked for one child less, and there is only one. Fields: child.",
    )
    NODE_DRAINED = (
        "node drained",
        "`currantctl drain` asked for it: nothing is claimed, what has not started is given back, what runs goes on, "
        "and the node stays. Fields: running.",
    )
    NODE_RESUMED = (
        "node resumed",
        "`currantctl resume` asked for it: the node claims again. Fields: none.",
    )
    RESTART_ASKED = (
        "restart asked",
        "`currantctl restart` asked for another process in a child's place. Fields: child, pid.",
    )
    CANCEL_ASKED = (
        "cancel asked",
        "`currantctl cancel` asked to cancel an execution. Fields: execution, here: whether this node holds it.",
    )
    LEVEL_CHANGED = (
        "log level changed",
        "`currantctl log-level` asked for it. Fields: now, before.",
    )
    PLACE_RESTS = (
        "place rests",
        "Too many children have died in one place within a minute: none is started there for a while. "
        "Fields: child, seconds.",
    )
    DEGRADED = (
        "node degraded",
        "Children cannot be started: those that are there go on, and it is tried again. Logged once, until it is over. "
        "Fields: reason.",
    )
    RECOVERED = (
        "node recovered",
        "Children can be started again. Fields: none.",
    )
    QUARANTINE = (
        "quarantine opened",
        "Executions that have met two crashes run alone from now on, one at a time, in a child that is opened for it: "
        "what kills its child is found, and the others end. One more is opened when they wait. Closed a minute after "
        "the last. Fields: child, suspects.",
    )
    CHILD_NOT_STARTED = (
        "child not started",
        "A child was not ready in time, or the system refused to fork. Fields: child, pid, reason, restart_in_s.",
    )
    START_HOOK_FAILED = (
        "start hook failed",
        "A start hook failed in a child that replaces another: tried again. The traceback is told once, until a child "
        "is ready or another hook fails. Fields: child, pid, reason, restart_in_s.",
    )
    STOP_HOOKS_CUT = (
        "stop hooks cut off",
        "Children ended before their stop hooks did: these took too long, or ended them. Fields: children, reason.",
    )
    FORK_SERVER_DIED = (
        "fork server died",
        "The fork server ended; its children go with it, their work is released. Fields: reason, restart_in_s.",
    )
    IMPORT_FAILED = (
        "import failed",
        "The modules cannot be imported by a new fork server: tried again. Fields: error.",
    )
    FENCED = (
        "node was declared dead",
        "This node was declared dead by another; it registers anew. What runs goes on, fenced: its outcome counts "
        "unless another node has taken it back. What has not started is given back. Fields: node, new_node, running.",
    )
    LATE = (
        "late outcomes not applied",
        "Outcomes came after their leases were lost: another node has taken the executions back. They change nothing. "
        "One line in ten seconds. Fields: outcomes, executions: the ids of a few, more: how many others since the last "
        "line.",
    )
    RECLAIMED = (
        "dead nodes reclaimed",
        "Dead nodes' executions were taken back. Fields: nodes, executions.",
    )
    FOUND = (
        "lost claims released",
        "Executions that no child of ours holds were found claimed by us, and released. Fields: executions.",
    )
    PARKED = (
        "unknown function parked",
        "Executions wait for a node that knows their function. Fields: function.",
    )
    OUTCOME_REFUSED = (
        "outcome refused by the database",
        "An outcome could not be written; its execution is failed with the reason. Fields: execution, reason.",
    )
    STATEMENT_REFUSED = (
        "statement refused",
        "The database refuses a statement of ours; it is tried again, later. Logged once in ten seconds. "
        "Fields: reason, more: how many others since the last line.",
    )
    LISTEN_SILENT = (
        "listen silent",
        "LISTEN did not deliver; it is set up again. Fields: none.",
    )
    HUNG = (
        "database work hangs",
        "A statement, or the tick, goes on although its limit has passed long ago: systemd, if it started the node, is "
        "not told any more that it is well, and restarts it when WatchdogSec is over. A database that is away is no "
        "hang. Fields: part.",
    )
    BAD_FRAME = (
        "bad frame",
        "A frame from a child broke the protocol; the child is killed. Fields: child, reason.",
    )
    LEFT_OUT = (
        "lines left out",
        "An event came more often than is told, which is 20 times within ten seconds, and has not come since. If it "
        "does, its own line says how many were left out before it, in the field left_out. Fields: of: the event, "
        "lines: how many were left out.",
    )
    DROPPED = (
        "lines dropped",
        "Nobody read the log: lines were dropped here, so that nothing had to wait. Fields: lines: how many.",
    )


Log = FilteringBoundLogger


@dataclass
class Counts:
    """What a node has done since its start."""

    claimed: int = 0
    completed: int = 0
    failed: int = 0
    retried: int = 0
    crashed: int = 0
    released: int = 0
    parked: int = 0
    cancelled: int = 0
    snoozed: int = 0
    #: Outcomes that came too late: the lease was lost meanwhile.
    fenced: int = 0
    reclaimed: int = 0
    #: Deleted because they ended long ago.
    pruned: int = 0
    child_deaths: int = 0
    #: How often a child's event loop did not answer.
    stalls: int = 0

    def note_pruned(self, count: int) -> None:
        self.pruned += count


def describe() -> str:
    """Returns the log events as a page in Markdown: `docs/events.md` is this."""
    lines = [
        "# Log events",
        "",
        "One line each, to standard error: `timestamp`, `level`, `event` and the fields, as [JSON off a terminal]"
        "(logging.md). None of them is",
        "for a single execution that went well.",
        "",
        "Made by `python -m currant.supervisor.events`.",
        "",
        "| event | meaning |",
        "|---|---|",
    ]
    lines += [f"| `{event}` | {event.meaning} |" for event in Event]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(describe(), end="")  # noqa: T201
