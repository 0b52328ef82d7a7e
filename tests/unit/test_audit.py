"""Our counts against the server's: pure."""

from importlib import resources

import pytest

from currant.bench.audit import NOTIFYING, NUMBER, audit
from currant.bench.server import Mark


def mark(transactions: int | None = None, calls: dict[str, int] | None = None, at_s: float = 0.0) -> Mark:
    return Mark(at_s=at_s, wal_bytes=None, transactions=transactions, cpu_s=None, calls=calls)


@pytest.mark.parametrize(
    ("theirs", "alone", "ok"),
    [
        (1000, True, True),
        (999, True, False),
        (999, False, False),
        (1000 + NUMBER, True, True),
        (1001 + NUMBER, True, False),
        (9000, False, True),
    ],
)
def test_the_server_has_seen_all_and_on_its_own_few_more(theirs: int, alone: bool, ok: bool) -> None:
    sent = {"claim": 400, "complete": 600}
    found = audit(sent, mark(500), mark(500 + theirs), alone=alone)
    assert found.ok is ok
    assert "1,000 were sent" in found.text
    assert f"{theirs:,} transactions" in found.text


def test_what_is_notified_is_a_transaction_of_the_session_that_listens_too() -> None:
    assert audit({"claim": 10, "enqueue_one": 500}, mark(0), mark(1000), alone=True).ok
    assert not audit({"claim": 500, "enqueue_one": 10}, mark(0), mark(1000), alone=True).ok


def test_what_was_sent_on_a_connection_that_was_lost_may_never_have_come() -> None:
    assert audit({"claim": 10}, mark(0), mark(9), alone=True, lost=1).ok
    assert not audit({"claim": 10}, mark(0), mark(8), alone=True, lost=1).ok


def test_statements_within_a_transaction_are_not_to_be_counted_by_it() -> None:
    assert audit({"begin": 5, "enqueue": 10, "commit": 5}, mark(0), mark(5), alone=True).ok


def test_a_server_that_tells_nothing_is_not_against_it() -> None:
    found = audit({"claim": 10}, mark(), mark(), alone=True)
    assert found.ok
    assert "does not tell" in found.text


def test_where_the_server_counts_by_text_each_name_must_agree() -> None:
    before, after = mark(0, {"claim": 5}), mark(0, {"claim": 105, "complete": 900, "ours.not": 3})
    assert audit({"claim": 100, "complete": 890, "connect": 4}, before, after, alone=True).ok
    found = audit({"claim": 900, "complete": 890}, before, after, alone=True)
    assert not found.ok
    assert found.text == "the counts differ: claim 900 times, by the server 100"
    assert not audit({"complete": 90}, before, after, alone=True).ok
    assert audit({"complete": 90}, before, after, alone=False).ok


def test_in_ten_minutes_autovacuum_has_done_something_too() -> None:
    assert audit({"tick": 120}, mark(0), mark(120 + 120 + NUMBER + 300, at_s=600), alone=True).ok
    assert not audit({"tick": 120}, mark(0), mark(120 + 120 + NUMBER + 301, at_s=600), alone=True).ok


def test_every_statement_that_notifies_is_known() -> None:
    files = resources.files("currant.store").joinpath("sql").iterdir()
    assert {file.name.removesuffix(".sql") for file in files if "pg_notify" in file.read_text()} <= set(NOTIFYING)
