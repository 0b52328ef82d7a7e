"""Claim, release, retry, crash, reclaim, complete and cancel against a real table, and a model of what must come of it.

Whatever order they come in, and however late: an outcome counts while its lease is held, and never otherwise; each
claim has a lease that nothing else has or will have.
"""

import asyncio
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from currant.executions import Ending, Execution, RetryPolicy, Status, Verdict, judge
from currant.store import inspection, parking, queries, retention
from tests.store.support import claim, connected, enqueue, fetch, new, one
from tests.support import HANGS_S

T = TypeVar("T")
POLICY = RetryPolicy(base_s=0.0, max_s=0.0, crashes_max=2)
WAITING = (Status.PENDING, Status.SCHEDULED)
ENDINGS = [Ending.RELEASED, Ending.CRASHED, Ending.FAILED, Ending.REJECTED, Ending.SNOOZED, Ending.CANCELLED]
#: Which of the things there are a rule takes, modulo their number.
PICK = st.integers(0, 1000)


@dataclass
class Row:
    """What the model knows of an execution."""

    status: Status = Status.PENDING
    lease: int = 0
    attempt: int = 0
    crashes: int = 0
    cancelled: bool = False
    node: str = ""

    def facts(self) -> tuple[str, int, int, int]:
        return self.status, self.lease, self.attempt, self.crashes


class Leases(RuleBasedStateMachine):
    """Two nodes at a time. One that was declared dead comes back under a new name, and its old outcomes come late."""

    runner: asyncio.Runner
    url: str

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        async def within_time() -> T:
            async with asyncio.timeout(HANGS_S):
                return await work

        return self.runner.run(within_time())

    @initialize()
    def begin(self) -> None:
        self.context = connected(self.url)
        self.connection = self.run(self.context.__aenter__())
        self.run(fetch(self.connection, "TRUNCATE executions, worker_heartbeats, dead_letter_queue CASCADE"))
        self.rows: dict[str, Row] = {}
        #: Everything that was ever claimed: each may come back at any time, and more than once.
        self.claimed: list[Execution] = []
        self.seen: set[tuple[str, int]] = set()
        self.nodes: list[str] = []
        self.dead: list[str] = []
        self.letters = 0
        for _ in range(2):
            self._register()
            self.enqueue(retries=2)

    def teardown(self) -> None:
        if hasattr(self, "connection"):
            self.connection.pgconn.finish()

    @precondition(lambda self: len(self.rows) < 3)
    @rule(retries=st.integers(0, 2))
    def enqueue(self, retries: int) -> None:
        """Few: that each has many leases."""
        (id,) = self.run(enqueue(self.connection, new(retries=retries)))
        self.rows[id] = Row()

    @rule(node=st.integers(0, 1), rows=st.integers(1, 4), plenty=st.booleans())
    def claim(self, node: int, rows: int, plenty: bool) -> None:
        name = self.nodes[node]
        pending = [id for id, row in self.rows.items() if row.status is Status.PENDING]
        found = self.run(claim(self.connection, rows, node=name, plenty=plenty))
        assert found.alive
        assert len(found.executions) == min(rows, len(pending))
        for execution in found.executions:
            assert execution.id in pending
            assert (execution.id, execution.lease) not in self.seen
            self.seen.add((execution.id, execution.lease))
            row = self.rows[execution.id]
            row.status, row.node = Status.RUNNING, name
            row.lease += 1
            row.attempt += 1
            assert (execution.lease, execution.attempt, execution.crashes) == (row.lease, row.attempt, row.crashes)
        self.claimed += found.executions

    @precondition(lambda self: self.dead)
    @rule(pick=PICK, plenty=st.booleans())
    def a_dead_node_claims_nothing(self, pick: int, plenty: bool) -> None:
        found = self.run(claim(self.connection, 4, node=self.dead[pick % len(self.dead)], plenty=plenty))
        assert (found.executions, found.alive) == ([], False)

    @precondition(lambda self: self.claimed)
    @rule(pick=PICK)
    def complete(self, pick: int) -> None:
        execution, row, held = self._any(pick)
        assert self.run(queries.complete(self.connection, [execution], [b"1"])) == held
        late = self.run(queries.late(self.connection, [execution], [Status.COMPLETED]))
        if held:
            row.status = Status.COMPLETED
        recorded = row.status is Status.COMPLETED and row.lease == execution.lease
        assert late == ([] if recorded else [execution.id])

    @precondition(lambda self: self.claimed)
    @rule(pick=PICK, ending=st.sampled_from(ENDINGS))
    def end_otherwise(self, pick: int, ending: Ending) -> None:
        execution, row, held = self._any(pick)
        verdict = judge(execution, ending, b'{"type": "E"}', POLICY, lambda: 0.5)
        assert self.run(queries.settle(self.connection, [verdict])) == held
        if held:
            self._settled(row, verdict)

    @precondition(lambda self: self._stale())
    @rule(pick=PICK, ending=st.sampled_from(ENDINGS))
    def an_outcome_of_an_earlier_lease_changes_nothing(self, pick: int, ending: Ending) -> None:
        """While the execution runs again under another."""
        stale = self._stale()
        execution = stale[pick % len(stale)]
        verdict = judge(execution, ending, b'{"type": "E"}', POLICY, lambda: 0.5)
        assert self.run(queries.complete(self.connection, [execution], [b"1"])) == 0
        assert self.run(retention.discard(self.connection, [execution], [b"1"])) == 0
        assert self.run(queries.settle(self.connection, [verdict])) == 0
        assert self.run(parking.park(self.connection, [execution])) == 0

    @precondition(lambda self: self._held())
    @rule(node=st.integers(0, 1), pick=PICK)
    def release_and_claim_again(self, node: int, pick: int) -> None:
        held = self._held()
        execution = held[pick % len(held)]
        verdict = judge(execution, Ending.RELEASED, None, POLICY, lambda: 0.5)
        assert self.run(queries.settle(self.connection, [verdict])) == 1
        self._settled(self.rows[execution.id], verdict)
        self.claim(node=node, rows=4, plenty=True)

    @rule()
    def promote(self) -> None:
        due = [row for row in self.rows.values() if row.status is Status.SCHEDULED]
        assert self.run(queries.promote(self.connection, queues=["q"], rows=100)).promoted == len(due)
        for row in due:
            row.status = Status.PENDING

    @rule(node=st.integers(0, 1))
    def declare_dead(self, node: int) -> None:
        """By the other one; it comes back at once under a new name, and knows what it holds by its old leases."""
        name = self.nodes.pop(node)
        (other,) = self.nodes
        assert name in self.run(queries.declare_dead(self.connection, node=other, timeout_s=1e6, known=[name]))
        self.dead.append(name)
        self._register()

    @precondition(lambda self: self.dead)
    @rule(rows=st.integers(1, 3), crowd=st.booleans())
    def reclaim(self, rows: int, crowd: bool) -> None:
        """A piece of what the dead hold; `crowd`: two nodes take back the same."""
        held = self.run(queries.held(self.connection, self.dead, rows=rows))
        running = [id for id, row in self.rows.items() if row.status is Status.RUNNING and row.node in self.dead]
        assert len(held) == min(rows, len(running))
        assert {each.id for each in held} <= set(running)
        verdicts = [judge(each, Ending.LOST, b'{"type": "NodeDied"}', POLICY, lambda: 0.5) for each in held]
        assert self.run(queries.settle(self.connection, verdicts)) == len(held)
        if crowd:
            assert self.run(queries.settle(self.connection, verdicts)) == 0
        for verdict in verdicts:
            self._settled(self.rows[verdict.execution.id], verdict)

    @precondition(lambda self: self.rows)
    @rule(pick=PICK)
    def cancel(self, pick: int) -> None:
        id = list(self.rows)[pick % len(self.rows)]
        row = self.rows[id]
        ended = row.status in (Status.COMPLETED, Status.FAILED, Status.CANCELLED)
        assert self.run(queries.cancel(self.connection, [id])) == (set() if ended else {id})
        if not ended:
            row.cancelled = True
            row.status = row.status if row.status is Status.RUNNING else Status.CANCELLED

    @precondition(lambda self: self.rows)
    @rule(pick=PICK)
    def retry_by_hand(self, pick: int) -> None:
        id = list(self.rows)[pick % len(self.rows)]
        row = self.rows[id]
        self.run(inspection.retry(self.connection, [id], letters=[]))
        if row.status in (Status.FAILED, Status.CANCELLED):
            row.status, row.attempt, row.crashes, row.cancelled = Status.PENDING, 0, 0, False

    @invariant()
    def the_table_is_as_the_model_says(self) -> None:
        if not hasattr(self, "connection"):
            return
        found = self.run(fetch(self.connection, "SELECT id, status, lease, attempt, crashes FROM executions"))
        assert {id: facts for id, *facts in found} == {id: list(row.facts()) for id, row in self.rows.items()}
        assert self.run(one(self.connection, "SELECT count(*) FROM dead_letter_queue")) == self.letters

    def _any(self, pick: int) -> tuple[Execution, Row, bool]:
        """Returns something that was claimed once, its row, and whether its lease is still held."""
        execution = self.claimed[pick % len(self.claimed)]
        row = self.rows[execution.id]
        return execution, row, row.status is Status.RUNNING and row.lease == execution.lease

    def _held(self) -> list[Execution]:
        """Returns what was claimed and still runs under that lease."""
        return [each for each in self.claimed if self._running(each) == each.lease]

    def _stale(self) -> list[Execution]:
        """Returns what was claimed and runs under a later lease."""
        return [each for each in self.claimed if (lease := self._running(each)) is not None and lease != each.lease]

    def _running(self, execution: Execution) -> int | None:
        """Returns the lease under which it runs."""
        row = self.rows[execution.id]
        return row.lease if row.status is Status.RUNNING else None

    def _settled(self, row: Row, verdict: Verdict) -> None:
        row.status = Status.CANCELLED if row.cancelled and verdict.status in WAITING else verdict.status
        row.attempt -= verdict.uncount
        row.crashes += verdict.crash
        self.letters += row.status is Status.FAILED

    def _register(self) -> None:
        name = f"node_{len(self.nodes) + len(self.dead)}"
        self.run(queries.register(self.connection, node=name, queues=["q"], metadata={}))
        self.nodes.append(name)


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


def test_an_outcome_counts_while_its_lease_is_held_and_never_otherwise(url: str, runner: asyncio.Runner) -> None:
    class OnThisTable(Leases):
        pass

    OnThisTable.url, OnThisTable.runner = url, runner
    run_state_machine_as_test(
        OnThisTable,
        settings=settings(
            max_examples=20,
            stateful_step_count=40,
            deadline=None,
            database=None,
            # A failure is told as it was found: to make it smaller takes minutes.
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
