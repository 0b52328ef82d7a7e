"""The shop's logic, without a database."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from bookshop import jobs
from bookshop.jobs import Order, confirm, print_invoice, send_mail

from currant import ExecutionFailed
from currant.testing import Inline, inline

ADA = Order(1, "ada", Decimal("10.00"), date(2026, 3, 1))
BOB = Order(2, "bob", Decimal("20.00"), date(2026, 3, 2))
NOBODY = Order(3, "nobody", Decimal("0"), date(2026, 3, 3))


def test_an_order_is_confirmed(currant_inline: Inline) -> None:
    handle = confirm.queue_sync(ADA)

    assert handle.result_sync() == Decimal("12.000")
    assert jobs.outbox == ["ada: thank you for order 1 of 01 March"]
    assert jobs.printed == ["invoice 1"]


def test_an_order_is_confirmed_from_async_code(currant_inline: Inline) -> None:
    async def order() -> Decimal:
        return await (await confirm.queue(ADA)).result()

    assert asyncio.run(order()) == Decimal("12.000")
    assert currant_inline.calls_of(send_mail) == [(("ada", "thank you for order 1 of 01 March"), {})]


def test_what_was_enqueued_is_seen_with_its_types(currant_inline: Inline) -> None:
    confirm.queue_sync(order=ADA)

    assert currant_inline.calls_of(confirm) == [((), {"order": ADA})]
    assert [each.function for each in currant_inline.executions] == [confirm.name, send_mail.name, print_invoice.name]
    assert [each.queue for each in currant_inline.executions] == ["orders", "mail", "printer"]


def test_a_printer_that_fails_once_is_tried_again(currant_inline: Inline) -> None:
    confirm.queue_sync(BOB)

    (printing,) = currant_inline.executions_of(print_invoice)
    assert (printing.status, printing.attempts, printing.result) == ("completed", 2, 1)


def test_a_printer_that_always_fails_does_not_harm_the_order(currant_inline: Inline) -> None:
    assert confirm.queue_sync(NOBODY).result_sync() == 0

    (printing,) = currant_inline.executions_of(print_invoice)
    assert (printing.status, printing.attempts) == ("failed", 3)
    assert isinstance(printing.exception, jobs.OutOfPaper)


def test_the_reason_of_a_failure_is_the_jobs_own_exception(currant_inline: Inline) -> None:
    handle = print_invoice.queue_sync(NOBODY)

    with pytest.raises(ExecutionFailed, match="no paper for order 3") as caught:
        handle.result_sync()
    assert isinstance(caught.value.__cause__, jobs.OutOfPaper)


def test_a_failure_can_end_the_test() -> None:
    with inline(raise_errors=True), pytest.raises(jobs.OutOfPaper, match="order 3"):
        confirm.queue_sync(NOBODY)


def test_a_supplier_that_does_not_answer_times_out(currant_inline: Inline) -> None:
    with pytest.raises(ExecutionFailed, match=r"timeout of 0\.05 s"):
        jobs.ask_supplier.queue_sync("978-3").result_sync()


def test_an_invoice_is_printed_once(currant_inline: Inline) -> None:
    with inline(mode="collect") as box:
        first = print_invoice.options(unique="1").queue_sync(ADA)
        second = print_invoice.options(unique="1").queue_sync(ADA)
        assert (second.first, second) == (False, first)
        box.run_all_sync()
    assert jobs.printed == ["invoice 1"]


def test_a_reminder_is_mailed_when_it_is_due(currant_inline: Inline) -> None:
    send_mail.options(delay=timedelta(days=7)).queue_sync("ada", "how was it?")

    assert currant_inline.run_due_sync() == []
    assert jobs.outbox == []
    currant_inline.run_due_sync(now=datetime.now(UTC) + timedelta(days=8))
    assert jobs.outbox == ["ada: how was it?"]


def test_restocking_waits_for_the_first_invoice(currant_inline: Inline) -> None:
    jobs.restock.queue_sync("978-3")
    (restocking,) = currant_inline.executions
    assert restocking.status == "scheduled"

    print_invoice.queue_sync(ADA)
    currant_inline.run_all_sync()
    assert restocking.status == "completed"


def test_a_job_waits_for_others(currant_inline: Inline) -> None:
    assert jobs.total_of.queue_sync([ADA, BOB]).result_sync() == Decimal("36.000")
