"""Row 20: several nodes on one queue; one frozen, one cut off, one killed."""

import signal
from collections import Counter

import pytest

from currant.supervisor.events import Event
from tests.faults.servers import count
from tests.faults.trial import Trial
from tests.nodes import Node, eventually
from tests.process.proxy import Proxy

pytestmark = pytest.mark.fault(20)


@pytest.mark.parametrize("nodes", [2, pytest.param(4, marks=pytest.mark.crash_only("starts four nodes"))])
def test_nodes_that_race_for_the_same_rows_run_each_once_and_all_of_them_work(trial: Trial, nodes: int) -> None:
    trial.fault()
    started = [trial.start("--procs", "1", "--concurrency", "16") for _ in range(nodes)]
    for node in started:
        node.ready()
    children = {node.children()[0] for node in started}
    # More than all but one have slots for, so that each has to take some.
    gated = trial.enqueue("gated", count=16 * nodes)
    quick = trial.enqueue("echo", count=trial.count(1500))
    trial.begun(gated)
    assert {run.pid for run in trial.runs() if run.id in gated} == children
    trial.open_gate()
    assert trial.at_rest() == {"completed": len(gated) + len(quick)}
    trial.recovered()
    assert trial.rows("SELECT DISTINCT attempt, crashes FROM executions") == [(1, 0)]
    trial.check_ledger()
    shares = Counter(run.pid for run in trial.runs())
    assert shares.keys() == children
    for node in started:
        assert node.status().executions["fenced"] == 0
        assert node.stop() == 0


def _held_by(trial: Trial, node: Node) -> set[str]:
    children = set(node.children())
    return {run.id for run in trial.runs() if run.pid in children}


def test_a_node_that_is_cut_off_is_taken_over_and_finds_out_on_its_return(trial: Trial) -> None:
    with Proxy(trial.url) as proxy:
        cut_off = trial.node("--procs", "1", "--concurrency", "8", CURRANT_DATABASE_URL=proxy.url)
        held = trial.enqueue("gated", count=8)
        trial.begun(held)
        name = cut_off.status().node
        trial.node("--procs", "1", "--concurrency", "32", "--heartbeat-timeout", "10")
        with trial.fault():
            proxy.drop_all(unreachable=True)
        # As if it had been cut off for an hour.
        trial.rows(
            "UPDATE worker_heartbeats SET last_heartbeat = now() - interval '1 hour' WHERE worker_id = %s RETURNING 1",
            name,
        )
        trial.begun(held, times=2)
        trial.recovered()
        trial.open_gate()
        assert trial.at_rest() == {"completed": 8}
        eventually(lambda: cut_off.status().unsaved == 8)
        proxy.reach()
        eventually(lambda: count(cut_off, Event.FENCED) == 1)
        eventually(lambda: cut_off.status().executions["fenced"] == 8)
        assert trial.rows("SELECT DISTINCT crashes FROM executions WHERE id = ANY (%s)", held) == [(1,)]
        trial.check_ledger(twice=held)
        cut_off.end()


@pytest.mark.crash_only("takes over three nodes by the clock: half a minute")
def test_the_last_of_four_nodes_takes_over_from_one_frozen_one_cut_off_and_one_killed(trial: Trial) -> None:
    options = ("--procs", "1", "--concurrency", "16", "--heartbeat-timeout", "10")
    with Proxy(trial.url) as proxy:
        frozen, killed = trial.node(*options), trial.node(*options)
        cut_off = trial.node(*options, CURRANT_DATABASE_URL=proxy.url)
        last = trial.node(*options)
        gated = trial.enqueue("gated", count=64)
        trial.begun(gated)
        held = _held_by(trial, frozen) | _held_by(trial, killed) | _held_by(trial, cut_off)
        assert len(held) == 48
        quick = trial.enqueue("echo", count=trial.count(1000))
        with trial.fault():
            frozen.send(signal.SIGSTOP)
            killed.process.kill()
            proxy.drop_all(unreachable=True)
        # By the database's clock, as the row of each says: the timeout and two ticks.
        eventually(
            lambda: trial.rows("SELECT count(*) FROM worker_heartbeats WHERE status = 'stopped'") == [(3,)], within_s=90
        )
        ((takeover_s,),) = trial.rows(
            "SELECT extract(epoch FROM now() - max(last_heartbeat))::float8 FROM worker_heartbeats"
            " WHERE status = 'stopped'"
        )
        trial.measured(takeover_s)
        assert takeover_s < 10 * (10 + 2 * 5)
        trial.open_gate()
        assert trial.at_rest() == {"completed": len(gated) + len(quick)}
        frozen.send(signal.SIGCONT)
        proxy.reach()
        for node in (frozen, cut_off):
            eventually(lambda node=node: count(node, Event.FENCED) == 1)  # type: ignore[misc]
        more = trial.enqueue("echo", count=300)
        assert trial.at_rest() == {"completed": len(gated) + len(quick) + len(more)}
        trial.check_ledger(twice=held)
        assert count(last, Event.FENCED) == 0
        for node in (frozen, last):
            assert node.stop() == 0
        cut_off.end()
