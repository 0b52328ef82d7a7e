"""What the shop does in the background."""

import asyncio
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from currant import Snooze, current_execution, job

#: What a mail server and a printer would have got.
outbox: list[str] = []
printed: list[str] = []


class OutOfPaper(Exception):
    """The printer has no paper."""


@dataclass
class Order:
    number: int
    customer: str
    total: Decimal
    ordered_on: date


@job(queue="mail")
async def send_mail(to: str, text: str) -> None:
    outbox.append(f"{to}: {text}")


@job(queue="orders", retries=2)
async def confirm(order: Order) -> Decimal:
    """Mails the customer, and has the invoice printed; returns the total with the tax."""
    await send_mail.queue(order.customer, f"thank you for order {order.number} of {order.ordered_on:%d %B}")
    await print_invoice.options(unique=f"invoice {order.number}").queue(order)
    return order.total * Decimal("1.2")


@job(queue="printer", retries=2)
def print_invoice(order: Order, copies: int = 1) -> int:
    """The printer's driver is synchronous, and needs a moment before it works."""
    if order.customer == "nobody" or (order.customer == "bob" and current_execution().attempt < 2):
        raise OutOfPaper(f"no paper for order {order.number}")
    printed.extend([f"invoice {order.number}"] * copies)
    return copies


@job(queue="orders", timeout=0.05, retries=0)
async def ask_supplier(isbn: str) -> str:
    await asyncio.sleep(60)
    return isbn


@job(queue="orders")
async def restock(isbn: str) -> None:
    if not printed:
        raise Snooze(3600)


@job(queue="orders")
async def total_of(orders: list[Order]) -> Decimal:
    """Confirms the orders, each in a job of its own, and waits for them."""
    handles = [await confirm.queue(order) for order in orders]
    return sum([await handle.result() for handle in handles], Decimal())
