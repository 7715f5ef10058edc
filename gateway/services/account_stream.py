"""What happens on an account, from its private stream and from what is read beside it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from itertools import count
from typing import Any, cast

import structlog

from gateway.domain.account import Balance, BalanceChange, Fill
from gateway.domain.errors import (
    GatewayError,
    Refused,
    SourceUnavailable,
    StreamRefused,
)
from gateway.domain.key_errors import KeyUnavailable
from gateway.domain.orders import Order
from gateway.domain.resolution_case import FRAMES_LATE_MS
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
from gateway.services.account_changes import AccountChange, AccountChanges
from gateway.services.account_followers import AccountNews, Followers
from gateway.services.account_mirror import AccountMirror
from gateway.services.account_standing import Standing
from gateway.services.account_timing import AccountTiming
from gateway.services.signed_reads import SignedReads

_log = structlog.get_logger(__name__)

ACCOUNT = Topic(TopicKind.ACCOUNT)
_LASTING = (Refused, KeyUnavailable)

__all__ = ["ACCOUNT", "AccountStream", "AccountTiming"]


class AccountStream:
    """One account: every subscriber gets what stands first, then each change.

    After a break there is a `Gap`, then all that stands again, and the orders that vanished
    meanwhile. What stands is known when open orders, wallet and fills have all been read since
    the stream began. Where the exchange refuses that, the subscriptions end: at once when it
    refuses the login, and when it refuses a reading after each of the pauses. While somebody
    listens, fills that are outdated are read again: what an account that trades costs is one
    'Get User Trades' in `fills_every_s`.

    `exchange_now` is the exchange's time in ms at the most, or None.
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
        exchange_now: Callable[[], int | None],
    ) -> None:
        self._account = account
        self._feed = feed
        self._exchange = exchange
        self._reads = reads
        self._queue_size = queue_size
        self._timing = timing
        self._exchange_now = exchange_now
        self._mirror = AccountMirror()
        self._whole = False
        self._started = 0.0
        self._since: int | None = None
        self._standing: Standing | None = None
        self._denied = False
        self._unread: GatewayError | None = None
        self._ended: list[Order] = []
        self._followers = Followers(queue_size)
        self._changes = AccountChanges(account, queue_size)
        self._holders = 0
        self._leaving: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._rereading: asyncio.Task[None] | None = None
        self._rereading_fills: asyncio.Task[None] | None = None

    @property
    def login_refused(self) -> bool:
        """True while the exchange does not let the account be followed."""
        return self._feed.login_refused

    @property
    def connected(self) -> bool:
        """True while there is a connection to the exchange for the account's stream."""
        return self._feed.state.connected

    @property
    def problem(self) -> str | None:
        """Why the account cannot be read, though it is followed; None when nothing is wrong."""
        return None if self._unread is None else str(self._unread)

    @property
    def mirror(self) -> AccountMirror:
        """What is known of the account; it is whole and followed while its fills are current."""
        return self._mirror

    @property
    def whole_since(self) -> int | None:
        """From when on nothing that ended is missing here (ms, by the exchange); None: it may be.

        A connection that has died counts until that is noticed; see `confirmed`.
        """
        if not self._whole or self._since is None:
            return None
        return max(self._since, self._mirror.orders.forgotten_until)

    async def confirmed(self) -> int | None:
        """`whole_since`, after an answer of the exchange on the stream's connection; None: none."""
        since = self.whole_since
        if since is None or not await self._feed.confirm(self._timing.confirm_within_s):
            return None
        return since if since == self.whole_since else None

    @property
    def standing(self) -> Standing | None:
        """The account at its last reading of the fills; None while it is not whole."""
        return self._standing if self._whole else None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Have the account followed, and for a while after, though nobody listens."""
        self._feed.want(ACCOUNT)
        self._holders += 1
        try:
            yield
        finally:
            self._holders -= 1
            self._leave_soon()

    async def read_fills(self) -> None:
        """Read the fills once more, so that `standing` is of now; raises what `SignedReads` does.

        It raises `SourceUnavailable` where the stream is not whole all the while.
        """
        session, begun, at = self._started, self._mirror.fills.mark(), self._exchange_now()
        orders, balances = self._mirror.orders.open_orders(), self._mirror.balances.balances()
        ended = () if at is None else self._mirror.orders.ended_lately(at - FRAMES_LATE_MS)
        fills = await self._reads.read(self._account, self._exchange.fills)
        if not self._whole or session != self._started:
            raise SourceUnavailable(f"the stream of account {self._account}")
        news = self._mirror.fills.take(fills, begun)
        if news is not None and at is not None:
            self._standing = Standing(
                at=at, orders=orders, balances=balances, fills=fills, ended=ended
            )
        self._followers.tell(*(news or ()))

    async def run(self) -> None:
        """Hold the account's connection while it is wanted, until cancelled."""
        try:
            await self._feed.run(self.receive)
        finally:
            for task in self._tasks:
                task.cancel()
            if self._leaving is not None:
                self._leaving.cancel()

    def renew(self) -> None:
        """Log in again with the key that is now the account's; subscribers see a `Gap`."""
        self._feed.renew()

    def end(self, reason: GatewayError) -> None:
        """End every subscription: the gateway has no key to read the account any more."""
        self._followers.end(reason)
        self._changes.end(reason)

    def receive(self, event: FeedEvent) -> None:
        """Take what the account's feed tells."""
        match event:
            case Update(value=Order() as order):
                news = tuple(self._mirror.apply(order))
                self._tell(news)
                self._changes.tell_orders(news)
                self._reread_fills_soon()
            case Update(value=BalanceChange() as change):
                self._tell(self._mirror.apply(change))
                self._changes.tell(change)
                self._begin(self._settle_later(change.asset, self._mirror.balances.mark()))
                self._reread_fills_soon()
            case Started():
                self._login_accepted()
                self._started = _now()
                self._changes.started()
                self._rereading = self._begin(self._reread())
            case Broken(since=since, reason=reason, lossless=lossless):
                self._break(gap := Gap(since, reason))
                self._changes.stopped(None if lossless else gap)
            case LoginRefused():
                self._login_refused()

    def orders(self) -> AsyncIterator[Order | Gap]:
        """Yield the open orders, then every change.

        Raises `SourceUnavailable`, `StreamRefused`, `KeyUnavailable` or an `ExchangeFailure` when
        they are not known, and `UnknownAccount` or `NoKey` once no key reads the account.
        """
        return cast("AsyncIterator[Order | Gap]", self._follow((Order, Gap)))

    def balances(self) -> AsyncIterator[Balance | Gap]:
        """Yield all balances, then every change; raises what `orders` raises."""
        return cast("AsyncIterator[Balance | Gap]", self._follow((Balance, Gap)))

    def everything(self) -> AsyncIterator[AccountNews]:
        """Yield open orders and balances, then every change and each new fill, as it is learnt.

        A `Gap` without a break of the stream: fills came that no list shows any more. Raises what
        `orders` raises.
        """
        return self._follow((Order, Balance, Fill, Gap))

    @asynccontextmanager
    async def changes(self) -> AsyncIterator[AsyncIterator[AccountChange]]:
        """Give every change from now on, and nothing of what stands.

        Raises `SourceUnavailable` or `StreamRefused` where the exchange's stream does not begin.
        The changes end with the reasons with which those of `orders` do.
        """
        with self.held():
            if self._denied:
                raise StreamRefused(self._account)
            async with self._changes.followed(self._timing.confirm_within_s) as changes:
                yield changes

    async def _follow(self, kinds: tuple[type, ...]) -> AsyncIterator[AccountNews]:
        with self.held(), self._followers.joined(kinds) as follower:
            if self._whole:
                follower.tell(self._all_that_stands(), even_nothing=True)
                self._reread_fills_soon()
            elif self._denied:
                follower.end(StreamRefused(self._account))
            tellings = follower.tellings()
            for event in await self._first(tellings):
                yield event
            async for told in tellings:
                for event in told:
                    yield event

    async def _first(
        self, tellings: AsyncIterator[tuple[AccountNews, ...]]
    ) -> tuple[AccountNews, ...]:
        try:
            async with asyncio.timeout(self._timing.start_within_s):
                return await anext(tellings)
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
        self.end(StreamRefused(self._account))

    def _tell(self, news: Iterable[Order | Balance]) -> None:
        """Until all is known, news is part of it, and told with it; but an order that ended."""
        for value in news:
            if self._whole:
                self._followers.tell(value)
            elif isinstance(value, Order) and value.status.terminal:
                self._ended.append(value)
        if len(self._ended) > self._queue_size:
            self._followers.tell(*self._ended)
            self._ended.clear()

    def _all_that_stands(self) -> tuple[Order | Balance, ...]:
        return (*self._mirror.orders.open_orders(), *self._mirror.balances.balances())

    def _break(self, gap: Gap) -> None:
        self._stop_rereading()
        self._mirror.fills.outdate()
        if self._whole:
            self._not_whole()
            self._followers.tell(gap)

    def _not_whole(self) -> None:
        self._whole, self._since, self._standing = False, None, None

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
            self.end(self._unread)

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
        filled = mirror.fills.take(fills.result(), fills_begun) or ()
        self._become_whole(mirror.orders.reconcile(orders.result(), orders_begun), filled)

    def _become_whole(self, changed: Iterable[Order], filled: Iterable[Fill | Gap]) -> None:
        ended = [*self._ended, *(order for order in changed if order.status.terminal)]
        self._ended.clear()
        orders, balances = self._mirror.orders.open_orders(), self._mirror.balances.balances()
        self._followers.tell(*orders, *ended, *balances, *filled, even_nothing=True)
        if self._unread is not None:
            _log.info("account.read", account=self._account)
        self._whole, self._unread = True, None
        if (now := self._exchange_now()) is not None:
            self._since = now - int((_now() - self._started) * 1000)
        self._reread_fills_soon()

    async def _settle_later(self, asset: str, mark: int) -> None:
        await asyncio.sleep(self._timing.settle_s)
        self._tell(self._mirror.balances.settle(asset, mark))

    def _reread_fills_soon(self) -> None:
        idle = self._rereading_fills is None or self._rereading_fills.done()
        if idle and self._fills_wanted():
            self._rereading_fills = self._begin(self._reread_fills())

    def _fills_wanted(self) -> bool:
        return bool(self._holders) and self._whole and not self._mirror.fills.current

    async def _reread_fills(self) -> None:
        """What outdates them while they are on their way is for the next time."""
        while self._fills_wanted():
            await asyncio.sleep(self._timing.fills_every_s)
            with suppress(GatewayError):
                await self.read_fills()

    def _leave_soon(self) -> None:
        if self._leaving is not None:
            self._leaving.cancel()
        loop = asyncio.get_running_loop()
        self._leaving = loop.call_later(self._timing.linger_s, self._leave)

    def _leave(self) -> None:
        if not self._holders:
            self._stop_rereading()
            self._feed.unwant(ACCOUNT)
            self._changes.stopped()
            self._mirror.orders.forget_open()
            self._mirror.fills.forget()
            self._not_whole()
            self._ended.clear()

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _now() -> float:
    return asyncio.get_running_loop().time()
