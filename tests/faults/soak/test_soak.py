"""The randomised crash test: mixed load, faults drawn from a seed, invariants after each phase."""

import random
import signal
import time
from collections.abc import Callable

import pytest

from tests.faults.servers import Server
from tests.faults.soak import invariants
from tests.faults.soak.load import Load
from tests.faults.soak.nemesis import Nemesis
from tests.faults.trial import Trial
from tests.nodes import Node, eventually

#: In `make test`: of the seeds, the first whose three rounds hold a death of each kind of process, and of Postgres.
SEED, ROUNDS = 272, 3
PROCS = 2
#: For what hangs, not for what is slow.
REST_S = 300.0


def test_whatever_breaks_each_execution_ends_once(
    own_server: Server, trial_at: Callable[[str], Trial], pytestconfig: pytest.Config
) -> None:
    seed = pytestconfig.getoption("--soak-seed")
    if seed is None:
        seed = random.randrange(10**6) if pytestconfig.getoption("--crash") else SEED
    seconds = pytestconfig.getoption("--soak-seconds")
    print(f"\nseed {seed}: make crash-soak ARGS='--soak-seed {seed}' draws the same again")
    draw, trial = random.Random(seed), trial_at(own_server.url)

    def start() -> Node:
        # In one runtime directory after the other: what a dead node held is taken over at once.
        return trial.node(
            *("--procs", str(PROCS), "--concurrency", "16", "--grace", "1"),
            module="jobs,soak_jobs",
            folder=trial.folder / "node",
            # Chance may hit one execution more often than a user's patience allows.
            CURRANT_CRASHES_MAX="1000",
        )

    nemesis, load = Nemesis(draw, trial, own_server, start), Load(draw, trial)
    began, number = time.monotonic(), 0
    while number < ROUNDS if seconds is None else time.monotonic() - began < seconds:
        number += 1
        print(f"round {number}:", _round(draw, trial, nemesis, load), flush=True)
    _check_reload(nemesis.node)
    assert nemesis.node.stop() == 0


def _round(draw: random.Random, trial: Trial, nemesis: Nemesis, load: Load) -> str:
    """Load and faults by turns, then rest and the check; returns what there was."""
    told = []
    for _ in range(draw.randint(1, 3)):
        load.batch()
        time.sleep(draw.uniform(0, 0.5))
        told.append(nemesis.strike())
    struck_at = time.monotonic()
    trial.at_rest(REST_S)
    rested_s = time.monotonic() - struck_at
    count = invariants.check(trial, load.ends)
    eventually(nemesis.has_reloaded, REST_S)
    eventually(lambda: _is_whole(nemesis.node), REST_S)
    return f"{'; '.join(told)}; at rest after {rested_s:.1f} s; {count} executions in all"


def _is_whole(node: Node, after_generation: int = 0) -> bool:
    """Whether everything is there again, and nothing too much, but for a quarantine, which stays for a minute.

    All children must be of one generation, which comes after that one.
    """
    status = node.status()
    ready = [child for child in status.children if (child.state, child.role) == ("ready", "work")]
    generations = {child.generation for child in status.children if child.pid is not None}
    return (
        len(ready) == PROCS
        and len(generations) == 1
        and min(generations) > after_generation
        and status.phase != "reloading"
        and not status.unsaved
        and not status.connections_lost
    )


def _check_reload(node: Node) -> None:
    """Whatever has been done to it, a whole node still reloads when nobody hinders it."""
    newest = max(child.generation for child in node.status().children)
    node.send(signal.SIGHUP)
    eventually(lambda: _is_whole(node, after_generation=newest), REST_S)
