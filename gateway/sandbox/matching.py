"""Whom an order would meet in the book, found out before anything is changed. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from gateway.sandbox.events import Order


@dataclass(frozen=True, slots=True)
class Meeting:
    """A resting order, and how much of it an incoming order takes at its price."""

    maker: Order
    quantity: Decimal

    @property
    def total(self) -> Decimal:
        """What is paid for it in the quote asset."""
        return self.maker.price * self.quantity


def meetings(resting: Iterable[Order], quantity: Decimal) -> list[Meeting]:
    """Walk the resting orders until the quantity is filled or they end."""
    met: list[Meeting] = []
    for maker in resting:
        if not quantity:
            break
        met.append(Meeting(maker, min(maker.remaining, quantity)))
        quantity -= met[-1].quantity
    return met


def affordable(resting: Iterable[Order], total: Decimal, step: Decimal) -> Decimal:
    """The quantity, in whole steps, that a total buys from the resting orders.

    What is left of the total at their end counts at the price of the last one. Zero without any.
    """
    bought = reachable = Decimal(0)
    for maker in resting:
        reachable = bought + total // (maker.price * step) * step
        if reachable <= bought + maker.remaining:
            break
        bought += maker.remaining
        total -= maker.price * maker.remaining
    return reachable
