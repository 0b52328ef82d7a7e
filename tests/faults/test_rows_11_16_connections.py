"""Rows 11, 14, 15 and 16: connections that end, are cut at the worst moment, or hang."""

import pytest

from currant.supervisor.events import Event
from tests.faults.servers import count
from tests.faults.trial import Trial
from tests.nodes import eventually
from tests.process.proxy import Proxy

# Connections that the server ends


def _connections(trial: Trial, name: str) -> int:
    return len(trial.rows("SELECT FROM pg_stat_activity WHERE application_name LIKE %s", f"currantd:{name}"))


def _end_connection(trial: Trial, name: str) -> None:
    # One that ended before, of this node or of the test before, may be there for a moment.
    eventually(lambda: _connections(trial, name) == 1)
    trial.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s", f"currantd:{name}")


@pytest.mark.fault(11)
@pytest.mark.parametrize("connection", ["listen", "claim", "complete"])
def test_a_connection_that_ends_again_and_again_under_load_costs_two_lines_each_time_and_nothing_else(
    own_trial: Trial, connection: str
) -> None:
    node = own_trial.node("--procs", "2")
    rounds = 3
    rows = own_trial.count(900) // rounds
    for number in range(1, rounds + 1):
        # Work first: a loss is noticed by the next statement, and the load goes on through it.
        own_trial.enqueue("echo", count=rows)
        with own_trial.fault():
            _end_connection(own_trial, connection)
        own_trial.enqueue("echo", count=10)
        eventually(lambda number=number: count(node, Event.CONNECTION_REGAINED) == number)  # type: ignore[misc]
        own_trial.recovered()
    assert own_trial.at_rest() == {"completed": rounds * (rows + 10)}
    own_trial.check_ledger()
    assert count(node, Event.CONNECTION_LOST) == rounds
    assert not node.status().connections_lost
    # It listens, claims and completes again.
    own_trial.enqueue("echo")
    assert own_trial.at_rest() == {"completed": rounds * (rows + 10) + 1}
    own_trial.check_ledger()
    assert node.stop() == 0


@pytest.mark.fault(11)
def test_all_connections_that_end_at_once_are_one_outage(own_trial: Trial) -> None:
    node = own_trial.node("--procs", "1")
    # The node is ready before it listens.
    eventually(lambda: all(_connections(own_trial, name) for name in ("listen", "claim", "complete")))
    own_trial.enqueue("echo", count=own_trial.count(500))
    with own_trial.fault():
        ended = own_trial.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'currantd:%%'"
        )
    assert len(ended) >= 3
    own_trial.enqueue("echo", count=50)
    own_trial.at_rest()
    own_trial.recovered()
    own_trial.check_ledger()
    eventually(lambda: count(node, Event.CONNECTION_REGAINED) == count(node, Event.CONNECTION_LOST) >= 1)
    # Not one for each, unless one is regained before the next is lost: those that nobody has asked yet are made anew
    # without a word.
    assert count(node, Event.CONNECTION_LOST) <= 3


# Cut at the worst moment


@pytest.mark.fault(14)
def test_what_was_claimed_by_a_claim_whose_reply_was_cut_runs_once_and_uncounted(own_trial: Trial) -> None:
    with Proxy(own_trial.url) as proxy:
        node = own_trial.node("--procs", "2", CURRANT_DATABASE_URL=proxy.url)
        proxy.cut_next_claim()
        own_trial.fault()
        own_trial.enqueue("echo", count=50)
        assert own_trial.at_rest() == {"completed": 50}
        own_trial.recovered()
        assert proxy.cuts == 1
        # Claimed twice, run once, and the first time does not count as an attempt.
        assert own_trial.rows("SELECT DISTINCT attempt, lease, crashes FROM executions") == [(1, 2, 0)]
        own_trial.check_ledger()
        eventually(lambda: count(node, Event.FOUND) == 1)
        node.end()


@pytest.mark.fault(14)
def test_claims_that_are_slow_and_cut_under_load_lose_nothing_and_run_nothing_twice(own_trial: Trial) -> None:
    with Proxy(own_trial.url) as proxy:
        proxy.delay_s = (0.05, 0.2)
        node = own_trial.node("--procs", "2", CURRANT_DATABASE_URL=proxy.url)
        rounds = 4
        rows = own_trial.count(400) // rounds
        for number in range(1, rounds + 1):
            own_trial.enqueue("sleeper", 0.1, count=rows)
            proxy.cut_next_claim()
            eventually(lambda number=number: proxy.cuts == number)  # type: ignore[misc]
            eventually(lambda: own_trial.states()["pending"] < rows)
        assert own_trial.at_rest() == {"completed": rounds * rows}
        own_trial.check_ledger()
        assert own_trial.rows("SELECT DISTINCT attempt, crashes FROM executions") == [(1, 0)]
        assert max(lease for (lease,) in own_trial.rows("SELECT lease FROM executions")) > 1
        node.end()


@pytest.mark.fault(15)
def test_a_completion_whose_reply_was_cut_is_repeated_changes_nothing_and_is_counted_once(own_trial: Trial) -> None:
    with Proxy(own_trial.url) as proxy:
        node = own_trial.node("--procs", "1", CURRANT_DATABASE_URL=proxy.url)
        proxy.cut_next(b"currantd:complete", b"the marked result")
        own_trial.fault()
        own_trial.enqueue("echo", "the marked result", count=20)
        others = own_trial.count(200)
        own_trial.enqueue("echo", count=others)
        assert own_trial.at_rest() == {"completed": 20 + others}
        eventually(lambda: count(node, Event.CONNECTION_REGAINED) == 1)
        own_trial.recovered()
        assert proxy.cuts == 1
        eventually(lambda: node.status().unsaved == 0)
        executions = node.status().executions
        # What was written by the try whose reply was lost is not late.
        assert (executions["completed"], executions["fenced"]) == (20 + others, 0)
        assert count(node, Event.LATE) == 0
        own_trial.check_ledger()
        node.end()


# Hanging


@pytest.mark.fault(16)
def test_connections_on_which_nothing_passes_any_more_are_found(own_trial: Trial) -> None:
    """In ten seconds where a statement waits for its answer, in fifteen by the tick. This takes so long."""
    with Proxy(own_trial.url) as proxy:
        node = own_trial.node("--procs", "2", CURRANT_DATABASE_URL=proxy.url)
        running = own_trial.enqueue("gated", count=20)
        own_trial.begun(running)
        with own_trial.fault():
            proxy.drop_all()
        own_trial.open_gate()
        waiting = own_trial.count(200)
        own_trial.enqueue("echo", count=waiting)
        assert own_trial.at_rest() == {"completed": 20 + waiting}
        assert own_trial.recovered() < own_trial.promised(15, busy=100)
        assert own_trial.rows("SELECT DISTINCT attempt, crashes FROM executions") == [(1, 0)]
        eventually(lambda: not node.status().connections_lost)
        assert "no answer within 10 s" in node.log
        # LISTEN is a new one, too.
        eventually(lambda: count(node, Event.CONNECTION_LOST) == count(node, Event.CONNECTION_REGAINED))
        own_trial.check_ledger()
        node.end()
