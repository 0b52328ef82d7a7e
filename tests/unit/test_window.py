"""The measured part between two moments: pure."""

import pytest

from currant.bench.results import StatementUse
from currant.bench.samples import PlaceUse, Sample
from currant.bench.server import Mark
from currant.bench.window import BENCH, NODE, End, cpu, statements, total, transactions, uses_by_place
from currant.records import StatementUse as Sent

NODE_BEFORE = {"claim": Sent(10, 100, 1.0), "register": Sent(1, 1, 0.1)}
NODE_AFTER = {
    "claim": Sent(30, 300, 2.0),
    "register": Sent(1, 1, 0.1),
    "complete": Sent(50, 200, 0.5),
    "present": Sent(2, 0, 0.1),
}
BENCH_AFTER = {"enqueue": Sent(4, 200, 0.4), "present": Sent(1, 1, 0.1)}


def end(
    at_s: float,
    completed: int,
    cpu_s: float,
    sent: dict[str, dict[str, Sent]] | None = None,
    calls: dict[str, int] | None = None,
    *,
    here: bool = True,
    transactions: int = 0,
) -> End:
    places = {0: PlaceUse(completed, cpu_s, at_s, cpu_s), 1: PlaceUse(0, 0.0, at_s, cpu_s)}
    sample = Sample(at_s, completed, 0, 0, 0, places, supervisor_cpu_s=3 * cpu_s, bench_cpu_s=cpu_s / 2)
    mark = Mark(at_s=at_s, wal_bytes=0, transactions=transactions, cpu_s=5 * cpu_s if here else None, calls=calls)
    return End(sample, mark, sent or {NODE: {}, BENCH: {}})


def test_cpu_is_for_a_thousand_jobs() -> None:
    found = cpu(end(10, 500, 1.0), end(14, 2500, 3.0))
    assert found is not None
    assert (found.supervisor, found.children, found.postgres, found.bench) == (3.0, 2.0, 5.0, 0.5)


def test_without_jobs_there_is_no_cost_of_a_job_and_far_away_no_cpu_of_the_server() -> None:
    assert cpu(end(10, 500, 1.0), end(14, 500, 3.0)) is None
    found = cpu(end(10, 500, 1.0, here=False), end(14, 600, 3.0, here=False))
    assert found is not None
    assert found.postgres is None


def test_children_are_busy_for_a_part_of_their_slots_time() -> None:
    uses = uses_by_place(end(10, 500, 1.0).sample, end(14, 2500, 3.0).sample)
    assert uses[0].utilization == pytest.approx(0.5)
    assert total(uses).utilization == pytest.approx(0.25)
    assert total(uses).executions == 2000


def test_statements_are_those_of_the_measured_part_with_the_servers_word_where_one_sends_them() -> None:
    calls_before = {"claim": 10, "present": 0}
    calls_after = {"claim": 31, "complete": 50, "present": 3}
    found = statements(
        end(10, 0, 0.0, {NODE: NODE_BEFORE, BENCH: {}}, calls_before),
        end(20.5, 200, 0.0, {NODE: NODE_AFTER, BENCH: BENCH_AFTER}, calls_after),
        seconds=10.0,
    )
    assert found == [
        StatementUse("complete", NODE, 50, 200, 10.0, 5.0, 0.25, server_calls=50),
        StatementUse("claim", NODE, 20, 200, 50.0, 2.0, 0.1, server_calls=21),
        StatementUse("present", NODE, 2, 0, 50.0, 0.2, 0.01),
        StatementUse("enqueue", BENCH, 4, 200, 100.0, 0.4, 0.02),
        StatementUse("present", BENCH, 1, 1, 100.0, 0.1, 0.005),
    ]


def test_what_the_server_tells_late_is_none_of_the_measured_part() -> None:
    # Of 11 that had been sent it had told 4, when it began.
    begin = end(10, 0, 0.0, {NODE: NODE_BEFORE, BENCH: {}}, transactions=104)
    found = transactions(begin, end(20, 0, 0.0, transactions=117), end(0, 0, 0.0, transactions=100).mark)
    assert found == 6
