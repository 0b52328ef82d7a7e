"""The fork server and its children as real processes, with this test in the supervisor's place."""

import contextlib
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest

from currant.executions import Ending, Execution, Outcome
from currant.protocol import cells, control, frames, work
from currant.protocol.descriptors import receive_with_fds, send_with_fds
from tests.nodes import eventually, is_alive
from tests.support import outcomes_in

DEADLINE_S = 60.0
LIMIT = frames.frame_bytes_max(1 << 20)

M = TypeVar("M")

APP = """
    import asyncio, builtins, contextvars, os, random, signal, time
    from currant.registry import Definition, registry

    def register(function, queue="default"):
        registry.add(Definition(f"app.{function.__name__}", function, queue, 3, None, 5))
        return function

    @register
    async def add(a, b=0):
        return a + b

    @register
    async def noop():
        pass

    @register
    async def wait(path):
        while not os.path.exists(path):
            await asyncio.sleep(0.01)
        return path

    @register
    async def forever():
        await asyncio.Event().wait()

    @register
    async def stubborn():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "done anyway"

    @register
    async def throw(name):
        raise getattr(builtins, name, None) or asyncio.CancelledError

    @register
    async def throw_in_a_task(name):
        await asyncio.create_task(throw(name))

    @register
    async def big(size):
        return "x" * size

    @register
    async def close_sockets():
        os.closerange(3, 256)

    @register
    async def sleeps_in_subprocess():
        process = await asyncio.create_subprocess_exec("sleep", "60")
        process.terminate()
        return await process.wait()

    @register
    async def about():
        return [random.random(), int(open("/proc/self/oom_score_adj").read()), os.getpid()]

    @register
    async def hear():
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(0.05)
        return "alive"

    @register
    async def block(path):
        while not os.path.exists(path):
            time.sleep(0.01)

    @register
    async def get_context():
        return [variable.get("unset"), variable.set("set") and None]

    variable = contextvars.ContextVar("variable")

    async def on_mail():
        pass
    register(on_mail, queue="mail")
"""


class End:
    """A stream's messages, read with a deadline."""

    def __init__(self, sock: socket.socket, decoder: "msgspec.msgpack.Decoder[Any]") -> None:
        self.socket = sock
        self.fds: deque[int] = deque()
        self.ended = False
        self._reader = frames.FrameReader(decoder, control.CONTROL_BYTES_MAX)
        self._inbox: deque[Any] = deque()

    def next(self, kind: type[M]) -> M:
        """Returns the next message, which must be of this kind."""
        deadline = time.monotonic() + DEADLINE_S
        while not self._inbox and not self.ended:
            self.read(deadline)
        assert self._inbox, f"the stream ended before a {kind.__name__}"
        message = self._inbox.popleft()
        assert isinstance(message, kind), message
        return message

    def read(self, deadline: float) -> None:
        ready, _, _ = select.select([self.socket], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, "nothing came in time"
        try:
            data, fds, _ = receive_with_fds(self.socket)
        except ConnectionResetError:
            data, fds = b"", []
        self.fds.extend(fds)
        self.ended = not data
        self._inbox.extend(self._reader.feed(data))

    def wait_for_end(self) -> list[Any]:
        deadline = time.monotonic() + DEADLINE_S
        while not self.ended:
            self.read(deadline)
        return list(self._inbox)


class Child:
    """The supervisor's view of one child."""

    def __init__(self, number: int) -> None:
        self.number = number
        mine, self.theirs = socket.socketpair()
        self.cells_fd = cells.create()
        self.cells = cells.Cells(self.cells_fd)
        self.end = End(mine, work.from_child_decoder)
        self.pid = self.pidfd = 0
        self._cell = 0

    def run(self, *calls: tuple[Any, ...], timeout_s: float | None = None) -> list[int]:
        """Has the child run `(name, *args)` each, in one frame, and returns their cells."""
        executions = []
        for name, *args in calls:
            body = msgspec.json.encode(args)
            executions.append(
                Execution(f"job_{self._cell}", 1, b"", f"app.{name}", "q", 1, 0, 3, timeout_s, body, b"{}", self._cell)
            )
            self._cell += 1
        self.send(work.Run(executions))
        return [execution.cell for execution in executions]

    def wait_for_start(self) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not self.cells.is_started(0):
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def send(self, message: work.ToChild) -> None:
        self.end.socket.sendall(frames.encode(message, LIMIT))

    def outcomes(self, count: int) -> dict[int, Outcome]:
        """Returns the next `count` outcomes by their cells."""
        found: list[Outcome] = []
        while len(found) < count:
            found += outcomes_in(self.end.next(work.Outcomes))
        assert len(found) == count
        return {outcome.cell: outcome for outcome in found}

    def call(self, name: str, *args: Any, timeout_s: float | None = None) -> tuple[Ending, Any]:
        (cell,) = self.run((name, *args), timeout_s=timeout_s)
        outcome = self.outcomes(1)[cell]
        return outcome.ending, None if outcome.body is None else msgspec.json.decode(outcome.body)


class Supervisor:
    """Starts the fork server as the supervisor does, and talks to it."""

    def __init__(self, directory: Path) -> None:
        self.errors = directory / "stderr"
        mine, theirs = socket.socketpair()
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "currant.child", "--fd", str(theirs.fileno()), "--parent", str(os.getpid())],
                pass_fds=[theirs.fileno()],
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
            )
        theirs.close()
        self.end = End(mine, control.from_fork_server_decoder)
        self._children = 0

    def send(self, message: control.ToForkServer, fds: list[int] | None = None) -> None:
        send_with_fds(self.end.socket, frames.encode(message, control.CONTROL_BYTES_MAX), fds or [])

    def boot(self, *modules: str, concurrency: int = 4) -> None:
        self.send(control.Boot(list(modules), concurrency, 1 << 20))

    def ask_to_fork(self) -> Child:
        self._children += 1
        child = Child(self._children)
        self.send(control.Fork(child.number), [child.theirs.fileno(), child.cells_fd])
        child.theirs.close()
        os.close(child.cells_fd)
        return child

    def greet(self, child: Child) -> Child:
        forked = self.end.next(control.Forked)
        assert forked.child == child.number
        child.pid, child.pidfd = forked.pid, self.end.fds.popleft()
        assert child.end.next(work.Hello).pid == child.pid
        return child

    def ended(self, child: "Child") -> int:
        """Returns the exit status of this child, which ends."""
        exited = self.end.next(control.Exited)
        assert (exited.child, exited.pid) == (child.number, child.pid)
        assert exited.cpu_s is not None
        assert exited.cpu_s > 0
        return exited.status

    def fork(self) -> Child:
        return self.greet(self.ask_to_fork())

    def stop(self) -> None:
        self.end.socket.close()
        try:
            self.process.wait(DEADLINE_S)
        finally:
            self.process.kill()


def has_ended(child: Child) -> bool:
    return bool(select.select([child.pidfd], [], [], DEADLINE_S)[0])


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    (tmp_path / "app.py").write_text(textwrap.dedent(APP))
    it = Supervisor(tmp_path)
    try:
        yield it
    finally:
        it.stop()


@pytest.fixture
def booted(supervisor: Supervisor) -> Supervisor:
    supervisor.boot("app")
    supervisor.end.next(control.ServerHello)
    return supervisor


# Boot


def test_hello_lists_functions_and_queues(supervisor: Supervisor) -> None:
    supervisor.boot("app")
    hello = supervisor.end.next(control.ServerHello)
    assert hello.functions == sorted(hello.functions)
    assert {"app.add", "app.on_mail"} <= set(hello.functions)
    assert hello.queues == ["default", "mail"]


@pytest.mark.parametrize(
    ("module", "missing"), [("nowhere", "nowhere"), ("nowhere.jobs", "nowhere"), ("app.x", "app.x")]
)
def test_a_missing_module_is_named_without_a_traceback(supervisor: Supervisor, module: str, missing: str) -> None:
    supervisor.boot("app", module)
    failed = supervisor.end.next(control.ImportFailed)
    message = f"no module named {missing!r} (looked in the current directory and on sys.path)"
    assert failed == control.ImportFailed(module, message, "")
    assert supervisor.process.wait(DEADLINE_S) == 1


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import json\nraise ValueError('no luck')\n", "ValueError: no luck"),
        ("import json\nimport nowhere\n", "ModuleNotFoundError: No module named 'nowhere'"),
        ("import json\nraise SystemExit('leaving')\n", "SystemExit: leaving"),
        ("import json\nthis is all wrong\n", "SyntaxError: invalid syntax"),
        ("import json\nraise ValueError('\\ud800' * 3)\n", "ValueError: \\ud800\\ud800\\ud800"),
    ],
)
def test_a_module_that_raises_is_told_with_the_users_frames_alone(
    supervisor: Supervisor, tmp_path: Path, source: str, message: str
) -> None:
    (tmp_path / "broken.py").write_text(source)
    supervisor.boot("broken")
    failed = supervisor.end.next(control.ImportFailed)
    assert failed.module == "broken"
    assert failed.message.startswith(message)
    assert f'{tmp_path}/broken.py", line 2' in failed.traceback
    assert "importlib" not in failed.traceback
    assert "currant" not in failed.traceback.replace(str(tmp_path), "")
    assert supervisor.process.wait(DEADLINE_S) == 1


def test_with_another_parent_than_told_it_ends(tmp_path: Path) -> None:
    mine, theirs = socket.socketpair()
    command = [sys.executable, "-m", "currant.child", "--fd", str(theirs.fileno()), "--parent", "1"]
    assert (
        subprocess.run(command, pass_fds=[theirs.fileno()], cwd=tmp_path, timeout=DEADLINE_S, check=False).returncode
        == 0
    )
    mine.close()
    theirs.close()


# Work


def test_outcomes_come_back(booted: Supervisor) -> None:
    child = booted.fork()
    first, second, third = child.run(("add", 1, 2), ("noop",), ("nobody_knows",))
    outcomes = child.outcomes(3)
    assert outcomes[first] == Outcome(first, Ending.COMPLETED, b"3")
    assert outcomes[second] == Outcome(second, Ending.COMPLETED, b"null")
    assert outcomes[third] == Outcome(third, Ending.UNKNOWN, None)
    assert child.cells.is_started(first)


def test_a_long_backlog_is_worked_off_in_order(booted: Supervisor) -> None:
    child = booted.fork()
    expected = child.run(*[("add", number) for number in range(5000)])
    ended: list[int] = []
    while len(ended) < 5000:
        ended += [outcome.cell for outcome in outcomes_in(child.end.next(work.Outcomes))]
    assert ended == expected


def test_large_results_come_in_frames_within_the_limit(booted: Supervisor) -> None:
    child = booted.fork()
    child.run(*[("big", 1_000_000)] * 12)
    assert sum(len(outcome.body or b"") for outcome in child.outcomes(12).values()) == 12 * 1_000_002


def test_the_concurrency_limit_holds(booted: Supervisor, tmp_path: Path) -> None:
    child = booted.fork()
    paths = [str(tmp_path / f"event{number}") for number in range(6)]
    waiting = child.run(*[("wait", path) for path in paths])
    eventually(lambda: child.cells.is_started(waiting[3]), DEADLINE_S)
    # An answer says that the child has seen the frame and started what it will.
    child.send(work.Recall([]))
    assert child.end.next(work.Recalled).cells == []
    assert [child.cells.is_started(cell) for cell in waiting] == [True] * 4 + [False] * 2
    Path(paths[1]).touch()
    assert list(child.outcomes(1)) == [waiting[1]]
    eventually(lambda: child.cells.is_started(waiting[4]), DEADLINE_S)
    assert not child.cells.is_started(waiting[5])
    for path in paths:
        Path(path).touch()
    assert len(child.outcomes(5)) == 5


def test_recall_gives_back_only_what_has_not_started(booted: Supervisor) -> None:
    child = booted.fork()
    waiting = child.run(*[("forever",)] * 7)
    eventually(lambda: child.cells.is_started(waiting[3]), DEADLINE_S)
    child.send(work.Recall([waiting[0], waiting[6], waiting[4], 4000]))
    assert child.end.next(work.Recalled).cells == [waiting[4], waiting[6]]
    child.send(work.Recall([waiting[4]]))
    assert child.end.next(work.Recalled).cells == []
    child.send(work.Cancel(waiting[:4]))
    released = child.outcomes(4)
    assert {outcome.ending for outcome in released.values()} == {Ending.RELEASED}
    eventually(lambda: child.cells.is_started(waiting[5]), DEADLINE_S)
    assert not child.cells.is_started(waiting[4])
    assert not child.cells.is_started(waiting[6])


def test_cancel_releases_what_ends_by_it(booted: Supervisor) -> None:
    child = booted.fork()
    forever, stubborn, *rest = child.run(("forever",), ("stubborn",), ("forever",), ("forever",), ("add", 1))
    eventually(lambda: child.cells.is_started(rest[1]), DEADLINE_S)
    child.send(work.Cancel([forever, stubborn, rest[2]]))
    assert child.outcomes(3) == {
        forever: Outcome(forever, Ending.RELEASED),
        stubborn: Outcome(stubborn, Ending.COMPLETED, b'"done anyway"'),
        rest[2]: Outcome(rest[2], Ending.RELEASED),
    }
    assert not child.cells.is_started(rest[2])


def test_cancel_right_after_run_loses_nothing(booted: Supervisor) -> None:
    child = booted.fork()
    for _ in range(50):
        waiting = child.run(("forever",), ("forever",))
        child.send(work.Cancel(waiting))
        assert {outcome.ending for outcome in child.outcomes(2).values()} == {Ending.RELEASED}


def test_a_timeout_fails_the_execution_and_frees_its_slot(booted: Supervisor) -> None:
    child = booted.fork()
    ending, body = child.call("forever", timeout_s=0.05)
    assert (ending, body["type"]) == (Ending.TIMED_OUT, "Timeout")
    assert child.call("add", 1, 2) == (Ending.COMPLETED, 3)


def test_whatever_is_raised_ends_that_execution_and_the_neighbours_live_on(booted: Supervisor, tmp_path: Path) -> None:
    child = booted.fork()
    (neighbour,) = child.run(("wait", str(tmp_path / "event")))
    for how in ("throw", "throw_in_a_task"):
        for name in ("SystemExit", "KeyboardInterrupt", "GeneratorExit", "CancelledError", "RecursionError"):
            ending, body = child.call(how, name)
            assert ending is Ending.FAILED
            assert body["type"].endswith(name)
    (tmp_path / "event").touch()
    assert child.outcomes(1)[neighbour].ending is Ending.COMPLETED


def test_executions_do_not_share_context(booted: Supervisor) -> None:
    child = booted.fork()
    child.run(*[("get_context",)] * 10)
    assert {outcome.body for outcome in child.outcomes(10).values()} == {b'["unset",null]'}


def test_children_are_their_own_process(booted: Supervisor) -> None:
    one, other = booted.fork(), booted.fork()
    (_, (random_one, oom_score, pid)), (_, (random_other, _, _)) = one.call("about"), other.call("about")
    assert random_one != random_other
    assert pid == one.pid
    assert oom_score >= 300


def test_signals_to_the_group_end_nobody(booted: Supervisor) -> None:
    child = booted.fork()
    for number in (signal.SIGINT, signal.SIGTERM):
        os.killpg(booted.process.pid, number)
    assert child.call("hear") == (Ending.COMPLETED, "alive")
    other = booted.fork()
    assert other.call("add", 1) == (Ending.COMPLETED, 1)


def test_subprocesses_of_the_users_can_be_terminated(booted: Supervisor) -> None:
    assert booted.fork().call("sleeps_in_subprocess") == (Ending.COMPLETED, -signal.SIGTERM)


# Ends


def test_a_killed_child_is_reported_and_its_cells_tell_started_from_unstarted(booted: Supervisor) -> None:
    child, neighbour = booted.fork(), booted.fork()
    waiting = child.run(*[("forever",)] * 6)
    eventually(lambda: child.cells.is_started(waiting[3]), DEADLINE_S)
    os.kill(child.pid, signal.SIGKILL)
    assert booted.ended(child) == -signal.SIGKILL
    assert has_ended(child)
    assert child.end.wait_for_end() == []
    assert [child.cells.is_started(cell) for cell in waiting] == [True] * 4 + [False] * 2
    assert neighbour.call("add", 1, 2) == (Ending.COMPLETED, 3)


def test_a_child_whose_socket_is_closed_ends_by_itself(booted: Supervisor) -> None:
    child = booted.fork()
    child.run(("forever",), ("stubborn",))
    child.end.socket.close()
    assert booted.ended(child) == 0


def test_a_child_that_is_asked_to_end_does(booted: Supervisor) -> None:
    child = booted.fork()
    assert child.call("add", 1, 2) == (Ending.COMPLETED, 3)
    child.send(work.Stop())
    assert booted.ended(child) == 0


def test_nonsense_ends_the_child_with_a_line(booted: Supervisor) -> None:
    child = booted.fork()
    child.end.socket.sendall(b"\xff" * 64)
    assert booted.ended(child) == 70
    assert "its supervisor sent nonsense: a frame of 4294967295 bytes is over the limit" in booted.errors.read_text()


def test_nonsense_ends_the_fork_server_and_its_children(booted: Supervisor) -> None:
    child = booted.fork()
    booted.end.socket.sendall(b"\xff" * 64)
    assert booted.process.wait(DEADLINE_S) == 70
    assert has_ended(child)


def test_code_that_closes_every_descriptor_ends_only_its_child(booted: Supervisor) -> None:
    child, neighbour = booted.fork(), booted.fork()
    child.run(("close_sockets",))
    child.end.wait_for_end()
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(child.pidfd, signal.SIGKILL)
    assert booted.end.next(control.Exited).child == child.number
    assert neighbour.call("add", 1, 2) == (Ending.COMPLETED, 3)


def test_a_killed_fork_server_takes_its_children_along(booted: Supervisor) -> None:
    children = [booted.fork() for _ in range(3)]
    for child in children:
        child.run(("forever",))
    booted.process.kill()
    booted.process.wait(DEADLINE_S)
    for child in children:
        assert has_ended(child)
        eventually(lambda pid=child.pid: not is_alive(pid), DEADLINE_S)  # type: ignore[misc]
        child.end.wait_for_end()


def test_closing_the_control_socket_ends_all(booted: Supervisor) -> None:
    children = [booted.fork() for _ in range(3)]
    booted.end.socket.close()
    assert booted.process.wait(DEADLINE_S) == 0
    for child in children:
        assert has_ended(child)


def test_a_child_holds_no_siblings_socket(booted: Supervisor) -> None:
    # Asked for at once: the second pair of descriptors waits in the fork server while it forks the first.
    asked = [booted.ask_to_fork() for _ in range(3)]
    children = [booted.greet(child) for child in asked]
    os.kill(children[2].pid, signal.SIGKILL)
    assert booted.end.next(control.Exited).child == children[2].number
    children[2].end.wait_for_end()


def test_a_refused_fork_is_reported(supervisor: Supervisor, tmp_path: Path) -> None:
    (tmp_path / "limited.py").write_text(
        "import os\n"
        "def refuse():\n"
        "    raise BlockingIOError(11, 'Resource temporarily unavailable')\n"
        "os.fork = refuse\n"
    )
    supervisor.boot("app", "limited")
    supervisor.end.next(control.ServerHello)
    child = supervisor.ask_to_fork()
    failed = supervisor.end.next(control.ForkFailed)
    assert failed == control.ForkFailed(child.number, "[Errno 11] Resource temporarily unavailable")
    child.end.wait_for_end()


def test_without_room_for_descriptors_forking_fails_and_the_fork_server_lives_on(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    (tmp_path / "limited.py").write_text(
        "import resource\n"
        "from currant.registry import Definition, registry\n"
        "_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))\n"
    )
    supervisor.boot("app", "limited")
    supervisor.end.next(control.ServerHello)
    asked = [supervisor.ask_to_fork() for _ in range(2)]
    for child in asked:
        assert supervisor.end.next(control.ForkFailed) == control.ForkFailed(child.number, "Too many open files")
        child.end.wait_for_end()
    resource.prlimit(supervisor.process.pid, resource.RLIMIT_NOFILE, (256, 256))
    assert supervisor.fork().call("add", 1, 2) == (Ending.COMPLETED, 3)


# Pings and stacks


def test_a_child_answers_pings_from_its_loop_and_says_how_late_it_was(booted: Supervisor, tmp_path: Path) -> None:
    child = booted.fork()
    child.send(work.Ping(1, time.monotonic()))
    assert child.end.next(work.Pong).number == 1
    child.run(("block", str(tmp_path / "go")))
    child.wait_for_start()
    child.send(work.Ping(2, time.monotonic()))
    time.sleep(0.2)
    (tmp_path / "go").touch()
    # Not before the loop turns again; the outcome may come before or after it.
    (pong,) = [each for each in (child.end.next(object), child.end.next(object)) if isinstance(each, work.Pong)]
    assert pong.number == 2
    assert pong.lag_s > 0.1


def test_a_child_writes_its_stacks_whatever_it_does(booted: Supervisor) -> None:
    child = booted.fork()
    child.run(("block", "/never"))
    child.wait_for_start()
    deadline = time.monotonic() + DEADLINE_S
    while b"in block" not in child.cells.stack():
        assert time.monotonic() < deadline
        child.cells.rewind_stack()
        signal.pidfd_send_signal(child.pidfd, cells.STACK_SIGNAL)
        time.sleep(0.1)
    assert b"app.py" in child.cells.stack()
