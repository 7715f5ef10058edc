"""What happens on an account, as its stream tells it, for those who want nothing of what stands."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from typing import TypeAlias

from gateway.domain.account import Balance, BalanceChange
from gateway.domain.errors import GatewayError, SourceUnavailable
from gateway.domain.orders import Order
from gateway.domain.streams import Gap
from gateway.services.mailbox import Mailbox

AccountChange: TypeAlias = Order | BalanceChange | Gap
"""One change; after a `Gap` some that happened before it may be missing."""


class AccountChanges:
    """Those who follow the changes of an account alone; `capacity` of them may wait for each."""

    def __init__(self, account: str, capacity: int) -> None:
        self._account = account
        self._capacity = capacity
        self._mailboxes: set[Mailbox[AccountChange]] = set()
        self._started = asyncio.Event()

    def started(self) -> None:
        """From now on the stream tells every change."""
        self._started.set()

    def stopped(self, gap: Gap | None = None) -> None:
        """The stream tells nothing any more; `gap` is what followers are told."""
        self._started.clear()
        if gap is not None:
            self.tell(gap)

    def tell(self, change: AccountChange) -> None:
        """Tell every follower."""
        for mailbox in self._mailboxes:
            mailbox.put(change)

    def tell_orders(self, news: Iterable[Order | Balance]) -> None:
        """Tell the orders among what became news by one frame; balances are told in their parts."""
        for value in news:
            if isinstance(value, Order):
                self.tell(value)

    def end(self, reason: GatewayError) -> None:
        """End every follower's changes."""
        for mailbox in self._mailboxes:
            mailbox.fail(reason)

    @asynccontextmanager
    async def followed(self, within_s: float) -> AsyncIterator[AsyncIterator[AccountChange]]:
        """Give every change from now on; they end with `RateLimited` for who reads too slowly.

        Raises `SourceUnavailable` where the stream does not begin `within_s` seconds.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._started.wait()
        if not self._started.is_set():
            raise SourceUnavailable(f"the stream of account {self._account}")
        mailbox: Mailbox[AccountChange] = Mailbox(self._capacity)
        self._mailboxes.add(mailbox)
        try:
            yield aiter(mailbox)
        finally:
            self._mailboxes.discard(mailbox)
