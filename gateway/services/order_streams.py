"""The orders of an account as they change, from its private stream."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import suppress
from itertools import chain, repeat
from typing import Any

from gateway.domain.errors import ExchangeFailure, SourceUnavailable
from gateway.domain.orders import Order
from gateway.domain.signing import Sign
from gateway.domain.streams import Broken, FeedEvent, Gap, Started, Topic, TopicKind, Update
from gateway.exchange import ExchangeClient, Feed
from gateway.services.mailbox import Mailbox
from gateway.services.order_mirror import OrderMirror

ACCOUNT = Topic(TopicKind.ACCOUNT)
_START_WITHIN_S = 10.0
_REREAD_PAUSES_S = (0.0, 0.5, 1.0, 2.0, 5.0)


class OrderStream:
    """One account's orders: every subscriber gets the open ones first, then each change.

    After a break there is a `Gap`, then all open orders again, and those that vanished meanwhile.
    The account's connection is held while somebody listens, and for `linger_s` after.
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
    ) -> None:
        self._account = account
        self._feed = feed
        self._exchange = exchange
        self._sign = sign
        self._queue_size = queue_size
        self._linger_s = linger_s
        self._mirror = OrderMirror()
        self._whole = asyncio.Event()
        self._mailboxes: set[Mailbox[tuple[Order | Gap, ...]]] = set()
        self._listeners = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._rereading: asyncio.Task[None] | None = None

    @property
    def login_refused(self) -> bool:
        """True while the exchange does not let the account's orders be followed."""
        return self._feed.login_refused

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
                changed = self._mirror.apply(order)
                if changed is not None:
                    self._deliver(changed)
            case Started():
                self._rereading = self._begin(self._reread())
            case Broken(since=since, reason=reason):
                self._stop_rereading()
                if self._whole.is_set():
                    self._whole.clear()
                    self._deliver(Gap(since, reason))

    async def events(self) -> AsyncIterator[Order | Gap]:
        """Yield the open orders, then every change; raises `SourceUnavailable` without a stream."""
        mailbox: Mailbox[tuple[Order | Gap, ...]] = Mailbox(self._queue_size)
        self._feed.want(ACCOUNT)
        self._listeners += 1
        try:
            await self._until_whole()
            self._mailboxes.add(mailbox)
            for order in self._mirror.open_orders():
                yield order
            async for told in mailbox:
                for event in told:
                    yield event
        finally:
            self._mailboxes.discard(mailbox)
            self._listeners -= 1
            if not self._listeners:
                self._begin(self._leave_later())

    async def _until_whole(self) -> None:
        try:
            async with asyncio.timeout(_START_WITHIN_S):
                while not self._whole.is_set():  # it may break again before this task's turn
                    await self._whole.wait()
        except TimeoutError:
            what = f"the orders of account {self._account}"
            raise SourceUnavailable(what) from None

    def _stop_rereading(self) -> None:
        """A list asked for before a break must not stand for what came after it."""
        if self._rereading is not None:
            self._rereading.cancel()

    async def _reread(self) -> None:
        """Read the list until it comes: without it the account's subscribers wait for ever."""
        for pause in chain(_REREAD_PAUSES_S, repeat(_REREAD_PAUSES_S[-1])):
            await asyncio.sleep(pause)
            begun = self._mirror.mark()
            with suppress(ExchangeFailure):
                listed = await self._exchange.open_orders(self._sign)
                self._reconcile(listed, begun)
                return

    def _reconcile(self, listed: tuple[Order, ...], begun: int) -> None:
        if not self._feed.is_live(ACCOUNT):
            return  # it broke meanwhile; the next start reads again
        changed = self._mirror.reconcile(listed, begun)
        if self._whole.is_set():
            self._deliver(*changed)
            return
        ended = (order for order in changed if order.status.terminal)
        self._deliver(*self._mirror.open_orders(), *ended)
        self._whole.set()

    async def _leave_later(self) -> None:
        await asyncio.sleep(self._linger_s)
        if not self._listeners:
            self._stop_rereading()
            self._feed.unwant(ACCOUNT)
            self._whole.clear()

    def _deliver(self, *told: Order | Gap) -> None:
        """Tell it all as one event: however many orders are open, they fit where one does."""
        for mailbox in self._mailboxes:
            mailbox.put(told)

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
