"""The orders of an account, as its lists, its stream and accepted placements tell them. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum

from gateway.domain.account import Fill
from gateway.domain.money import exact_product, exact_sum
from gateway.domain.orders import Order, OrderStatus, OrderType, PlaceOrder
from gateway.domain.resolution_fills import NamedFill, fill_names, only_choice, total_of

_TERMS = ("price", "quantity", "stop_price", "quote_total")
_IMMEDIATE = frozenset({OrderType.MARKET, OrderType.FAST})
_UNKNOWN = OrderStatus.CLOSED_UNKNOWN
_AT_ONCE_MS = 1_000
"""A market or fast order is filled within this of the moment at which it was placed."""


class Source(Enum):
    """Where an order was told; each tells an order once."""

    OPEN = "a list of open orders"
    ACCEPTED = "the reply to an accepted placement, or what it was found to be"
    ENDED = "the stream, which told its end"


@dataclass(frozen=True, slots=True)
class KnownOrder:
    """One order, whoever told it; `ids` are all that it goes by, for a stream may have its own."""

    order: Order
    ids: frozenset[str]
    sources: frozenset[Source]

    @property
    def filled(self) -> Decimal | None:
        """How much of it was filled, in the base asset; None when that cannot be known."""
        order = self.order
        if order.status is OrderStatus.FILLED and order.quantity is not None:
            return order.quantity
        final = order.status is OrderStatus.CANCELLED or order.type in _IMMEDIATE
        if Source.OPEN in self.sources or final:
            fresh = order.status is OrderStatus.NEW and Source.OPEN in self.sources
            return Decimal(0) if order.filled_quantity is None and fresh else order.filled_quantity
        return None


def known_orders(
    open_: Iterable[Order],
    ended: Iterable[Order] = (),
    accepted: Iterable[Order] = (),
    fills: tuple[Fill, ...] = (),
) -> tuple[KnownOrder, ...]:
    """All orders that these tell, each once: rows with one id are one, and so are equal rows.

    Equal are rows of different sources with the same time and the same in all terms that both
    tell: a stream's ids need not be those of the lists. What a fast order spent is added by its
    `fills`.
    """
    register = _Register()
    for source, orders in (
        (Source.OPEN, open_),
        (Source.ACCEPTED, accepted),
        (Source.ENDED, ended),
    ):
        for order in orders:
            register.add(source, order)
    return tuple(_with_total(known, fills) for known in register.known())


def matches(
    order: Order, command: PlaceOrder, quantity_steps: Mapping[str, Decimal]
) -> bool | None:
    """Whether an order has the terms of a command; None when it does not tell enough."""
    if (order.symbol, order.side, order.type) != (command.symbol, command.side, command.type):
        return False
    for term in _TERMS:
        told, asked = getattr(order, term), getattr(command.spec, term)
        if asked is None or term == "quote_total":
            continue
        if told is None:
            return None
        if told != asked:
            return False
    if command.spec.quote_total is None:
        return True
    return _spends(order, command.spec.quote_total, quantity_steps.get(command.symbol))


def spends(total: Decimal, spent: Decimal, bought: Decimal, step: Decimal) -> bool:
    """Whether what was spent is `total` but for what buys no further step of quantity.

    Twice the price that was paid stands for the next one, which nobody knows.
    """
    left = exact_sum(total, spent.copy_negate())
    return left >= 0 and exact_product(left, bought) < exact_product(Decimal(2), spent, step)


class _Register:
    def __init__(self) -> None:
        self._known: list[KnownOrder] = []
        self._by_id: dict[str, int] = {}
        self._by_moment: defaultdict[tuple[object, ...], list[int]] = defaultdict(list)

    def known(self) -> list[KnownOrder]:
        return self._known

    def add(self, source: Source, order: Order) -> None:
        ids = frozenset() if order.order_id is None else frozenset({order.order_id})
        row = KnownOrder(order, ids, frozenset({source}))
        at = self._place_of(source, order)
        if at is None:
            at = len(self._known)
            self._known.append(row)
            self._by_moment[_moment(order)].append(at)
        else:
            self._known[at] = _merged(self._known[at], row)
        for order_id in ids:
            self._by_id[order_id] = at

    def _place_of(self, source: Source, order: Order) -> int | None:
        if order.order_id in self._by_id:
            return self._by_id[order.order_id]
        for at in self._by_moment[_moment(order)]:
            known = self._known[at]
            twice = source in known.sources and not _vanished(known.order, order)
            if not twice and _agree(known.order, order):
                return at
        return None


def _vanished(one: Order, other: Order) -> bool:
    """Whether one of two may have vanished only because the other is the name it goes by."""
    return (one.status is _UNKNOWN) is not (other.status is _UNKNOWN)


def _moment(order: Order) -> tuple[object, ...]:
    return order.symbol, order.side, order.type, order.time


def _agree(one: Order, other: Order) -> bool:
    told = ((getattr(one, term), getattr(other, term)) for term in _TERMS)
    return all(None in pair or pair[0] == pair[1] for pair in told)


def _merged(first: KnownOrder, second: KnownOrder) -> KnownOrder:
    one, other = first.order, second.order
    order = replace(
        one,
        order_id=one.order_id or other.order_id,
        status=_status(first, second),
        price=_either(one.price, other.price),
        quantity=_either(one.quantity, other.quantity),
        quote_total=_either(one.quote_total, other.quote_total),
        stop_price=_either(one.stop_price, other.stop_price),
        stop_direction=one.stop_direction or other.stop_direction,
        filled_quantity=_most(one.filled_quantity, other.filled_quantity),
        filled_total=_most(one.filled_total, other.filled_total),
    )
    return KnownOrder(order, first.ids | second.ids, first.sources | second.sources)


def _either(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return other if one is None else one


def _most(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    told = [each for each in (one, other) if each is not None]
    return max(told, default=None)


def _status(first: KnownOrder, second: KnownOrder) -> OrderStatus:
    """How it ended, if that is known; else what the list of open orders says, for it is open."""
    statuses = (first.order.status, second.order.status)
    for end in (OrderStatus.FILLED, OrderStatus.CANCELLED):
        if end in statuses:
            return end
    if Source.OPEN in first.sources:
        return first.order.status
    return second.order.status


def _with_total(known: KnownOrder, fills: tuple[Fill, ...]) -> KnownOrder:
    order = known.order
    if order.type is not OrderType.FAST or order.filled_total is not None:
        return known
    its_time = [fill for fill in fills if _is_of_its_time(fill, order)]
    its_fills = [
        NamedFill(name, fill) for name, fill in zip(fill_names(its_time), its_time, strict=True)
    ]
    if not order.filled_quantity or (own := only_choice(its_fills, order.filled_quantity)) is None:
        return known
    return replace(known, order=replace(order, filled_total=total_of(each.fill for each in own)))


def _is_of_its_time(fill: Fill, order: Order) -> bool:
    same = (fill.symbol, fill.side, fill.type) == (order.symbol, order.side, order.type)
    return same and abs(fill.time - order.time) <= _AT_ONCE_MS


def _spends(order: Order, total: Decimal, step: Decimal | None) -> bool | None:
    """Whether a fast order is one that was to spend a total, which not every reply tells again."""
    if order.quote_total is not None:
        return order.quote_total == total
    spent, bought = order.filled_total, order.filled_quantity
    if spent is None or not bought or step is None:
        return None
    if spends(total, spent, bought, step):
        return True
    # Where the book ran out, it was to spend more than it did.
    ran_out = order.quantity is None or bought < order.quantity
    return None if ran_out and spent < total else False
