"""Tests that are wrong, for what they say."""

from datetime import date
from decimal import Decimal

from bookshop.jobs import Order, confirm, print_invoice, send_mail

from currant.testing import CurrantDatabase, Inline, inline

NOBODY = Order(3, "nobody", Decimal("0"), date(2026, 3, 3))


def test_wrong_arguments(currant_inline: Inline) -> None:
    send_mail.queue_sync("ada", "hello")
    assert currant_inline.calls_of(send_mail) == [(("bob", "hello"), {})]


def test_result_of_a_failure(currant_inline: Inline) -> None:
    print_invoice.queue_sync(NOBODY).result_sync()


def test_failure_within() -> None:
    with inline(raise_errors=True):
        confirm.queue_sync(NOBODY)


def test_result_of_what_has_not_run(currant_inline: Inline) -> None:
    send_mail.options(delay=60).queue_sync("ada", "hello").result_sync()


def test_missing_in_the_database(currant_db: CurrantDatabase) -> None:
    assert [each.function for each in currant_db.run_pending()] == [confirm.name]
