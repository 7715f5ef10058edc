"""Readings of an account that begin after they are asked for, a few a second at the most."""

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.domain.account import Balance
from gateway.domain.orders import Order
from gateway.exchange import ExchangeClient
from gateway.services.signed_reads import SignedReads

PAUSE_S = 0.1
"""Before each reading: who asks meanwhile shares it."""


@dataclass(frozen=True, slots=True)
class Reread:
    """The open orders and the balances, by asset, of one reading."""

    open_orders: tuple[Order, ...] = ()
    balances: Mapping[str, Balance] = field(default_factory=dict)


@dataclass(slots=True)
class _Newest:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    begun: int = -1
    reread: Reread = field(default_factory=Reread)


class AccountRereads:
    """Reads accounts once more, where what was known of one may be older than the caller."""

    def __init__(self, exchange: ExchangeClient, reads: SignedReads) -> None:
        self._exchange = exchange
        self._reads = reads
        self._newest: defaultdict[str, _Newest] = defaultdict(_Newest)
        self._events = itertools.count()

    async def of(self, account: str) -> Reread:
        """The account by a reading that begins after this call; raises what `SignedReads` does."""
        called = next(self._events)
        newest = self._newest[account]
        async with newest.lock:
            if newest.begun < called:
                await asyncio.sleep(PAUSE_S)
                begun = next(self._events)
                newest.reread = await self._read(account)
                newest.begun = begun
            return newest.reread

    async def _read(self, account: str) -> Reread:
        orders = await self._reads.read(account, self._exchange.open_orders)
        wallet = await self._reads.read(account, self._exchange.balances)
        return Reread(orders, {balance.asset: balance for balance in wallet})
