"""The orders and balances of an account as they change, from its private stream."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeAlias, TypeVar

import structlog

from gateway.domain.account import Balance, BalanceChange
from gateway.domain.errors import (
    GatewayError,
    Refused,
    SourceUnavailable,
    StreamRefused,
    UnknownAccount,
)
from gateway.domain.key_errors import KeyUnavailable
from gateway.domain.orders import Order
from gateway.domain.streams import (
    Broken,
    FeedEvent,
    Gap,
    LoginRefused,
    Started,
    Topic,
    TopicKind,
    Update,
)
from gateway.exchange import ExchangeClient, Feed
from gateway.services.account_mirror import AccountMirror
from gateway.services.mailbox import Mailbox
from gateway.services.signed_reads import SignedReads

_log = structlog.get_logger(__name__)

ACCOUNT = Topic(TopicKind.ACCOUNT)
_LASTING = (Refused, KeyUnavailable)

T = TypeVar("T", Order, Balance)
_Mailboxes: TypeAlias = set[Mailbox[tuple[T | Gap, ...]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountTiming:
    """All in seconds. The account's connection is held for `linger_s` after its last subscriber.

    `settle_s`: how long frames that belong together may lie apart: so long one part of a balance
    waits for the other, and a wallet for the frames before it. `fills_every_s`: between two
    readings of the fills. `start_within_s`: a subscriber who got nothing by then is told why.
    `reread_pauses`: before each reading of what stands; the last one again and again.
    """

    linger_s: float
    settle_s: float = 0.05
    fills_every_s: float = 1.0
    start_within_s: float = 10.0
    reread_pauses: tuple[float, ...] = (0.0, 0.5, 1.0, 2.0, 5.0)


class AccountStream:
    """One account: every subscriber gets what stands first, then each change.

    After a break there is a `Gap`, then all that stands again, and the orders that vanished
    meanwhile. What stands is known when open orders, wallet and fills have all been read since
    the stream began. Where the exchange refuses that, the subscriptions end: at once when it
    refuses the login, and when it refuses a reading after each of the pauses. While somebody
    listens, fills that are outdated are read again. No subscription tells them yet: what an account
    that trades costs is one 'Get User Trades' in `fills_every_s`.
    """

    def __init__(
        self,
        *,
        account: str,
        feed: Feed,
        exchange: ExchangeClient,
        reads: SignedReads,
        queue_size: int,
        timing: AccountTiming,
    ) -> None:
        self._account = account
        self._feed = feed
        self._exchange = exchange
        self._reads = reads
        self._queue_size = queue_size
        self._timing = timing
        self._mirror = AccountMirror()
        self._whole = False
        self._denied = False
        self._unread: GatewayError | None = None
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
    def problem(self) -> str | None:
        """Why the account cannot be read, though it is followed; None when nothing is wrong."""
        return None if self._unread is None else str(self._unread)

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

    def renew(self) -> None:
        """Log in again with the key that is now the account's; subscribers see a `Gap`."""
        self._feed.renew()

    def end(self) -> None:
        """End every subscription: the gateway has no key of the account any more."""
        self._end(UnknownAccount(self._account))

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
                self._login_accepted()
                self._rereading = self._begin(self._reread())
            case Broken(since=since, reason=reason):
                self._break(Gap(since, reason))
            case LoginRefused():
                self._login_refused()

    def orders(self) -> AsyncIterator[Order | Gap]:
        """Yield the open orders, then every change.

        Raises `SourceUnavailable`, `StreamRefused`, `KeyUnavailable` or an `ExchangeFailure` when
        they are not known, and `UnknownAccount` once there is no key of the account.
        """
        return self._follow(self._followers_of_orders, self._mirror.orders.open_orders)

    def balances(self) -> AsyncIterator[Balance | Gap]:
        """Yield all balances, then every change; raises what `orders` raises."""
        return self._follow(self._followers_of_balances, self._mirror.balances.balances)

    async def _follow(
        self, followers: _Mailboxes[T], standing: Callable[[], tuple[T, ...]]
    ) -> AsyncIterator[T | Gap]:
        mailbox: Mailbox[tuple[T | Gap, ...]] = Mailbox(self._queue_size)
        self._feed.want(ACCOUNT)
        self._listeners += 1
        try:
            followers.add(mailbox)
            if self._whole:
                mailbox.put(standing())
                self._reread_fills_soon()
            elif self._denied:
                mailbox.fail(StreamRefused(self._account))
            events = aiter(mailbox)
            for event in await self._first(events):
                yield event
            async for told in events:
                for event in told:
                    yield event
        finally:
            followers.discard(mailbox)
            self._listeners -= 1
            if not self._listeners:
                self._begin(self._leave_later())

    async def _first(self, events: AsyncIterator[tuple[T | Gap, ...]]) -> tuple[T | Gap, ...]:
        try:
            async with asyncio.timeout(self._timing.start_within_s):
                return await anext(events)
        except TimeoutError:
            away = SourceUnavailable(f"the stream of account {self._account}")
            raise self._unread or away from None

    def _login_accepted(self) -> None:
        if self._denied:
            _log.info("account.login_accepted", account=self._account)
        self._denied = False

    def _login_refused(self) -> None:
        if not self._denied:
            _log.error("account.login_refused", account=self._account)
        self._denied = True
        self._end(StreamRefused(self._account))

    def _end(self, reason: GatewayError) -> None:
        """End every subscription: a reason that lasts is better told than waited for."""
        for orders in self._followers_of_orders:
            orders.fail(reason)
        for balances in self._followers_of_balances:
            balances.fail(reason)

    def _tell(self, news: Iterable[Order | Balance]) -> None:
        """Until all is known, news is part of it, and told with it; but an order that ended."""
        for value in news:
            if self._whole:
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
        if self._whole:
            self._whole = False
            _deliver(self._followers_of_orders, gap)
            _deliver(self._followers_of_balances, gap)

    def _stop_rereading(self) -> None:
        """What was asked for before a break must not stand for what came after it."""
        self._unread = None
        if self._rereading is not None:
            self._rereading.cancel()

    async def _reread(self) -> None:
        """Read until all came: without it the account's subscribers wait for ever."""
        pauses = self._timing.reread_pauses
        for attempt in count():
            await asyncio.sleep(pauses[min(attempt, len(pauses) - 1)])
            try:
                await self._take_all()
            except* GatewayError as failed:
                self._not_read(failed.exceptions, last=attempt + 1 >= len(pauses))
            else:
                return

    def _not_read(self, failures: Iterable[Exception], *, last: bool) -> None:
        """Outages end by themselves, and subscribers stay; a refusal stands until somebody acts."""
        told = [each for each in failures if isinstance(each, GatewayError)]
        before = self.problem
        self._unread = next((each for each in told if isinstance(each, _LASTING)), told[0])
        if self.problem != before:
            _log.warning("account.not_read", account=self._account, problem=self.problem)
        if last and isinstance(self._unread, _LASTING):
            self._end(self._unread)

    async def _take_all(self) -> None:
        """Read all that stands, and take it when what it may be ahead of has had time to come."""
        mirror, exchange = self._mirror, self._exchange
        orders_begun, balances_begun = mirror.orders.mark(), mirror.balances.mark()
        fills_begun = mirror.fills.mark()
        async with asyncio.TaskGroup() as reads:
            orders = reads.create_task(self._reads.read(self._account, exchange.open_orders))
            wallet = reads.create_task(self._reads.read(self._account, exchange.balances))
            fills = reads.create_task(self._reads.read(self._account, exchange.fills))
        await asyncio.sleep(self._timing.settle_s)
        mirror.balances.reconcile(wallet.result(), balances_begun)
        mirror.fills.take(fills.result(), fills_begun)
        self._become_whole(mirror.orders.reconcile(orders.result(), orders_begun))

    def _become_whole(self, changed: Iterable[Order]) -> None:
        self._ended += (order for order in changed if order.status.terminal)
        self._tell_of_orders(*self._mirror.orders.open_orders())
        _deliver(self._followers_of_balances, *self._mirror.balances.balances())
        if self._unread is not None:
            _log.info("account.read", account=self._account)
        self._whole, self._unread = True, None
        self._reread_fills_soon()

    async def _settle_later(self, asset: str, mark: int) -> None:
        await asyncio.sleep(self._timing.settle_s)
        self._tell(self._mirror.balances.settle(asset, mark))

    def _reread_fills_soon(self) -> None:
        idle = self._rereading_fills is None or self._rereading_fills.done()
        if idle and self._fills_wanted():
            self._rereading_fills = self._begin(self._reread_fills())

    def _fills_wanted(self) -> bool:
        return bool(self._listeners) and self._whole and not self._mirror.fills.current

    async def _reread_fills(self) -> None:
        """What outdates them while they are on their way is for the next time."""
        while self._fills_wanted():
            await asyncio.sleep(self._timing.fills_every_s)
            begun = self._mirror.fills.mark()
            with suppress(GatewayError):
                fills = await self._reads.read(self._account, self._exchange.fills)
                self._mirror.fills.take(fills, begun)

    async def _leave_later(self) -> None:
        await asyncio.sleep(self._timing.linger_s)
        if not self._listeners:
            self._stop_rereading()
            self._feed.unwant(ACCOUNT)
            self._mirror.orders.forget_open()
            self._mirror.fills.outdate()
            self._whole = False
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
