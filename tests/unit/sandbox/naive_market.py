"""A market without any cleverness: flat lists, searched anew for every trade.

It shares nothing with the sandbox's engine, so that the two can be compared.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from typing import NamedTuple


@dataclass
class Row:
    """An order that rests or waits. ``arrived`` counts up as orders enter the list they are in."""

    order_id: str
    account: str
    buys: bool
    price: Decimal | None
    quantity: Decimal
    arrived: int = 0
    target: Decimal = Decimal(0)
    rising: bool = False


class Print(NamedTuple):
    """A trade."""

    maker_id: str
    taker_id: str
    price: Decimal
    quantity: Decimal


@dataclass
class NaiveMarket:
    """What rests, what waits, and what happened since the last ``forget``."""

    last: Decimal
    resting: list[Row] = field(default_factory=list)
    waiting: list[Row] = field(default_factory=list)
    prints: list[Print] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    _arrivals: "count[int]" = field(default_factory=count)

    def side(self, *, buys: bool) -> list[Row]:
        """One side of the book, best first."""
        rows = [row for row in self.resting if row.buys is buys]
        return sorted(rows, key=lambda row: (-_price(row) if buys else _price(row), row.arrived))

    def met(self, order: Row) -> list[tuple[Row, Decimal]]:
        """Whom an order would trade with, and how much."""
        found, missing = [], order.quantity
        for row in self.side(buys=not order.buys):
            if missing and _crosses(order, _price(row)):
                found.append((row, min(missing, row.quantity)))
                missing -= found[-1][1]
        return found

    def cost(self, order: Row) -> Decimal:
        """What a buy order may cost: at its own price, or step by step through the book.

        A book that ends before it counts as if its last price went on.
        """
        if order.price is not None:
            return order.price * order.quantity
        met = self.met(order)
        missing = order.quantity - sum(quantity for _, quantity in met)
        met.append((met[-1][0], missing))
        return sum((_price(row) * quantity for row, quantity in met), Decimal(0))

    def sellers_within(self, total: Decimal, step: Decimal) -> set[str]:
        """The accounts from which a total buys at least a step."""
        sellers = set()
        for row in self.side(buys=False):
            if total < _price(row) * step:
                break
            sellers.add(row.account)
            total -= _price(row) * row.quantity
        return sellers

    def washes(self, order: Row) -> bool:
        """Whether an order would trade with its own account."""
        return any(row.account == order.account for row, _ in self.met(order))

    def place(self, order: Row) -> None:
        """Trade, rest, and set off stops, one wave after the other."""
        queue, seen = self._enter(order), 0
        while seen < len(queue):
            stop = queue[seen]
            seen += 1
            if self.washes(stop):
                self.cancelled.append(stop.order_id)
            else:
                queue += self._enter(stop)

    def wait(self, order: Row, target: Decimal) -> None:
        """Keep a stop until its target is reached."""
        order.target, order.rising = target, target > self.last
        order.arrived = next(self._arrivals)
        self.waiting.append(order)

    def cancel(self, order_id: str) -> None:
        """Forget an order."""
        self.resting = [row for row in self.resting if row.order_id != order_id]
        self.waiting = [row for row in self.waiting if row.order_id != order_id]

    def forget(self) -> None:
        """Begin anew with what happened."""
        self.prints, self.cancelled = [], []

    def _enter(self, order: Row) -> list[Row]:
        reached: list[Row] = []
        for row, quantity in self.met(order):
            price = _price(row)
            self.prints.append(Print(row.order_id, order.order_id, price, quantity))
            self.last = price
            row.quantity -= quantity
            order.quantity -= quantity
            reached += self._reached(price)
        self.resting = [row for row in self.resting if row.quantity]
        if order.quantity and order.price is not None:
            order.arrived = next(self._arrivals)
            self.resting.append(order)
        return reached

    def _reached(self, price: Decimal) -> list[Row]:
        rising = [row for row in self.waiting if row.rising and row.target <= price]
        falling = [row for row in self.waiting if not row.rising and row.target >= price]
        rising.sort(key=lambda row: (row.target, row.arrived))
        falling.sort(key=lambda row: (-row.target, row.arrived))
        self.waiting = [row for row in self.waiting if row not in rising + falling]
        return rising + falling


def _price(row: Row) -> Decimal:
    assert row.price is not None
    return row.price


def _crosses(order: Row, price: Decimal) -> bool:
    if order.price is None:
        return True
    return price <= order.price if order.buys else price >= order.price
