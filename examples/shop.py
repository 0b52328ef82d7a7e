"""The background jobs of an online shop: what an application that uses Currant looks like.

Its jobs run in worker processes:   currantd --procs 2 --concurrency 64 -m examples.shop
The application enqueues them:      handle = await send_receipt.queue(17, to="ada@example.org")
Looking at one of them:             currant status ID

Both sides find the database in CURRANT_DATABASE_URL. `make demo` runs this shop.
"""

import asyncio
import random

from currant import current_execution, job


@job(queue="emails")
async def send_receipt(order: int, to: str) -> str:
    """Quick: thousands of these a second. What it returns is kept with the execution, as JSON."""
    return f"receipt of order {order} sent to {to}"


@job(queue="emails", priority=1)
async def send_newsletter(to: str) -> str:
    """As quick, and many at once: with a priority below the default, 5, they let the receipts pass."""
    return f"newsletter sent to {to}"


@job(queue="images")
async def resize_image(image: str, width: int) -> str:
    """Slow, but it only waits: a worker process runs many of these at a time."""
    await asyncio.sleep(random.uniform(0.05, 0.2))
    return f"{image}-{width}.webp"


@job(queue="payments", retries=3)
async def charge_card(order: int, cents: int, declines: int = 0) -> str:
    """Flaky: an exception means another try, after a wait that doubles each time.

    A charge must not be made twice, even when a worker dies between charging and saying so. The id stays the same over
    all runs of one execution: a payment service takes it as the idempotency key.
    """
    if current_execution().attempt <= declines:
        raise ConnectionError(f"the bank does not answer (order {order})")
    return f"{cents} cents charged under the key {current_execution().id}"


@job(queue="payments", retries=1)
async def refund(order: int) -> None:
    """Hopeless: it fails in its last attempt too, and is then kept among the dead letters."""
    raise LookupError(f"order {order} was never paid")


@job(queue="suppliers", retries=0, timeout=0.5)
async def ask_supplier(product: str) -> None:
    """Stuck: cancelled when its time is over, which counts as a failure."""
    await asyncio.sleep(3600)
