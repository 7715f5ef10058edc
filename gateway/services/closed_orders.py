"""What became of an order that is not open any more: the exchange keeps no history to ask."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal

from gateway.domain.account import Fill
from gateway.domain.errors import GatewayError, UnknownAccount
from gateway.domain.key_errors import KeyUnavailable
from gateway.domain.money import exact_sum
from gateway.domain.order_errors import OrderClosedUnknown, OrderFilled, OrderNotFound
from gateway.domain.orders import Order, OrderStatus
from gateway.exchange import ExchangeClient
from gateway.services.account_streams import AccountStreams
from gateway.services.recent_placements import RecentPlacements
from gateway.services.signed_reads import SignedReads
from gateway.store.account_events import AccountEventStore
from gateway.store.journal import OrderJournal
from gateway.store.redis import StoreUnavailable

_KNOWN_ENDS = (OrderStatus.FILLED, OrderStatus.CANCELLED)
_LOOK_WITHIN_S = 2.0
_SLACK_MS = 1000
_EVENTS_LOOKED_AT = 500
_PAUSES_S = (0.0, 0.1, 0.3)
"""Before each look: a frame that tells of an order's end may come after the answer to a cancel."""


class ClosedOrders:
    """Finds the end of an order by what is kept of its account, and by the account's fills.

    The account's stream tells ends, to this process or to the one that leads the account, whose
    events all may read. Where neither saw it, too few fills prove that an order of ours was
    cancelled; enough of them prove nothing, for they may be another's.
    """

    def __init__(
        self,
        *,
        streams: AccountStreams,
        events: AccountEventStore,
        journal: OrderJournal,
        recent: RecentPlacements,
        exchange: ExchangeClient,
        reads: SignedReads,
    ) -> None:
        self._streams = streams
        self._events = events
        self._journal = journal
        self._recent = recent
        self._exchange = exchange
        self._reads = reads

    async def may_be_open(self, account: str, order_id: str) -> bool:
        """Whether the order is among the open ones, or these cannot be had now."""
        with suppress(GatewayError, TimeoutError):
            async with asyncio.timeout(_LOOK_WITHIN_S):
                orders = await self._reads.read(account, self._exchange.open_orders)
            return any(order.order_id == order_id for order in orders)
        return True

    async def last_seen(self, account: str, order_id: str) -> Order | None:
        """The order as the account's stream or its events told of it last, if they did."""
        seen = (*self._followed(account), *await self._led(account))
        return next((each for each in reversed(seen) if each.order_id == order_id), None)

    async def require_cancelled(self, account: str, order_id: str) -> Order | None:
        """Return, with what is known of it, if the order was cancelled.

        It must not be open. Raises `OrderFilled`, `OrderClosedUnknown` where nobody can tell, and
        `OrderNotFound` when nothing here knows such an order.
        """
        placed, known = await self._journaled(account, order_id)
        for pause in _PAUSES_S:
            await asyncio.sleep(pause)
            told = await self._told(account, order_id, placed)
            if told is not None and told.status is not OrderStatus.CLOSED_UNKNOWN:
                return _require_cancelled(replace(told, order_id=order_id))
            known = known or told is not None
        if placed is not None and not await self._may_be_filled(account, placed):
            return replace(placed, status=OrderStatus.CANCELLED, filled_quantity=None)
        if known:
            unknown = placed and replace(placed, status=OrderStatus.CLOSED_UNKNOWN)
            raise OrderClosedUnknown(order_id, unknown)
        raise OrderNotFound(order_id)

    async def _journaled(self, account: str, order_id: str) -> tuple[Order | None, bool]:
        """The order as the journal has it, and whether it may be known there."""
        recent = self._recent.find(account, order_id)
        if recent is not None:
            return recent.order, True
        try:
            placed = (await self._journal.of_orders(account, [order_id])).get(order_id)
            if placed is not None:
                return placed.order, True
            return None, order_id in await self._journal.claimed_orders(account, [order_id])
        except (GatewayError, StoreUnavailable):
            return None, True

    async def _told(self, account: str, order_id: str, placed: Order | None) -> Order | None:
        """The order as its end was told; as it was seen last, with the end unknown; or None."""
        seen = (*self._followed(account), *await self._led(account))
        same = [each for each in seen if each.order_id == order_id] or _alike(seen, placed)
        if not same:
            return None
        ended = (each for each in same if each.status in _KNOWN_ENDS)
        return next(ended, replace(same[-1], status=OrderStatus.CLOSED_UNKNOWN))

    def _followed(self, account: str) -> tuple[Order, ...]:
        with suppress(UnknownAccount, KeyUnavailable):
            orders = self._streams.of(account).mirror.orders
            return (*orders.open_orders(), *orders.ended_orders())
        return ()

    async def _led(self, account: str) -> tuple[Order, ...]:
        with suppress(StoreUnavailable):
            _, newest = await self._events.bounds(account)
            after = max(0, newest - _EVENTS_LOOKED_AT)
            events = await self._events.read(account, after, _EVENTS_LOOKED_AT)
            return tuple(event.order for event in events if event.order is not None)
        return ()

    async def _may_be_filled(self, account: str, placed: Order) -> bool:
        try:
            fills = await self._reads.read(account, self._exchange.fills)
        except GatewayError:
            return True
        return may_be_filled(placed, fills)


def may_be_filled(order: Order, fills: tuple[Fill, ...]) -> bool:
    """Whether so much was traded since the order was placed that all of it may have been.

    `fills`: the account's last ones, the newest first. True when they do not go back that far.
    """
    if order.quantity is None or not _goes_back_to(order, fills):
        return True
    return order.quantity <= exact_sum(Decimal(0), *_traded(order, fills))


def may_be_traded(order: Order, fills: tuple[Fill, ...]) -> bool:
    """Whether anything was traded since the order was placed that may have been a part of it.

    `fills` as for `may_be_filled`. True when they do not go back that far.
    """
    return not _goes_back_to(order, fills) or any(True for _ in _traded(order, fills))


def _goes_back_to(order: Order, fills: tuple[Fill, ...]) -> bool:
    """Whether older trades are listed too: nobody says how many 'Get User Trades' lists."""
    return not fills or fills[-1].time < order.time - _SLACK_MS


def _traded(order: Order, fills: Iterable[Fill]) -> Iterable[Decimal]:
    lane, since = (order.symbol, order.side, order.type), order.time - _SLACK_MS
    return (
        fill.quantity
        for fill in fills
        if (fill.symbol, fill.side, fill.type) == lane and fill.time >= since
    )


def _alike(seen: Iterable[Order], placed: Order | None) -> list[Order]:
    """What the stream told of the order by another id than the answer that made it.

    It is equal in everything that never changes. Where two are, nobody can tell which it is.
    """
    if placed is None:
        return []
    alike = [each for each in seen if _unchanging(each) == _unchanging(placed)]
    return alike if len({each.order_id for each in alike}) == 1 else []


def _unchanging(order: Order) -> tuple[object, ...]:
    return (
        order.symbol,
        order.side,
        order.type,
        order.time,
        order.price,
        order.quantity,
        order.stop_price,
        order.quote_total,
    )


def _require_cancelled(order: Order) -> Order:
    if order.status is OrderStatus.FILLED:
        raise OrderFilled(order.order_id or "", order)
    return order
