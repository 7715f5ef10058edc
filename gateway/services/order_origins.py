"""Who placed the orders of an account: this gateway, somebody else, or nobody can tell yet."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.domain.account_events import Origin
from gateway.domain.durations import DAY_MS
from gateway.domain.leadership import Leadership
from gateway.domain.orders import Order
from gateway.domain.placements import Placement, PlacementState
from gateway.domain.resolution import Case, unexplained
from gateway.store.journal import OrderJournal

_KEPT = 10_000
_BEFORE_MS = 10_000
"""How long before an order was placed, by the exchange, its placement may have been recorded as
accepted, by Redis' clock."""


@dataclass(frozen=True, slots=True)
class OrderOrigin:
    """Where an order comes from, and the placement that it is of, if it is this gateway's."""

    origin: Origin
    placement_id: str | None = None


_EXTERNAL, _UNSETTLED = OrderOrigin(Origin.EXTERNAL), OrderOrigin(Origin.UNSETTLED)


class OrderOrigins:
    """Tells the origins of an account's orders to who leads it.

    What no intent explains is put on record as EXTERNAL, and stays so. Everything here raises
    `NotLookedUp`, `StoreUnavailable` and `Fenced`.
    """

    def __init__(
        self, leadership: Leadership, journal: OrderJournal, exchange_now: Callable[[], int | None]
    ) -> None:
        self._leadership = leadership
        self._account = leadership.account
        self._journal = journal
        self._exchange_now = exchange_now
        self._known: OrderedDict[str, OrderOrigin] = OrderedDict()

    async def of(self, orders: Sequence[Order]) -> list[OrderOrigin]:
        """The origin of each order."""
        await self._find([each for each in orders if (each.order_id or "") not in self._known])
        open_ = [each for each in orders if (each.order_id or "") not in self._known]
        settled = dict(zip(map(id, open_), await self._settle(open_), strict=True))
        return [
            settled.get(id(each)) or self._known.get(each.order_id or "", _UNSETTLED)
            for each in orders
        ]

    async def _find(self, orders: Sequence[Order]) -> None:
        """Most orders are known by their ids: for these alone no intents need be compared."""
        ids = [each.order_id for each in orders if each.order_id is not None]
        placed = await self._journal.of_orders(self._account, ids) if ids else {}
        for order in orders:
            if (placement := placed.get(order.order_id or "")) is not None:
                self._remember(order, OrderOrigin(Origin.GATEWAY, placement.id))

    async def _settle(self, orders: Sequence[Order]) -> list[OrderOrigin]:
        """The intents are read first: what is none of them by now has its order on record."""
        if not orders:
            return []
        if (now := self._exchange_now()) is None:
            return [_UNSETTLED for _ in orders]
        intents = await self._intents(now)
        ids = [each.order_id for each in orders if each.order_id is not None]
        placed = await self._journal.of_orders(self._account, ids)
        accepted = await self._accepted(now, orders, placed)
        own = [placed.get(each.order_id or "") or _placement_of(each, accepted) for each in orders]
        claimed = await self._journal.claimed_orders(self._account, ids)
        foreign = unexplained(replace(intents, accepted=accepted), tuple(orders))
        found = []
        for order, placement in zip(orders, own, strict=True):
            origin = _UNSETTLED
            if placement is not None:
                origin = OrderOrigin(Origin.GATEWAY, placement.id)
            elif order.order_id in claimed or (order in foreign and await self._claim(order)):
                origin = _EXTERNAL
            self._remember(order, origin)
            found.append(origin)
        return found

    async def _intents(self, now: int) -> Case:
        unresolved = await self._journal.unresolved(self._account)
        given_up = await self._journal.given_up(self._account)
        sending = [each for each in unresolved if each.state is PlacementState.SENDING]
        return Case(
            now=now,
            unresolved=tuple(each for each in unresolved if each not in sending),
            sending=tuple(sending),
            given_up=tuple(given_up),
        )

    async def _accepted(
        self, now: int, orders: Sequence[Order], placed: Mapping[str, Placement]
    ) -> tuple[Placement, ...]:
        """Among these are those that the exchange shows without an id, or by another one."""
        unknown = [each.time for each in orders if each.order_id not in placed]
        if not unknown:
            return ()
        since = max(min(unknown), now - DAY_MS) - _BEFORE_MS
        return await self._journal.accepted_since(self._account, since)

    async def _claim(self, order: Order) -> bool:
        if order.order_id is None:
            return True
        return await self._journal.claim_external(self._account, order.order_id, self._leadership)

    def _remember(self, order: Order, origin: OrderOrigin) -> None:
        if order.order_id is None or origin is _UNSETTLED:
            return
        self._known[order.order_id] = origin
        if len(self._known) > _KEPT:
            self._known.popitem(last=False)


def _placement_of(order: Order, accepted: Sequence[Placement]) -> Placement | None:
    same = [each for each in accepted if each.order is not None and _same(order, each.order)]
    return same[0] if len(same) == 1 else None


def _same(one: Order, other: Order) -> bool:
    """Rows equal in all that both tell, and of one moment, are one order."""
    if (one.symbol, one.side, one.type, one.time) != (
        other.symbol,
        other.side,
        other.type,
        other.time,
    ):
        return False
    terms = ("price", "quantity", "quote_total", "stop_price")
    told = [(getattr(one, term), getattr(other, term)) for term in terms]
    return all(None in pair or pair[0] == pair[1] for pair in told)
