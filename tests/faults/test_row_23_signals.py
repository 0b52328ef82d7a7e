"""Row 23: SIGTERM twice, SIGINT, SIGQUIT, during boot, during reload. Whatever the signals, the exit is bounded."""

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from signal import SIGINT, SIGQUIT, SIGTERM
from typing import Any

import pytest

from currant.store import migrate
from currant.store.embedded import start_throwaway
from tests.faults.trial import Trial
from tests.nodes import HANGS_S, Node, eventually, is_alive

pytestmark = pytest.mark.fault(23)

#: For what hangs, not for what is slow: the bounds of a drain without a grace period add up to less.
EXIT_S = HANGS_S
WAYS = [(SIGTERM,), (SIGINT, SIGINT), (SIGQUIT,)]
#: What hangs at boot waits for its signal, and does not meet the deadline before.
PATIENT: dict[str, Any] = {"CURRANT_BOOT_TIMEOUT_S": "600"}
NOISE = (signal.SIGHUP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGUSR1)
HURRIES = [(SIGTERM, SIGTERM), (SIGINT, SIGINT, SIGINT), (SIGQUIT,), (SIGTERM, SIGQUIT)]


def _pending(trial: Trial) -> set[str]:
    return {id for (id,) in trial.rows("SELECT id FROM executions WHERE status = 'pending'")}


def _left_running(trial: Trial, node: Node) -> set[str]:
    """Returns what a node in a hurry has left to the next one: nothing, but where the database was too slow."""
    left = {id for (id,) in trial.rows("SELECT id FROM executions WHERE status = 'running'")}
    assert not left or all(fields["unsaved"] for fields in node.told("node stopped")), node.log
    return left


class Frozen:
    """A trial with a server of its own, whose answers to a node can be stopped."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self._backends: list[int] = []

    def freeze(self) -> None:
        self._backends = [
            pid
            for (pid,) in self.trial.rows("SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'currantd:%'")
        ]
        for pid in self._backends:
            os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        for pid in self._backends:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@pytest.fixture
def frozen(trial_at: Callable[[str], Trial]) -> Iterator[Frozen]:
    with start_throwaway() as server:
        asyncio.run(migrate.migrate_at(server.url))
        frozen = Frozen(trial_at(server.url))
        yield frozen
        frozen.thaw()


def _answers(node: Node) -> bool:
    """Whether the process has all of its handlers: before that, a signal is the interpreter's."""
    lines = Path(f"/proc/{node.process.pid}/status").read_text().splitlines()
    caught = next(line for line in lines if line.startswith("SigCgt"))
    mask = int(caught.split()[1], 16)
    return all(mask >> (number - 1) & 1 for number in (SIGTERM, SIGINT, SIGQUIT, signal.SIGUSR1))


def _end(node: Node, signals: tuple[signal.Signals, ...]) -> None:
    """Sends the signals, and waits for a clean exit."""
    below = node.descendants()
    for index, number in enumerate(signals):
        if number in signals[:index]:
            # Else the kernel, or the interpreter, may take the two for one.
            eventually(lambda: node.told("draining") or node.process.poll() is not None)
        node.send(number)
    assert node.process.wait(EXIT_S) == 0, node.log
    assert "Traceback" not in node.log
    eventually(lambda: not any(is_alive(pid) for pid in below))


def _slow(trial: Trial, what: str) -> Path:
    """From now on, imports or starts of children hang."""
    file = Path(f"{trial.ledger_file}.slow_{what}")
    file.touch()
    return file


# During boot and reload


@pytest.mark.parametrize(("what", "processes"), [("import", 1), ("start", 3)])
def test_at_boot_each_signal_ends_the_node_cleanly(trial: Trial, what: str, processes: int) -> None:
    trial.enqueue("stop_jobs.brief", count=10)
    _slow(trial, what)
    nodes = [trial.start("--procs", "2", module="stop_jobs", **PATIENT) for _ in WAYS]
    for node, signals in zip(nodes, WAYS, strict=True):
        eventually(lambda node=node: len(node.descendants()) == processes)  # type: ignore[misc]
        _end(node, signals)
    assert trial.states() == {"pending": 10}
    assert not trial.runs()


def test_while_the_database_is_waited_for_each_signal_ends_the_node_cleanly(trial: Trial) -> None:
    nowhere = "postgresql://127.0.0.1:1/nowhere"
    nodes = [trial.start("--procs", "1", CURRANT_DATABASE_URL=nowhere) for _ in WAYS]
    for node, signals in zip(nodes, WAYS, strict=True):
        eventually(lambda node=node: node.told("waiting for the database"))  # type: ignore[misc]
        _end(node, signals)


@pytest.mark.parametrize(("what", "processes"), [("import", 3), ("start", 4)])
def test_during_a_reload_each_signal_ends_the_node_cleanly(trial: Trial, what: str, processes: int) -> None:
    # Each with a queue of its own: what one gives back another would run at once.
    queues = [f"queue{number}" for number in range(len(WAYS))]
    options = ("--procs", "1", "--concurrency", "4")
    nodes = [trial.node(*options, "-q", queue, module="stop_jobs", **PATIENT) for queue in queues]
    count = trial.count(100)
    for queue in queues:
        trial.enqueue("stop_jobs.brief", 0.1, count=count, queue=queue)
    slow = _slow(trial, what)
    for node in nodes:
        node.send(signal.SIGHUP)
    for node, signals in zip(nodes, WAYS, strict=True):
        eventually(lambda node=node: len(node.descendants()) == processes)  # type: ignore[misc]
        _end(node, signals)
    slow.unlink()
    assert trial.states().keys() <= {"completed", "pending"}
    again = {run.id for run in trial.runs()} & _pending(trial)
    trial.node("--procs", "1", "-q", ",".join(queues), module="stop_jobs")
    assert trial.at_rest() == {"completed": count * len(queues)}
    trial.check_ledger(twice=again)


# Under load


@pytest.mark.parametrize("signals", HURRIES, ids=lambda signals: "-".join(each.name for each in signals))
def test_in_a_hurry_what_runs_is_ended_and_given_back_uncounted(
    trial: Trial, signals: tuple[signal.Signals, ...]
) -> None:
    node = trial.node("--procs", "2", "--concurrency", "8", "--grace", "3600", module="stop_jobs")
    endless = trial.enqueue("stop_jobs.endless_at_first", count=8, priority=9)
    stubborn = trial.enqueue("stop_jobs.stubborn_at_first", count=2, priority=9)
    brief = trial.enqueue("stop_jobs.brief", count=trial.count(200))
    trial.begun(endless + stubborn)
    eventually(lambda: trial.runs("end"))
    trial.fault()
    _end(node, signals)
    trial.recovered()
    left = _left_running(trial, node)
    assert trial.rows("SELECT DISTINCT attempt, crashes FROM executions WHERE status = 'pending'") in ([(0, 0)], [])
    again = _pending(trial) | left
    assert again >= {*endless, *stubborn}
    trial.node("--procs", "2", "--concurrency", "16", module="stop_jobs", folder=node.folder)
    assert trial.at_rest() == {"completed": len(endless + stubborn + brief)}
    trial.check_ledger(twice=again)


@pytest.mark.parametrize("signals", [(SIGQUIT,), (SIGTERM, SIGTERM)], ids=["SIGQUIT", "SIGTERM-SIGTERM"])
def test_a_database_that_does_not_answer_holds_up_no_exit_and_the_next_node_takes_over(
    frozen: Frozen, signals: tuple[signal.Signals, ...]
) -> None:
    trial = frozen.trial
    node = trial.node("--procs", "1", "--concurrency", "8", "--grace", "3600", module="stop_jobs")
    endless = trial.enqueue("stop_jobs.endless_at_first", count=4, priority=9)
    brief = trial.enqueue("stop_jobs.brief", count=100)
    trial.begun(endless)
    eventually(lambda: trial.runs("end"))
    frozen.freeze()
    with trial.fault():
        _end(node, signals)
    frozen.thaw()
    trial.node("--procs", "1", "--concurrency", "8", module="stop_jobs", folder=node.folder)
    assert trial.at_rest() == {"completed": len(endless + brief)}
    trial.recovered()
    trial.check_ledger(twice=endless + brief)


def test_whatever_signals_come_whenever_nothing_is_lost(trial: Trial) -> None:
    seed = int(os.environ.get("TEST_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"seed: TEST_SEED={seed}")
    chance = random.Random(seed)
    rounds = 30 if trial.crash else 3
    count = trial.count(600)
    trial.enqueue("stop_jobs.brief", count=count)
    ended_hard: set[str] = set()
    for _ in range(rounds):
        before = len(trial.runs())
        node = trial.start("--procs", "2", "--grace", "3600", module="stop_jobs", folder=trial.folder / "node")
        eventually(lambda node=node: _answers(node))  # type: ignore[misc]
        if chance.random() < 0.7:
            node.ready()
        time.sleep(chance.uniform(0, 0.3))
        noise = [chance.choice(NOISE) for _ in range(chance.randint(0, 3))]
        signals = [chance.choice((SIGTERM, SIGINT, SIGQUIT)) for _ in range(chance.randint(1, 4))]
        for number in noise + signals:
            if node.process.poll() is None:
                node.send(number)
            time.sleep(chance.uniform(0, 0.1))
        assert node.process.wait(EXIT_S) == 0, node.log
        is_hard = len(signals) > 1 or SIGQUIT in signals
        assert trial.states().keys() <= {"pending", "completed"} or (is_hard and _left_running(trial, node)), node.log
        if is_hard:
            ended_hard |= {run.id for run in trial.runs()[before:]}
    assert "Traceback" not in node.log
    trial.node("--procs", "2", "--concurrency", "64", module="stop_jobs", folder=trial.folder / "node")
    assert trial.at_rest() == {"completed": count}
    trial.check_ledger(twice=ended_hard)
