"""The messages between the supervisor and the fork server, which travel with file descriptors (SCM_RIGHTS)."""

import msgspec

from currant.backends import NewExecution


class Boot(msgspec.Struct, tag="boot", array_like=True):
    """To the fork server, first and once: import these modules, and give these limits to the children."""

    modules: list[str]
    concurrency: int
    payload_bytes_max: int
    #: How long after its timeout a coroutine may go on before it counts as one that nothing can end.
    grace_s: float = 30.0
    #: Each child imports the modules for itself, after its fork.
    import_late: bool = False
    #: The format of the log, resolved: what users' records are written in where they have configured nothing.
    log_format: str = "json"


class Fork(msgspec.Struct, tag="fork", array_like=True):
    """To the fork server: fork a child. With it come two descriptors: its end of its socket, and its cells."""

    child: int
    #: The number of its place, for its own use.
    place: int = 0
    log_level: str = "info"


class Schedule(msgspec.Struct, array_like=True):
    """A function that is run by itself, and the execution that is inserted for it each time."""

    cron: str
    timezone: str
    execution: NewExecution


class ServerHello(msgspec.Struct, tag="hello", array_like=True):
    """From the fork server: the modules are imported; these functions and queues are what they register.

    `stop_hooks`: whether a child has anything to do before its end, and is to be asked for it.
    """

    functions: list[str]
    queues: list[str]
    #: The shortest time, in seconds and above 0, that a function wants its ended executions kept; None: no own word.
    keep_s_min: float | None = None
    stop_hooks: bool = False
    schedules: list[Schedule] = []
    #: What the modules have left behind that a fork does not survive: threads and sockets, by name.
    unfit: list[str] = []


class ImportFailed(msgspec.Struct, tag="import_failed", array_like=True):
    """From the fork server, which ends with it. `traceback` is empty when the module simply does not exist."""

    module: str
    message: str
    traceback: str


class Forked(msgspec.Struct, tag="forked", array_like=True):
    """From the fork server, with a pidfd that was opened before anyone could have reaped the child."""

    child: int
    pid: int


class ForkFailed(msgspec.Struct, tag="fork_failed", array_like=True):
    """From the fork server: the system refused, e.g. for want of processes or memory."""

    child: int
    message: str


class Exited(msgspec.Struct, tag="exited", array_like=True):
    """From the fork server: a child's end.

    `status` is its exit code, or minus the signal that ended it; `cpu_s` what its process had used of processors.
    """

    child: int
    pid: int
    status: int
    cpu_s: float | None = None


ToForkServer = Boot | Fork
FromForkServer = ServerHello | ImportFailed | Forked | ForkFailed | Exited

#: Names of functions and a traceback: no work travels here.
CONTROL_BYTES_MAX = 16 << 20

to_fork_server_decoder = msgspec.msgpack.Decoder(ToForkServer)
from_fork_server_decoder = msgspec.msgpack.Decoder(FromForkServer)
