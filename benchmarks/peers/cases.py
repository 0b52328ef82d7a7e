"""What is measured of a system: each case on an empty database, or Redis, with workers of its own."""

import contextlib
import os
import signal
import time
from collections.abc import Callable

from benchmarks.peers import notes
from benchmarks.peers.errors import PeersError
from benchmarks.peers.peer import Peer
from benchmarks.peers.processes import Session, session
from benchmarks.peers.processor import process_tree
from benchmarks.peers.servers import Servers
from benchmarks.peers.watch import until_done

PROCESSES = 2
#: How long workers get to start where their start is not part of what is measured: Celery's takes seconds.
BOOT_JOBS_S = 60.0
#: After a start, until what it caused is over and counted: an idle backend reports what it did ten seconds later.
SETTLE_S = 15.0
POLL_S = 0.02


def drain(peer: Peer, servers: Servers, jobs: int) -> dict[str, float]:
    """A backlog is enqueued in bulk, then the workers start. Raises PeersError: a job was lost, or ran twice."""
    with servers.place(peer.server) as place, session(peer, place, PROCESSES) as opened:
        enqueue_s = float(opened.script("many", str(jobs)))
        place.settle()
        if (there := peer.left(place, guess=False)) != jobs:
            raise PeersError(f"{jobs:,} jobs were enqueued, {there:,} are there")
        server_s = place.cpu_s()
        opened.start()
        span = until_done(jobs, lambda guess: peer.left(place, guess=guess), opened.check_alive)
        workers_s = opened.stop()
        server_s = place.cpu_s() - server_s
        if doubled := peer.doubled(place, jobs, opened.notes):
            raise PeersError(f"of {jobs:,} jobs, {doubled:+,} ran more often than once")
    return {
        f"drain_per_s@{jobs}": span.per_s,
        # From the workers' start to their end, so what starting takes is in it.
        f"cpu_us@{jobs}": (workers_s + server_s) / jobs * 1e6,
        "bulk_per_s": jobs / enqueue_s,
        f"workers_cpu_us@{jobs}": workers_s / jobs * 1e6,
        f"server_cpu_us@{jobs}": server_s / jobs * 1e6,
    }


def enqueue(peer: Peer, servers: Servers, jobs: int) -> dict[str, float]:
    """One job after the other, each durable before the next; no worker runs."""
    with servers.place(peer.server) as place, session(peer, place, PROCESSES) as opened:
        seconds = float(opened.script("single", str(jobs)))
    return {"single_per_s": jobs / seconds}


def latency(peer: Peer, servers: Servers, rate: int, seconds: int) -> dict[str, float]:
    """From the intended moment of the enqueue to the job's first line, with jobs enqueued one by one."""
    with servers.place(peer.server) as place, session(peer, place, PROCESSES) as opened:
        _start_and_warm(opened)
        opened.script("pace", str(rate), str(seconds))
        jobs = rate * seconds
        _until(opened, lambda: len(notes.lines(opened.notes, "stamp")) >= jobs, f"not all of {jobs} jobs ran")
        values = sorted(float(ms) for (ms,) in notes.lines(opened.notes, "stamp"))
    return {f"start_p50_ms@{rate}": _percentile(values, 0.50), f"start_p99_ms@{rate}": _percentile(values, 0.99)}


def idle(peer: Peer, servers: Servers, processes: int, seconds: float) -> dict[str, float]:
    """What the server is asked while there is no work: transactions of Postgres, commands of Redis."""
    with servers.place(peer.server) as place, session(peer, place, processes) as opened:
        _start_and_warm(opened)
        time.sleep(SETTLE_S)
        before, began_s = place.statements(), time.monotonic()
        time.sleep(seconds)
        asked = place.statements() - before
        per_s = asked / (time.monotonic() - began_s)
    return {f"idle_per_s@{processes}": per_s}


def crash_process(peer: Peer, servers: Servers, wait_s: float) -> dict[str, float | None]:
    """The process that runs a job is killed, with the others alive."""
    return {"process_s": _crash(peer, servers, wait_s, _kill_process)}


def crash_worker(peer: Peer, servers: Servers, wait_s: float) -> dict[str, float | None]:
    """All processes of the worker that runs a job are killed, as with its machine; another worker stands by."""
    return {"worker_s": _crash(peer, servers, wait_s, _kill_worker, workers=2)}


def _kill_process(opened: Session, pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def _kill_worker(opened: Session, pid: int) -> None:
    family = next(tree for worker in opened.workers if pid in (tree := process_tree(worker.pid)))
    # All stand still first, so that none does something about another's death.
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for each in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, number)


def _crash(
    peer: Peer, servers: Servers, wait_s: float, kill: Callable[[Session, int], None], workers: int = 0
) -> float | None:
    """Returns the seconds from the kill to the job's second start; None if it does not come within `wait_s`."""
    with servers.place(peer.server) as place, session(peer, place, PROCESSES) as opened:
        commands = list(peer.workers(PROCESSES))
        # Where one command makes both processes, another one is needed that can take over.
        opened.start(commands * 2 if workers > len(commands) else commands)
        _warm(opened)
        opened.script("hold")
        _until(opened, lambda: bool(notes.lines(opened.notes, "hold")), "the job to be killed did not start")
        (pid, _), *_ = notes.lines(opened.notes, "hold")
        killed_s = time.time()
        kill(opened, int(pid))
        while time.time() - killed_s < wait_s:  # not check_alive: one has been killed
            if len(starts := notes.lines(opened.notes, "hold")) > 1:
                return max(float(at_s) for _, at_s in starts) - killed_s
            time.sleep(POLL_S)
    return None


def _start_and_warm(opened: Session) -> None:
    opened.start()
    _warm(opened)


def _warm(opened: Session) -> None:
    """Returns when the workers have run jobs, and have had a while."""
    opened.script("pace", "20", "1")
    _until(opened, lambda: len(notes.lines(opened.notes, "stamp")) >= 20, "the workers do not run jobs")
    time.sleep(2)
    for file in opened.notes.glob("*.txt"):
        file.write_text("")


def _until(opened: Session, condition: Callable[[], bool], complaint: str) -> None:
    deadline = time.monotonic() + BOOT_JOBS_S
    while not condition():
        opened.check_alive()
        if time.monotonic() > deadline:
            raise PeersError(f"{complaint} within {BOOT_JOBS_S:g} s: {opened.tail()}")
        time.sleep(POLL_S)


def _percentile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
