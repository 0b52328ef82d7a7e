"""The completer: nothing is dropped, one bad row stands alone, and the accounts end at zero."""

import asyncio
from collections import Counter

import msgspec
import pytest

from currant.errors import RowLocked, StatementRefused
from currant.executions import Ending, Execution, Status, Verdict
from currant.settings import COMPLETE_ROWS_MAX
from currant.supervisor.completer import SETTLE_ROWS_MAX, WRITE_BYTES_MAX, Completer, Result
from currant.supervisor.ledger import Ledger
from currant.supervisor.tally import Tally
from tests.support import in_loop
from tests.unit.support import execution, executions


class Store:
    """What a completer writes to: it refuses what names a bad execution or holds a bad body."""

    def __init__(self) -> None:
        self.bad_ids: set[str] = set()
        self.bad_bodies: set[bytes] = set()
        self.fenced_ids: set[str] = set()
        self.locked_ids: set[str] = set()
        self.completed: list[Result] = []
        self.discarded: list[str] = []
        self.settled: list[Verdict] = []
        self.parked: list[Execution] = []
        self.batches: list[int] = []
        self.refused: list[tuple[str, str]] = []
        self.fenced: list[str] = []
        self.asked: list[tuple[str, Status | None]] = []
        self.ledger, self.tally = Ledger(), Tally()
        self.tally.known(["app.f"])
        self.gate = asyncio.Event()
        self.gate.set()
        self.completer = Completer(
            self,
            rows_max=COMPLETE_ROWS_MAX,
            saved=self.ledger.settle,
            fenced=self._fenced,
            refused=lambda execution, reason: self.refused.append((execution.id, reason)),
            book=self.tally,
        )

    async def __aenter__(self) -> "Store":
        self._task = asyncio.create_task(self.completer.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])
        if not self._task.cancelled():
            self._task.result()

    def add_results(self, results: list[Result]) -> None:
        self.ledger.add_unsaved(len(results), sum(len(body) for _, body in results))
        self.completer.add_results(results)

    def add_verdicts(self, verdicts: list[Verdict]) -> None:
        self.ledger.add_unsaved(len(verdicts), sum(len(each.error or b"") for each in verdicts))
        self.completer.add_verdicts(verdicts)

    def add_unknown(self, unknown: list[Execution]) -> None:
        self.ledger.add_unsaved(len(unknown), 0)
        self.completer.add_unknown(unknown)

    def assert_accounts_are_even(self) -> None:
        assert self.ledger.unsaved == 0
        assert self.ledger._bytes == 0
        assert self.completer.leases() == set()

    async def complete(self, results: list[Result]) -> int:
        await self._check([(execution, body) for execution, body in results])
        self.completed += results
        return self._still_ours([execution for execution, _ in results])

    async def discard(self, results: list[Result]) -> int:
        await self._check([(execution, body) for execution, body in results])
        self.discarded += [execution.id for execution, _ in results]
        return self._still_ours([execution for execution, _ in results])

    async def settle(self, verdicts: list[Verdict]) -> int:
        await self._check([(each.execution, each.error) for each in verdicts])
        self.settled += [msgspec.structs.replace(each) for each in verdicts]
        return self._still_ours([each.execution for each in verdicts])

    async def park(self, unknown: list[Execution]) -> int:
        await self._check([(each, None) for each in unknown])
        self.parked += unknown
        return self._still_ours(unknown)

    async def _check(self, rows: list[tuple[Execution, bytes | None]]) -> None:
        await self.gate.wait()
        self.batches.append(len(rows))
        assert {(each.id, each.lease) for each, _ in rows} <= self.completer.leases()
        if any(each.id in self.locked_ids for each, _ in rows):
            raise RowLocked("canceling statement due to lock timeout")
        if any(each.id in self.bad_ids or body in self.bad_bodies for each, body in rows):
            raise StatementRefused("unsupported Unicode escape sequence")

    def _still_ours(self, rows: list[Execution]) -> int:
        return sum(each.id not in self.fenced_ids for each in rows)

    async def late(self, executions: list[Execution], statuses: list[Status | None]) -> list[str]:
        self.asked += [(each.id, status) for each, status in zip(executions, statuses, strict=True)]
        return [each.id for each in executions if each.id in self.fenced_ids]

    def _fenced(self, ids: list[str]) -> None:
        self.fenced += ids


def results(count: int) -> list[Result]:
    return [(each, b'"result %d"' % number) for number, each in enumerate(executions(count))]


def verdicts(count: int, error: bytes | None = b'{"type":"E"}') -> list[Verdict]:
    return [Verdict(each, Status.FAILED, error, reason="r") for each in executions(count)]


@in_loop
async def test_results_are_written_and_the_accounts_end_at_zero() -> None:
    async with Store() as store:
        store.add_results(results(3))
        store.add_verdicts(verdicts(2))
        store.add_unknown(executions(1))
        assert len(store.completer.leases()) == 3
        await store.completer.flushed()
        assert (len(store.completed), len(store.settled), len(store.parked)) == (3, 2, 1)
        store.assert_accounts_are_even()


@in_loop
async def test_without_outcomes_everything_is_flushed() -> None:
    async with Store() as store:
        await store.completer.flushed()
        assert store.batches == []


@in_loop
async def test_what_comes_during_a_write_is_the_next_write() -> None:
    async with Store() as store:
        store.gate.clear()
        some = results(30)
        store.add_results(some[:1])
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for each in some[1:]:
            store.add_results([each])
        store.gate.set()
        await store.completer.flushed()
        assert store.batches == [1, 29]
        assert store.completed == some


@in_loop
async def test_a_batch_is_bounded() -> None:
    async with Store() as store:
        store.add_results(results(COMPLETE_ROWS_MAX + 1))
        store.add_verdicts(verdicts(SETTLE_ROWS_MAX + 1))
        await store.completer.flushed()
        assert sorted(store.batches) == [1, 1, SETTLE_ROWS_MAX, COMPLETE_ROWS_MAX]
        store.assert_accounts_are_even()


@in_loop
async def test_leases_name_what_is_being_written() -> None:
    async with Store() as store:
        store.gate.clear()
        store.add_results(results(2))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert store.completer.leases() == {("job_0", 1), ("job_1", 1)}
        store.gate.set()
        await store.completer.flushed()
        assert store.completer.leases() == set()


@in_loop
async def test_outcomes_that_had_lost_their_lease_are_counted() -> None:
    async with Store() as store:
        store.fenced_ids = {"job_1", "job_3"}
        store.add_results(results(5))
        await store.completer.flushed()
        assert store.fenced == ["job_1", "job_3"]
        assert store.asked == [(f"job_{number}", Status.COMPLETED) for number in range(5)]
        store.assert_accounts_are_even()


@in_loop
async def test_what_is_given_back_is_no_outcome_and_never_late() -> None:
    async with Store() as store:
        store.fenced_ids = {"job_0", "job_1", "job_2"}
        one, two, three = executions(3)
        store.add_verdicts([Verdict(one, Status.PENDING, uncount=1), Verdict(two, Status.FAILED, reason="r")])
        store.add_unknown([three])
        await store.completer.flushed()
        assert store.asked == [("job_1", Status.FAILED), ("job_2", Status.SCHEDULED)]
        assert store.fenced == ["job_1", "job_2"]


@in_loop
@pytest.mark.parametrize("position", [0, 1, 499, 999])
async def test_a_result_that_the_database_refuses_stands_alone_and_fails_for_that_reason(position: int) -> None:
    async with Store() as store:
        some = results(1000)
        store.bad_bodies = {some[position][1]}
        store.add_results(some)
        await store.completer.flushed()
        assert store.completed == some[:position] + some[position + 1 :]
        assert store.refused == [(f"job_{position}", "unsupported Unicode escape sequence")]
        (verdict,) = store.settled
        assert (verdict.execution.id, verdict.status) == (f"job_{position}", Status.FAILED)
        assert verdict.reason == "its result was refused"
        error = msgspec.json.decode(verdict.error or b"")
        assert error["type"] == "ResultRefused"
        assert error["message"] == "the database refused the result: unsupported Unicode escape sequence"
        store.assert_accounts_are_even()


@in_loop
async def test_an_error_that_the_database_refuses_is_left_out_and_its_verdict_written() -> None:
    async with Store() as store:
        some = verdicts(10)
        some[4].error = b'{"type":"bad"}'
        store.bad_bodies = {b'{"type":"bad"}'}
        store.add_verdicts(some)
        await store.completer.flushed()
        written = {each.execution.id: each.error for each in store.settled}
        assert written == {f"job_{number}": None if number == 4 else b'{"type":"E"}' for number in range(10)}
        assert store.refused == [("job_4", "unsupported Unicode escape sequence")]


@in_loop
async def test_the_accounts_end_at_zero_when_an_error_was_refused() -> None:
    async with Store() as store:
        store.bad_bodies = {b'{"type":"bad"}'}
        store.add_verdicts(verdicts(3, b'{"type":"bad"}'))
        await store.completer.flushed()
        store.assert_accounts_are_even()


@in_loop
async def test_a_row_that_is_refused_again_and_again_does_not_keep_the_others() -> None:
    async with Store() as store:
        store.bad_ids = {"job_2"}
        store.add_results(results(5))
        store.add_unknown([])
        await store.completer.flushed()
        assert [each.id for each, _ in store.completed] == ["job_0", "job_1", "job_3", "job_4"]
        assert store.ledger.unsaved == 0


@in_loop
async def test_an_unknown_execution_that_is_refused_does_not_keep_the_others() -> None:
    async with Store() as store:
        store.bad_ids = {"job_2"}
        store.add_unknown(executions(5))
        await store.completer.flushed()
        assert [each.id for each in store.parked] == ["job_0", "job_1", "job_3", "job_4"]
        # Parking it, failing it with an error, and without one.
        assert [id for id, _ in store.refused] == ["job_2"] * 3
        store.assert_accounts_are_even()


class Broken:
    """A writer with a bug."""

    async def complete(self, results: list[Result]) -> int:
        raise RuntimeError("a bug")

    async def settle(self, verdicts: list[Verdict]) -> int:
        raise RuntimeError("a bug")

    async def discard(self, results: list[Result]) -> int:
        raise RuntimeError("a bug")

    async def park(self, executions: list[Execution]) -> int:
        raise RuntimeError("a bug")

    async def late(self, executions: list[Execution], statuses: list[Status | None]) -> list[str]:
        raise RuntimeError("a bug")


@in_loop
async def test_another_failure_than_of_the_data_is_not_swallowed() -> None:
    def nothing(*_: object) -> None: ...

    completer = Completer(
        Broken(), rows_max=COMPLETE_ROWS_MAX, saved=nothing, fenced=nothing, refused=nothing, book=Tally()
    )
    completer.add_results(results(1))
    with pytest.raises(RuntimeError, match="a bug"):
        await completer.run()


@in_loop
async def test_a_write_is_bounded_in_bytes_but_for_its_last_row() -> None:
    async with Store() as store:
        store.add_results([(each, b"x" * (WRITE_BYTES_MAX // 4 + 1)) for each in executions(10)])
        await store.completer.flushed()
        assert store.batches == [4, 4, 2]
        store.assert_accounts_are_even()


@in_loop
async def test_flushed_returns_although_more_comes_all_the_time() -> None:
    async with Store() as store:
        stop = False

        async def feed() -> None:
            number = 0
            while not stop:
                number += 1
                store.add_results([(execution(f"more_{number}"), b"1")])
                await asyncio.sleep(0)

        feeding = asyncio.create_task(feed())
        store.add_verdicts(verdicts(1))
        await store.completer.flushed()
        stop = True
        await feeding
        assert len(store.settled) == 1


@in_loop
async def test_an_outcome_whose_row_is_locked_waits_and_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("currant.supervisor.completer.LOCKED_S", 0.02)
    async with Store() as store:
        store.locked_ids = {"job_3"}
        store.add_results(results(10))
        await store.completer.flushed()
        assert sorted(each.id for each, _ in store.completed) == [f"job_{n}" for n in range(10) if n != 3]
        assert store.completer.leases() == {("job_3", 1)}
        assert store.ledger.unsaved == 1
        store.locked_ids = set()
        await asyncio.sleep(0.05)
        await store.completer.flushed()
        assert len(store.completed) == 10
        assert store.refused == []
        store.assert_accounts_are_even()


@in_loop
async def test_results_that_nobody_wants_are_deleted_and_the_others_recorded() -> None:
    async with Store() as store:
        both = results(4)
        for execution, _ in both[::2]:
            execution.discard = True
        store.add_results(both)
        await store.completer.flushed()
        assert store.discarded == [execution.id for execution, _ in both[::2]]
        assert [execution.id for execution, _ in store.completed] == [execution.id for execution, _ in both[1::2]]
        assert store.ledger.unsaved == 0


@in_loop
async def test_what_is_in_the_database_is_counted_and_nothing_else() -> None:
    async with Store() as store:
        some = results(6)
        refused, late = some[2], some[4]
        store.bad_bodies, store.fenced_ids = {refused[1]}, {late[0].id}
        store.add_results(some)
        await store.completer.flushed()
        key = "default", "app.f"
        assert store.tally.finished == {(*key, "completed"): 4, (*key, "failed"): 1}
        assert store.tally.dead_letters == {key: 1}
        crashed = Verdict(execution("job_7"), Status.PENDING, crash=1, ending=Ending.CRASHED)
        # Another node has taken these back.
        lost = Verdict(execution("job_8"), Status.PENDING, crash=1, ending=Ending.LOST, written=False)
        retried = Verdict(execution("job_9"), Status.SCHEDULED, delay_s=1.0)
        store.fenced_ids = {"job_8", "job_9"}
        store.add_verdicts([crashed, lost, retried])
        await store.completer.flushed()
        assert store.tally.finished - Counter({(*key, "completed"): 4, (*key, "failed"): 1}) == {(*key, "crashed"): 1}


@in_loop
async def test_what_waits_for_a_locked_row_is_counted_when_it_is_written() -> None:
    async with Store() as store:
        some = results(3)
        store.locked_ids = {some[1][0].id}
        store.add_results(some)
        await store.completer.flushed()
        assert store.tally.finished.total() == 2
