"""What the demo enqueues, and what must become of it. Pure."""

import random
from typing import NamedTuple

from currant import Call
from examples import shop

#: How long customers come, at `--scale 1`.
OPEN_S = 8.0

_DECLINES_MAX = 3


class Kind(NamedTuple):
    """The calls of one job, and what must become of them; those that do not complete must fail."""

    name: str
    shows: str
    calls: list[Call]
    completed: int
    runs: int

    @property
    def failed(self) -> int:
        return len(self.calls) - self.completed


class Plan(NamedTuple):
    """`customers` are enqueued bit by bit over `open_s` seconds, the newsletter at once after that."""

    kinds: list[Kind]
    open_s: float
    customers: list[Call]
    newsletter: list[Call]

    @property
    def jobs(self) -> int:
        return sum(len(kind.calls) for kind in self.kinds)


def make_plan(scale: float) -> Plan:
    """Returns the plan with its numbers, and the time that customers come, multiplied by `scale`."""

    def numbers(count: int) -> range:
        return range(1, max(1, round(count * scale)) + 1)

    declines = [number % (_DECLINES_MAX + 1) for number in numbers(200)]
    receipts = [shop.send_receipt.call(number, to=f"customer{number}@example.org") for number in numbers(4000)]
    images = [shop.resize_image.call(f"photo-{number}", width=640) for number in numbers(300)]
    charges = [shop.charge_card.call(i, cents=1999, declines=count) for i, count in enumerate(declines, 1)]
    refunds = [shop.refund.call(number) for number in numbers(20)]
    questions = [shop.ask_supplier.call(f"product-{number}") for number in numbers(10)]
    newsletter = [shop.send_newsletter.call(f"reader{number}@example.org") for number in numbers(40_000)]

    customers = [*receipts, *images, *charges, *refunds, *questions]
    random.Random(1).shuffle(customers)
    return Plan(
        kinds=[
            Kind("send_receipt", "quick", receipts, len(receipts), len(receipts)),
            Kind("resize_image", "slow: waits 50 to 200 ms", images, len(images), len(images)),
            Kind("charge_card", "fails up to 3 times first", charges, len(charges), len(charges) + sum(declines)),
            Kind("refund", "always fails; 1 retry", refunds, 0, 2 * len(refunds)),
            Kind("ask_supplier", "hangs; timeout of 0.5 s", questions, 0, len(questions)),
            Kind("send_newsletter", "quick, all enqueued at once", newsletter, len(newsletter), len(newsletter)),
        ],
        open_s=OPEN_S * scale,
        customers=customers,
        newsletter=newsletter,
    )
