"""Writes down everything that happens on an account, for those who follow its events."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing, suppress
from typing import TypeVar

import structlog

from gateway.domain.account import Balance, Fill
from gateway.domain.account_events import AccountEvent, Origin
from gateway.domain.errors import GatewayError, NotLookedUp
from gateway.domain.leadership import Fenced, Leadership
from gateway.domain.orders import Order
from gateway.domain.streams import Gap
from gateway.services.account_followers import AccountNews
from gateway.services.account_stream import AccountStream
from gateway.services.account_streams import AccountStreams
from gateway.services.fill_mirror import new_among
from gateway.services.order_origins import OrderOrigin, OrderOrigins
from gateway.store.account_events import AccountEventStore
from gateway.store.journal import OrderJournal
from gateway.store.redis import StoreUnavailable

_log = structlog.get_logger(__name__)

_MOST = 500
_AGAIN_S = 0.5
_SETTLE_S = 0.3
_LOOK_S = 0.02
"""Before each look whose an order is, for the answer that says so comes about as soon as its frame.
What comes meanwhile is looked up with it."""
"""An order's frame may overtake the record of its answer: so long its origin is waited for."""

T = TypeVar("T")


class AccountReporter:
    """Appends an account's orders, balances, fills and gaps to its events while it is led.

    A leadership begins with a `Gap`, for nobody knows what the one before it did not write, then
    what stands. An order whose origin is UNSETTLED is told once more when that is known. `now` is
    the time in ms, `exchange_now` the exchange's at the most.
    """

    def __init__(
        self,
        *,
        streams: AccountStreams,
        journal: OrderJournal,
        events: AccountEventStore,
        now: Callable[[], int],
        exchange_now: Callable[[], int | None],
    ) -> None:
        self._streams = streams
        self._journal = journal
        self._events = events
        self._now = now
        self._exchange_now = exchange_now

    async def run(self, leadership: Leadership) -> None:
        """Write until cancelled; raises `UnknownAccount` when there is no key of the account."""
        stream = self._streams.of(leadership.account)
        origins = OrderOrigins(leadership, self._journal, self._exchange_now)
        told = ""
        with suppress(Fenced):
            while True:
                report = _Report(leadership, stream, origins, self._events, self._now)
                try:
                    await report.write()
                except GatewayError as away:
                    problem = str(away)
                    if problem != told or report.began:
                        account = leadership.account
                        _log.warning("account_events.interrupted", account=account, problem=problem)
                    told = problem
                await asyncio.sleep(_AGAIN_S)


class _Report:
    """What is written from when the account is followed until it no longer is.

    `began`: something was written.
    """

    def __init__(
        self,
        leadership: Leadership,
        stream: AccountStream,
        origins: OrderOrigins,
        events: AccountEventStore,
        now: Callable[[], int],
    ) -> None:
        self._leadership = leadership
        self._stream = stream
        self._origins = origins
        self._events = events
        self._now = now
        self._told_fills: tuple[Fill, ...] = ()
        self._unsettled: dict[str, Order] = {}
        self.began = False

    async def write(self) -> None:
        """Raises what `AccountStream.everything` raises, and `Fenced`."""
        async with aclosing(self._stream.everything()) as news:  # type: ignore[type-var]
            batches = _Batches(news)
            try:
                last = await _insist(self._last_events)
                first = await batches.next(None)
                await self._append([*self._take_over(last, first), *await self._told(first)])
                self.began = True
                while True:
                    batch = await batches.next(_AGAIN_S if self._unsettled else None)
                    await self._append([*await self._told(batch), *await self._settled()])
            finally:
                await batches.aclose()

    async def _last_events(self) -> Sequence[AccountEvent]:
        account = self._leadership.account
        oldest, newest = await self._events.bounds(account)
        after = max(oldest, newest - 2 * _MOST) - 1
        return await self._events.read(account, after, 2 * _MOST)

    def _take_over(
        self, last: Sequence[AccountEvent], first: Sequence[AccountNews]
    ) -> list[AccountEvent]:
        """Go on behind the last fill that was told; where none was, those just told are new."""
        fills = self._stream.mirror.fills.fills()
        told = tuple(event.fill for event in reversed(last) if event.fill is not None)
        new = sum(isinstance(each, Fill) for each in first)
        self._told_fills = _from_told(fills, told) if told else fills[new:]
        if not last:
            return []
        gap = Gap(last[-1].time, "for a while nobody wrote these events")
        return [AccountEvent(sequence=0, time=self._now(), gap=gap)]

    async def _told(self, news: Sequence[AccountNews]) -> list[AccountEvent]:
        orders = [each for each in news if isinstance(each, Order)]
        origins = iter(await self._origins_in_time(orders))
        now = self._now()
        told = []
        for each in news:
            match each:
                case Order():
                    told.append(self._of_order(each, next(origins), now))
                case Balance():
                    told.append(AccountEvent(sequence=0, time=now, balance=each))
                case Gap():
                    told.append(AccountEvent(sequence=0, time=now, gap=each))
                case Fill():  # told below, whoever followed before
                    pass
        return [*told, *self._new_fills(now)]

    def _new_fills(self, now: int) -> Iterable[AccountEvent]:
        before, self._told_fills = self._told_fills, self._stream.mirror.fills.fills()
        for each in new_among(self._told_fills, before):
            if isinstance(each, Fill):
                yield AccountEvent(sequence=0, time=now, fill=each)
            else:
                yield AccountEvent(sequence=0, time=now, gap=each)

    async def _origins_in_time(self, orders: Sequence[Order]) -> list[OrderOrigin]:
        until = _time() + _SETTLE_S
        while True:
            if orders:
                await asyncio.sleep(_LOOK_S)
            origins = await _insist(lambda: self._origins.of(orders))
            settled = all(each.origin is not Origin.UNSETTLED for each in origins)
            if settled or _time() >= until:
                return origins

    def _of_order(self, order: Order, origin: OrderOrigin, now: int) -> AccountEvent:
        if order.order_id is not None:
            self._unsettled.pop(order.order_id, None)
            if origin.origin is Origin.UNSETTLED:
                self._unsettled[order.order_id] = order
        return AccountEvent(
            sequence=0,
            time=now,
            order=order,
            origin=origin.origin,
            placement_id=origin.placement_id,
        )

    async def _settled(self) -> list[AccountEvent]:
        """What was told as UNSETTLED and is no longer."""
        orders = list(self._unsettled.values())
        origins = await _insist(lambda: self._origins.of(orders))
        return [
            self._of_order(order, origin, self._now())
            for order, origin in zip(orders, origins, strict=True)
            if origin.origin is not Origin.UNSETTLED
        ]

    async def _append(self, events: Sequence[AccountEvent]) -> None:
        if events:
            await _insist(lambda: self._events.append(self._leadership, events))


class _Batches:
    """What has come of `news` by now, all at once."""

    def __init__(self, news: AsyncIterator[AccountNews]) -> None:
        self._news = news
        self._coming = self._next()

    async def next(self, within_s: float | None) -> list[AccountNews]:
        """Wait for something, `within_s` at the most; raises what ends the news."""
        await asyncio.wait({self._coming}, timeout=within_s)
        batch: list[AccountNews] = []
        while self._coming.done() and len(batch) < _MOST:
            batch.append(self._coming.result())
            self._coming = self._next()
            await asyncio.sleep(0)
        return batch

    async def aclose(self) -> None:
        """End the wait for more."""
        self._coming.cancel()
        await asyncio.gather(self._coming, return_exceptions=True)

    def _next(self) -> "asyncio.Future[AccountNews]":
        return asyncio.ensure_future(anext(self._news))


async def _insist(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask until Redis answers: what waits meanwhile is bounded where it comes from."""
    while True:
        try:
            return await ask()
        except (StoreUnavailable, NotLookedUp):
            await asyncio.sleep(_AGAIN_S)


def _from_told(fills: tuple[Fill, ...], told: tuple[Fill, ...]) -> tuple[Fill, ...]:
    """That part of the fills, newest first, that starts with the last one told."""
    for new in range(len(fills)):
        overlap = min(len(fills) - new, len(told))
        if fills[new : new + overlap] == told[:overlap]:
            return fills[new:]
    return ()


def _time() -> float:
    return asyncio.get_running_loop().time()
