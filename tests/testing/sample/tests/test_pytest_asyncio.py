"""Async tests by pytest-asyncio."""

from datetime import date
from decimal import Decimal

import pytest
from bookshop.jobs import Order, confirm

from currant.testing import CurrantDatabase, Inline

pytest.importorskip("pytest_asyncio")
pytestmark = pytest.mark.asyncio

ADA = Order(1, "ada", Decimal("10.00"), date(2026, 3, 1))


async def test_an_order_is_confirmed(currant_inline: Inline) -> None:
    assert await (await confirm.queue(ADA)).result() == Decimal("12.000")


async def test_an_order_is_confirmed_in_the_database(currant_db: CurrantDatabase) -> None:
    handle = await confirm.queue(ADA)

    await currant_db.run_pending_async()

    assert await handle.result(timeout=60) == Decimal("12.000")
