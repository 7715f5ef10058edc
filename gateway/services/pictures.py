"""Readings of an account that show one moment of it."""

import asyncio
from collections.abc import Callable

from gateway.domain.errors import GatewayError
from gateway.domain.resolution import Picture
from gateway.exchange import ExchangeClient
from gateway.services.account_streams import AccountStreams
from gateway.services.signed_reads import SignedReads

_TRIES = 4


class Pictures:
    """Reads fills, then open orders and wallet, then fills again: equal, they are of one moment.

    So are the ends that the stream told before that. What is placed or cancelled meanwhile moves no
    balance and fills nothing, so that an account on which much happens can be read too.
    `exchange_now` is the exchange's time in ms at the most.
    """

    def __init__(
        self,
        *,
        streams: AccountStreams,
        exchange: ExchangeClient,
        reads: SignedReads,
        exchange_now: Callable[[], int | None],
    ) -> None:
        self._streams = streams
        self._exchange = exchange
        self._reads = reads
        self._exchange_now = exchange_now

    async def take(self, account: str) -> Picture | None:
        """Read the account; None when it cannot be read, or traded all the while."""
        try:
            for _ in range(_TRIES):
                if (picture := await self._try(account)) is not None:
                    return picture
        except GatewayError:
            return None
        return None

    async def _try(self, account: str) -> Picture | None:
        stream = self._streams.of(account)
        read_at, whole_since = self._exchange_now(), stream.whole_since
        fills = await self._reads.read(account, self._exchange.fills)
        orders, balances = await asyncio.gather(
            self._reads.read(account, self._exchange.open_orders),
            self._reads.read(account, self._exchange.balances),
        )
        # What the stream told until after the reads: only then it tells what they do not show.
        confirmed = await stream.confirmed()
        ended = stream.mirror.orders.ended_orders()
        if read_at is None or fills != await self._reads.read(account, self._exchange.fills):
            return None
        return Picture(
            read_at=read_at,
            orders=orders,
            fills=fills,
            totals={balance.asset: balance.total for balance in balances},
            ended=ended,
            stream_since=whole_since if whole_since == confirmed else None,
        )
