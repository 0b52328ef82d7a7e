"""The shop on a real database."""

import asyncio
from datetime import date
from decimal import Decimal

import psycopg
from bookshop import jobs
from bookshop.jobs import Order, confirm, print_invoice, send_mail

from currant.testing import CurrantDatabase

ADA = Order(1, "ada", Decimal("10.00"), date(2026, 3, 1))
BOB = Order(2, "bob", Decimal("20.00"), date(2026, 3, 2))


def test_an_order_is_confirmed(currant_db: CurrantDatabase) -> None:
    handle = confirm.queue_sync(ADA)
    assert jobs.outbox == []

    ran = currant_db.run_pending()

    assert [each.function for each in ran] == [confirm.name, send_mail.name, print_invoice.name]
    assert {each.status for each in ran} == {"completed"}
    assert handle.result_sync(timeout=60) == Decimal("12.000")


def test_each_test_has_an_empty_database(currant_db: CurrantDatabase) -> None:
    assert currant_db.run_pending() == []


def test_an_order_is_confirmed_from_async_code(currant_db: CurrantDatabase) -> None:
    async def order() -> None:
        handle = await jobs.total_of.queue([ADA, BOB])
        await currant_db.run_pending_async()
        assert await handle.result(timeout=60) == Decimal("36.000")

    asyncio.run(order())
    assert jobs.printed == ["invoice 1", "invoice 2"]


def test_an_order_that_is_rolled_back_mails_nobody(currant_db: CurrantDatabase) -> None:
    with psycopg.connect(currant_db.url) as connection:
        handle = confirm.options(connection=connection).queue_sync(ADA)
        connection.rollback()

    assert currant_db.get(handle.id) is None
    assert currant_db.run_pending() == []


def test_an_order_is_written_with_its_transaction(currant_db: CurrantDatabase) -> None:
    with psycopg.connect(currant_db.url) as connection:
        handle = confirm.options(connection=connection).queue_sync(ADA)

    record = currant_db.get(handle.id)
    assert record is not None
    assert (record.status, record.args[0]["customer"]) == ("pending", "ada")


def test_a_printer_that_fails_once_is_tried_again(currant_db: CurrantDatabase) -> None:
    print_invoice.queue_sync(BOB)

    (printing,) = currant_db.run_pending()

    assert (printing.status, printing.attempt, printing.result) == ("completed", 2, 1)


def test_what_is_due_later_waits(currant_db: CurrantDatabase) -> None:
    handle = send_mail.options(delay=60).queue_sync("ada", "how was it?")

    assert currant_db.run_pending() == []
    assert handle.cancel_sync()
    record = currant_db.get(handle.id)
    assert record is not None
    assert record.status == "cancelled"
