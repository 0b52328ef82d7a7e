"""What happens in a supervisor: the names of its log events, and its counts. Both are documented here and only here."""

import enum
from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger


class Event(enum.StrEnum):
    """The log events. None of them is for a single execution that went well."""

    #: The node is registered, its children are ready, work is claimed. Fields: node, pid, procs, concurrency, queues.
    READY = "node ready"
    #: No job of the modules uses a queue that was given: a slip of the pen? Fields: queues, registered.
    QUEUES_WITHOUT_JOBS = "queues without jobs"
    #: A variable begins with CURRANT_ and is no setting: a slip of the pen? Fields: variable, did_you_mean.
    UNKNOWN_VARIABLE = "unknown variable"
    #: An execution failed for good; for one function at most every ten seconds. Fields: execution, function, reason,
    #: error, message, more: how many others of the function failed since the last line.
    FAILED = "execution failed"
    #: A signal asked for a stop: no more claims. Fields: signal, running, grace_s.
    DRAINING = "draining"
    #: A second signal: what runs is cancelled now.
    HURRYING = "hurrying"
    #: The node has stopped. Fields: completed, failed, retried, released, unsaved: what the next supervisor here, or
    #: another node, runs again.
    STOPPED = "node stopped"
    #: The database does not answer at the start. Fields: reason.
    WAITING_FOR_DATABASE = "waiting for the database"
    #: A connection is lost; logged once, until it is back. Fields: connection, reason.
    CONNECTION_LOST = "database connection lost"
    #: A connection is back. Fields: connection, seconds.
    CONNECTION_REGAINED = "database connection regained"
    #: A child ended that should not have. Fields: child, pid, reason, running, waiting, restart_in_s.
    CHILD_DIED = "child died"
    #: A child was not ready in time, or the system refused to fork. Fields: child, reason, restart_in_s.
    CHILD_NOT_STARTED = "child not started"
    #: The fork server ended; its children go with it, their work is released. Fields: reason.
    FORK_SERVER_DIED = "fork server died"
    #: The modules cannot be imported by a new fork server: tried again. Fields: module, error.
    IMPORT_FAILED = "import failed"
    #: This node was declared dead by another; it registers anew. Fields: node, new_node.
    FENCED = "node was declared dead"
    #: Dead nodes' executions were taken back. Fields: nodes, executions.
    RECLAIMED = "dead nodes reclaimed"
    #: Executions that no child of ours holds were found claimed by us, and released. Fields: executions.
    FOUND = "lost claims released"
    #: Executions wait for a node that knows their function. Fields: function.
    PARKED = "unknown function parked"
    #: An outcome could not be written; its execution is failed with the reason. Fields: execution, reason.
    OUTCOME_REFUSED = "outcome refused by the database"
    #: The database refuses a statement of ours; it is tried again, later. Logged once in ten seconds. Fields: reason.
    STATEMENT_REFUSED = "statement refused"
    #: LISTEN did not deliver; it is set up again. Fields: none.
    LISTEN_SILENT = "listen silent"
    #: A frame from a child broke the protocol; the child is killed. Fields: child, reason.
    BAD_FRAME = "bad frame"


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
    #: Outcomes that came too late: the lease was lost meanwhile.
    fenced: int = 0
    reclaimed: int = 0
    #: Statements sent, on any connection.
    statements: int = 0
    child_deaths: int = 0
