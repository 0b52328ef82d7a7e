"""The p99 of the live line, beside a run that it must not disturb."""

import pytest

from currant.bench import recent
from currant.bench.progress import Live
from currant.records import StatementUse
from currant.store.usage import Usage
from tests.store.support import claim, complete, enqueue, new, node
from tests.support import comes_true, in_loop

NOWHERE = "postgresql://nobody@127.0.0.1:1/nowhere"


def silent() -> Live:
    return Live(lambda done, now: None)


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "EVERY_S", 0.05)
    monkeypatch.setattr(recent, "OF_S", 3600.0)


@in_loop
async def test_the_line_gets_the_p99_of_what_completes_meanwhile(url: str) -> None:
    line, usage = silent(), Usage()
    async with node(url) as connection:
        async with recent.watched(url, line, on=True, usage=usage):
            await enqueue(connection, new())
            await complete(connection, (await claim(connection, 1)).executions)
            await comes_true(lambda: line.p99_ms is not None)
    assert usage.snapshot()["bench_recent"].calls > 0


@in_loop
async def test_where_nobody_looks_nothing_is_asked() -> None:
    usage = Usage()
    async with recent.watched(NOWHERE, silent(), on=False, usage=usage):
        pass
    assert usage.calls == 0


@in_loop
async def test_a_database_that_does_not_answer_is_for_others_to_notice() -> None:
    async with recent.watched(NOWHERE, silent(), on=True, usage=Usage()):
        pass


def test_counts_of_the_same_name_are_added() -> None:
    one = {"connect": StatementUse(1, 0, 0.5), "enqueue": StatementUse(3, 3, 0.1)}
    assert recent.both(one, {"connect": StatementUse(2, 0, 0.25)}) == {
        "connect": StatementUse(3, 0, 0.75),
        "enqueue": StatementUse(3, 3, 0.1),
    }
