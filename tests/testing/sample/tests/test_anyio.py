"""Async tests by anyio's plugin."""

from datetime import date
from decimal import Decimal

import pytest
from bookshop.jobs import Order, confirm, print_invoice

from currant.testing import CurrantDatabase, Inline

pytest.importorskip("anyio")
pytestmark = pytest.mark.anyio

ADA = Order(1, "ada", Decimal("10.00"), date(2026, 3, 1))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_an_order_is_confirmed(currant_inline: Inline) -> None:
    handle = await confirm.queue(ADA)

    assert await handle.result() == Decimal("12.000")
    assert [each.result for each in currant_inline.executions_of(print_invoice)] == [1]


async def test_an_order_is_confirmed_in_the_database(currant_db: CurrantDatabase) -> None:
    handle = await confirm.queue(ADA)

    await currant_db.run_pending_async()

    assert await handle.result(timeout=60) == Decimal("12.000")
