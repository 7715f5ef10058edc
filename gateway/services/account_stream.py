"""The orders and balances of an account as they change, from its private stream."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import suppress
from itertools import chain, repeat
from typing import Any, TypeAlias, TypeVar

import structlog

from gateway.domain.account import Balance, BalanceChange
from gateway.domain.errors import ExchangeFailure, SourceUnavailable
from gateway.domain.orders import Order
from gateway.domain.signing import Sign
from gateway.domain.streams import Broken, FeedEvent, Gap, Started, Topic, TopicKind, Update
from gateway.exchange import ExchangeClient, Feed
from gateway.services.account_mirror import AccountMirror
from gateway.services.mailbox import Mailbox

_log = structlog.get_logger(__name__)

ACCOUNT = Topic(TopicKind.ACCOUNT)
_START_WITHIN_S = 10.0
_REREAD_PAUSES_S = (0.0, 0.5, 1.0, 2.0, 5.0)

T = TypeVar("T", Order, Balance)
_Mailboxes: TypeAlias = set[Mailbox[tuple[T | Gap, ...]]]


class AccountStream:
    """One account: every subscriber gets what stands first, then each change.

    After a break there is a `Gap`, then all that stands again, and the orders that vanished
    meanwhile. What stands is known when open orders, wallet and fills have all been read since
    the stream began. The account's connection is held while somebody listens, and for `linger_s`
    after. `settle_s` is how long frames that belong together may lie apart: so long one part of a
    balance waits for the other, and a wallet for the frames before it. While somebody listens,
    fills that are outdated are read again, once in `fills_every_s` at the most.
    """

    def __init__(
        self,
        *,
        account: str,
        feed: Feed,
        exchange: ExchangeClient,
        sign: Sign,
        queue_size: int,
        linger_s: float,
        settle_s: float = 0.05,
        fills_every_s: float = 1.0,
    ) -> None:
        self._account = account
        self._feed = feed
        self._exchange = exchange
        self._sign = sign
        self._queue_size = queue_size
        self._linger_s = linger_s
        self._settle_s = settle_s
        self._fills_every_s = fills_every_s
        self._mirror = AccountMirror()
        self._whole = asyncio.Event()
        self._ended: list[Order] = []
        self._followers_of_orders: _Mailboxes[Order] = set()
        self._followers_of_balances: _Mailboxes[Balance] = set()
        self._listeners = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._rereading: asyncio.Task[None] | None = None
        self._rereading_fills: asyncio.Task[None] | None = None

    @property
    def login_refused(self) -> bool:
        """True while the exchange does not let the account be followed."""
        return self._feed.login_refused

    @property
    def mirror(self) -> AccountMirror:
        """What is known of the account; it is whole and followed while its fills are current."""
        return self._mirror

    async def run(self) -> None:
        """Hold the account's connection while it is wanted, until cancelled."""
        try:
            await self._feed.run(self.receive)
        finally:
            for task in self._tasks:
                task.cancel()

    def receive(self, event: FeedEvent) -> None:
        """Take what the account's feed tells."""
        match event:
            case Update(value=Order() as order):
                self._tell(self._mirror.apply(order))
                self._reread_fills_soon()
            case Update(value=BalanceChange() as change):
                self._tell(self._mirror.apply(change))
                self._begin(self._settle_later(change.asset, self._mirror.balances.mark()))
                self._reread_fills_soon()
            case Started():
                self._rereading = self._begin(self._reread())
            case Broken(since=since, reason=reason):
                self._break(Gap(since, reason))

    def orders(self) -> AsyncIterator[Order | Gap]:
        """Yield the open orders, then every change; raises `SourceUnavailable` without a stream."""
        return self._follow(self._followers_of_orders, self._mirror.orders.open_orders)

    def balances(self) -> AsyncIterator[Balance | Gap]:
        """Yield all balances, then every change; raises `SourceUnavailable` without a stream."""
        return self._follow(self._followers_of_balances, self._mirror.balances.balances)

    async def _follow(
        self, followers: _Mailboxes[T], standing: Callable[[], tuple[T, ...]]
    ) -> AsyncIterator[T | Gap]:
        mailbox: Mailbox[tuple[T | Gap, ...]] = Mailbox(self._queue_size)
        self._feed.want(ACCOUNT)
        self._listeners += 1
        try:
            followers.add(mailbox)
            if self._whole.is_set():
                mailbox.put(standing())
                self._reread_fills_soon()
            await self._until_whole()
            async for told in mailbox:
                for event in told:
                    yield event
        finally:
            followers.discard(mailbox)
            self._listeners -= 1
            if not self._listeners:
                self._begin(self._leave_later())

    async def _until_whole(self) -> None:
        try:
            async with asyncio.timeout(_START_WITHIN_S):
                await self._whole.wait()
        except TimeoutError:
            raise SourceUnavailable(f"the stream of account {self._account}") from None

    def _tell(self, news: Iterable[Order | Balance]) -> None:
        """Until all is known, news is part of it, and told with it; but an order that ended."""
        for value in news:
            if self._whole.is_set():
                self._tell_at_once(value)
            elif isinstance(value, Order) and value.status.terminal:
                self._ended.append(value)
        if len(self._ended) > self._queue_size:
            self._tell_of_orders()

    def _tell_at_once(self, value: Order | Balance) -> None:
        if isinstance(value, Order):
            _deliver(self._followers_of_orders, value)
        else:
            _deliver(self._followers_of_balances, value)

    def _tell_of_orders(self, *standing: Order) -> None:
        _deliver(self._followers_of_orders, *standing, *self._ended)
        self._ended.clear()

    def _break(self, gap: Gap) -> None:
        self._stop_rereading()
        self._mirror.fills.outdate()
        if self._whole.is_set():
            self._whole.clear()
            _deliver(self._followers_of_orders, gap)
            _deliver(self._followers_of_balances, gap)

    def _stop_rereading(self) -> None:
        """What was asked for before a break must not stand for what came after it."""
        if self._rereading is not None:
            self._rereading.cancel()

    async def _reread(self) -> None:
        """Read until all came: without it the account's subscribers wait for ever."""
        for pause in chain(_REREAD_PAUSES_S, repeat(_REREAD_PAUSES_S[-1])):
            await asyncio.sleep(pause)
            try:
                await self._take_all()
            except* ExchangeFailure as failed:
                problems = [str(failure) for failure in failed.exceptions]
                _log.warning("account.not_read", account=self._account, problems=problems)
            else:
                return

    async def _take_all(self) -> None:
        """Read all that stands, and take it when what it may be ahead of has had time to come."""
        mirror, exchange, sign = self._mirror, self._exchange, self._sign
        orders_begun, balances_begun = mirror.orders.mark(), mirror.balances.mark()
        fills_begun = mirror.fills.mark()
        async with asyncio.TaskGroup() as reads:
            orders = reads.create_task(exchange.open_orders(sign))
            wallet = reads.create_task(exchange.balances(sign))
            fills = reads.create_task(exchange.fills(sign))
        await asyncio.sleep(self._settle_s)
        mirror.balances.reconcile(wallet.result(), balances_begun)
        mirror.fills.take(fills.result(), fills_begun)
        self._become_whole(mirror.orders.reconcile(orders.result(), orders_begun))

    def _become_whole(self, changed: Iterable[Order]) -> None:
        self._ended += (order for order in changed if order.status.terminal)
        self._tell_of_orders(*self._mirror.orders.open_orders())
        _deliver(self._followers_of_balances, *self._mirror.balances.balances())
        self._whole.set()
        self._reread_fills_soon()

    async def _settle_later(self, asset: str, mark: int) -> None:
        await asyncio.sleep(self._settle_s)
        self._tell(self._mirror.balances.settle(asset, mark))

    def _reread_fills_soon(self) -> None:
        idle = self._rereading_fills is None or self._rereading_fills.done()
        if idle and self._fills_wanted():
            self._rereading_fills = self._begin(self._reread_fills())

    def _fills_wanted(self) -> bool:
        return bool(self._listeners) and self._whole.is_set() and not self._mirror.fills.current

    async def _reread_fills(self) -> None:
        """What outdates them while they are on their way is for the next time."""
        while self._fills_wanted():
            await asyncio.sleep(self._fills_every_s)
            begun = self._mirror.fills.mark()
            with suppress(ExchangeFailure):
                self._mirror.fills.take(await self._exchange.fills(self._sign), begun)

    async def _leave_later(self) -> None:
        await asyncio.sleep(self._linger_s)
        if not self._listeners:
            self._stop_rereading()
            self._feed.unwant(ACCOUNT)
            self._mirror.orders.forget_open()
            self._mirror.fills.outdate()
            self._whole.clear()
            self._ended.clear()

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _deliver(followers: _Mailboxes[T], *told: T | Gap) -> None:
    """Tell it all as one event: however much stands, it fits where one change does."""
    for mailbox in followers:
        mailbox.put(told)
