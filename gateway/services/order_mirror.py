"""The open orders of one account, as its stream and its lists tell them together."""

from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from itertools import islice

from gateway.domain.orders import Order, OrderStatus

_ENDED_KEPT = 10_000
_LATELY = 100
_UNKNOWN = OrderStatus.CLOSED_UNKNOWN
_KNOWN_ENDS = (OrderStatus.FILLED, OrderStatus.CANCELLED)


class OrderMirror:
    """Knows which orders are open; never lets one go back.

    A filled quantity never falls, and what was filled or cancelled never reopens: a list that was
    asked for before a frame arrived may still show the order as it was. An order that is gone from
    a list without a frame that says why is CLOSED_UNKNOWN: filled and cancelled look the same. A
    frame that says it later is told. If the list only lagged behind, the order reopens as soon as a
    later list shows it, or a frame tells more filled.

    `forgotten_until`: of orders placed until then (ms) an end may have been told that is not kept.
    """

    def __init__(self, ended_kept: int = _ENDED_KEPT) -> None:
        self._ended_kept = ended_kept
        self._open: dict[str, Order] = {}
        self._ended: OrderedDict[str, tuple[int, Order]] = OrderedDict()
        self._unnamed: deque[Order] = deque(maxlen=ended_kept)
        self._counter = 0
        self.forgotten_until = 0
        self._seen: dict[str, int] = {}

    def open_orders(self) -> tuple[Order, ...]:
        """What is open, in the order in which it was learnt."""
        return tuple(self._open.values())

    def ended_orders(self) -> tuple[Order, ...]:
        """Those that ended, back to `forgotten_until`: as frames told, or CLOSED_UNKNOWN."""
        return (*(order for _, order in self._ended.values()), *self._unnamed)

    def ended_lately(self, since: int) -> tuple[Order, ...]:
        """Of the last 100 that frames called over, those placed `since` then (ms)."""
        last = islice(reversed(self._ended.values()), _LATELY)
        return tuple(
            order for _, order in last if order.status in _KNOWN_ENDS and order.time >= since
        )

    def mark(self) -> int:
        """The count to hand to `reconcile` with a list that is asked for now."""
        return self._counter

    def forget_open(self) -> None:
        """Nobody follows any more: what is open when somebody does again is learnt anew."""
        self._open.clear()
        self._seen.clear()

    def apply(self, order: Order) -> Order | None:
        """Take a frame; return the order as it now is, or None when it is of an earlier time."""
        order_id = order.order_id
        if order_id is None:
            self._remember_unnamed(order)
            return order
        if self._falls_back(order):
            return None
        order = self._with_fills_known(order)
        self._counter += 1
        self._seen[order_id] = self._counter
        if order.status.terminal:
            self._end(order_id, order)
        else:
            self._ended.pop(order_id, None)
            self._open[order_id] = order
        return order

    def reconcile(self, listed: Iterable[Order], begun: int) -> tuple[Order, ...]:
        """Take the list of open orders asked for at `begun`; return all that changed by it."""
        orders = {order.order_id: order for order in listed if order.order_id is not None}
        vanished = [
            order
            for order_id, order in self._open.items()
            if order_id not in orders and self._seen.get(order_id, 0) <= begun
        ]
        changed = [order for order in orders.values() if self._is_news(order, begun)]
        for order in changed:
            self._ended.pop(order.order_id or "", None)
        ended = [replace(order, status=_UNKNOWN) for order in vanished]
        told = (self.apply(order) for order in (*changed, *ended))
        return tuple(order for order in told if order is not None)

    def _is_news(self, order: Order, begun: int) -> bool:
        order_id = order.order_id or ""
        if order_id in self._ended:
            at, ended = self._ended[order_id]
            lagged = ended.status is _UNKNOWN and at <= begun
            return lagged and _filled(order) >= _filled(ended)
        known = self._open.get(order_id)
        if self._seen.get(order_id, 0) > begun:
            return False
        return known is None or _filled(order) != _filled(known)

    def _falls_back(self, order: Order) -> bool:
        order_id = order.order_id or ""
        if order_id in self._ended:
            _, ended = self._ended[order_id]
            more = order.status in _KNOWN_ENDS or _filled(order) > _filled(ended)
            return ended.status is not _UNKNOWN or not more
        known = self._open.get(order_id)
        if known is None or order.status.terminal:
            return False
        return _filled(order) < _filled(known)

    def _with_fills_known(self, order: Order) -> Order:
        """The end of an order may be told without, or with less than, what was filled before."""
        order_id = order.order_id or ""
        _, ended = self._ended.get(order_id, (0, None))
        known = self._open.get(order_id) or ended
        if known is None or _filled(order) >= _filled(known):
            return order
        return replace(
            order, filled_quantity=known.filled_quantity, filled_total=known.filled_total
        )

    def _end(self, order_id: str, order: Order) -> None:
        self._open.pop(order_id, None)
        self._seen.pop(order_id, None)
        self._ended[order_id] = (self._counter, order)
        while len(self._ended) > self._ended_kept:
            _, (_, forgotten) = self._ended.popitem(last=False)
            self.forgotten_until = max(self.forgotten_until, forgotten.time)

    def _remember_unnamed(self, order: Order) -> None:
        if not order.status.terminal:
            return
        if len(self._unnamed) == self._ended_kept:
            self.forgotten_until = max(self.forgotten_until, self._unnamed[0].time)
        self._unnamed.append(order)


def _filled(order: Order) -> Decimal:
    return order.filled_quantity or Decimal(0)
