"""One market's open orders in price-time priority."""

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice

from gateway.sandbox.events import Order, Side


@dataclass(frozen=True, slots=True)
class Level:
    """All that rests at one price."""

    price: Decimal
    quantity: Decimal
    orders: int


class BookSide:
    """The open buy or the open sell orders: best price first, then the oldest."""

    def __init__(self, side: Side) -> None:
        self._sign = -1 if side is Side.BUY else 1
        self._ranks: list[Decimal] = []
        self._levels: dict[Decimal, dict[str, Order]] = {}

    def __iter__(self) -> Iterator[Order]:
        for rank in self._ranks:
            yield from self._levels[rank].values()

    def put(self, order: Order) -> None:
        """Add an order behind the others at its price, or put its new state in its old place."""
        rank = order.price * self._sign
        if rank not in self._levels:
            insort(self._ranks, rank)
            self._levels[rank] = {}
        self._levels[rank][order.order_id] = order

    def remove(self, order: Order) -> None:
        """Take an order out."""
        rank = order.price * self._sign
        level = self._levels[rank]
        del level[order.order_id]
        if not level:
            del self._levels[rank]
            del self._ranks[bisect_left(self._ranks, rank)]

    def crossing(self, limit: Decimal) -> Iterator[Order]:
        """The orders that an order of the other side with this limit price would meet, in turn."""
        for rank in self._ranks:
            if rank > limit * self._sign:
                return
            yield from self._levels[rank].values()

    def levels(self, count: int) -> list[Level]:
        """The best ``count`` prices with what rests there."""
        return [self._level(rank) for rank in islice(self._ranks, count)]

    def best(self) -> Level | None:
        """The best price with what rests there."""
        return self._level(self._ranks[0]) if self._ranks else None

    def _level(self, rank: Decimal) -> Level:
        orders = self._levels[rank].values()
        quantity = sum((order.remaining for order in orders), Decimal(0))
        return Level(rank * self._sign, quantity, len(orders))


class Book:
    """Both sides of a market."""

    def __init__(self) -> None:
        self.bids = BookSide(Side.BUY)
        self.asks = BookSide(Side.SELL)

    def side(self, side: Side) -> BookSide:
        """The side that orders of ``side`` rest on."""
        return self.bids if side is Side.BUY else self.asks
