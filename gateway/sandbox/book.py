"""One market's orders in price-time priority: the book, and the stops that wait beside it."""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from operator import attrgetter

from gateway.sandbox.events import Order, Side, StopType


@dataclass(frozen=True, slots=True)
class Level:
    """All that rests at one price."""

    price: Decimal
    quantity: Decimal
    orders: int


class PriceTimeQueue:
    """Orders by one of their prices, lowest first or highest first, and then the oldest."""

    def __init__(self, price_of: Callable[[Order], Decimal], *, highest_first: bool) -> None:
        self._price_of = price_of
        self._sign = -1 if highest_first else 1
        self._ranks: list[Decimal] = []
        self._levels: dict[Decimal, dict[str, Order]] = {}

    def __iter__(self) -> Iterator[Order]:
        for rank in self._ranks:
            yield from self._levels[rank].values()

    def __contains__(self, order: Order) -> bool:
        return order.order_id in self._levels.get(self._rank(order), ())

    def put(self, order: Order) -> None:
        """Add an order behind the others at its price, or put its new state in its old place."""
        rank = self._rank(order)
        if rank not in self._levels:
            insort(self._ranks, rank)
            self._levels[rank] = {}
        self._levels[rank][order.order_id] = order

    def remove(self, order: Order) -> None:
        """Take an order out."""
        rank = self._rank(order)
        level = self._levels[rank]
        del level[order.order_id]
        if not level:
            del self._levels[rank]
            del self._ranks[bisect_left(self._ranks, rank)]

    def until(self, limit: Decimal) -> Iterator[Order]:
        """The orders from the first one up to those at this price, in turn."""
        for rank in self._ranks:
            if rank > limit * self._sign:
                return
            yield from self._levels[rank].values()

    def levels(self, count: int) -> list[Level]:
        """The first ``count`` prices with what rests there."""
        return [self._level(rank) for rank in islice(self._ranks, count)]

    def best(self) -> Level | None:
        """The first price with what rests there."""
        return self._level(self._ranks[0]) if self._ranks else None

    def _rank(self, order: Order) -> Decimal:
        return self._price_of(order) * self._sign

    def _level(self, rank: Decimal) -> Level:
        orders = self._levels[rank].values()
        quantity = sum((order.remaining for order in orders), Decimal(0))
        return Level(rank * self._sign, quantity, len(orders))


class Book:
    """Both sides of a market: what an order of the other side meets first comes first."""

    def __init__(self) -> None:
        self.bids = PriceTimeQueue(attrgetter("price"), highest_first=True)
        self.asks = PriceTimeQueue(attrgetter("price"), highest_first=False)

    def side(self, side: Side) -> PriceTimeQueue:
        """The side that orders of ``side`` rest on."""
        return self.bids if side is Side.BUY else self.asks


class Stops:
    """A market's stop-limit orders whose target no trade has reached yet; no book shows them."""

    def __init__(self) -> None:
        self._rising = PriceTimeQueue(attrgetter("target"), highest_first=False)
        self._falling = PriceTimeQueue(attrgetter("target"), highest_first=True)

    def __iter__(self) -> Iterator[Order]:
        yield from self._rising
        yield from self._falling

    def __contains__(self, order: Order) -> bool:
        return order in self._queue(order)

    def put(self, order: Order) -> None:
        """Add a stop behind the others at its target."""
        self._queue(order).put(order)

    def remove(self, order: Order) -> None:
        """Take a stop out."""
        self._queue(order).remove(order)

    def take_reached(self, price: Decimal) -> list[Order]:
        """Take out those whose target a trade at this price reaches or passes.

        The nearest target comes first, and at one target the oldest stop. One price reaches only
        those that wait for a rise or only those that wait for a fall: the last price lay between.
        """
        reached = [*self._rising.until(price), *self._falling.until(price)]
        for order in reached:
            self.remove(order)
        return reached

    def _queue(self, order: Order) -> PriceTimeQueue:
        return self._rising if order.stop_type is StopType.GREATER else self._falling
