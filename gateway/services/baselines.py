"""What stands on an account just before an order is sent."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal

from gateway.domain.account import Balance
from gateway.domain.errors import ExchangeFailure, Refused, SourceUnavailable
from gateway.domain.market import Market, OrderSide
from gateway.domain.orders import Order
from gateway.domain.placements import Baseline, OpenOrder
from gateway.exchange import ExchangeClient
from gateway.services.account_standing import Standing
from gateway.services.account_stream import AccountStream
from gateway.services.account_streams import AccountStreams
from gateway.services.signed_reads import SignedReads

_FRESH_MS = 2000
"""How old the fills of a baseline may be, where they need not be of this very moment."""

_FILLS_KEPT = 20
"""Enough to find them again in a later list, as a run that is like no other."""


@dataclass(frozen=True, slots=True)
class AccountView:
    """An account before an order: its `baseline`, all `open_orders`, and each asset's balance."""

    baseline: Baseline
    open_orders: tuple[Order, ...]
    balances: Mapping[str, Balance]


class Baselines:
    """Takes baselines: from the account's stream while that is whole, else the account is read.

    The stream is held for as long as orders come, so that most cost nothing. `market` finds a
    market by its symbol; `exchange_now` is the exchange's time in ms at the most, or None.
    """

    def __init__(
        self,
        *,
        streams: AccountStreams,
        exchange: ExchangeClient,
        reads: SignedReads,
        market: Callable[[str], Awaitable[Market]],
        exchange_now: Callable[[], int | None],
    ) -> None:
        self._streams = streams
        self._exchange = exchange
        self._reads = reads
        self._market = market
        self._exchange_now = exchange_now

    async def of(
        self, account: str, symbol: str, side: OrderSide, *, fresh_fills: bool
    ) -> AccountView:
        """The account, with the baseline of an order of this market and side.

        `fresh_fills`: they are all that tells what becomes of it, so none may be missing. Raises
        `SourceUnavailable` when the account cannot be read, what `market` raises, `Refused`,
        `UnknownAccount`, `KeyUnavailable` and `RateLimited`.
        """
        market = await self._market(symbol)
        stream = self._streams.of(account)
        with stream.held():
            try:
                taken = await self._followed(stream, fresh_fills=fresh_fills)
                return (taken or await self._read(account)).view(market, side)
            except Refused:
                raise  # it says what is wrong with the account, or its key
            except ExchangeFailure as away:
                raise SourceUnavailable(f"account {account}") from away

    async def _followed(self, stream: AccountStream, *, fresh_fills: bool) -> "_Taken | None":
        now, since = self._exchange_now(), stream.whole_since
        if now is None or since is None:
            return None
        if not self._fresh(stream, now, fresh_fills=fresh_fills):
            with suppress(SourceUnavailable):
                await stream.read_fills()
        standing, since = stream.standing, stream.whole_since
        if standing is None or since is None:
            return None
        at = now if stream.mirror.fills.current else standing.at
        orders, balances = stream.mirror.orders.open_orders(), stream.mirror.balances.balances()
        return _Taken(at=at, since=since, standing=standing, orders=orders, balances=balances)

    def _fresh(self, stream: AccountStream, now: int, *, fresh_fills: bool) -> bool:
        if stream.standing is None:
            return False
        if stream.mirror.fills.current:
            return True
        return not fresh_fills and now - stream.standing.at <= _FRESH_MS

    async def _read(self, account: str) -> "_Taken":
        """Read the fills last: what the other two tell of is then among them."""
        if (now := self._exchange_now()) is None:
            await self._exchange.synchronise_clock()
            now = self._exchange_now()
        if now is None:
            raise SourceUnavailable("the exchange's time")
        orders, balances = await asyncio.gather(
            self._reads.read(account, self._exchange.open_orders),
            self._reads.read(account, self._exchange.balances),
        )
        fills = await self._reads.read(account, self._exchange.fills)
        standing = Standing(at=now, orders=orders, balances=balances, fills=fills)
        return _Taken(at=now, since=None, standing=standing, orders=orders, balances=balances)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """An account as it was at its last fills (`standing`), and what has become of it since."""

    at: int
    since: int | None
    standing: Standing
    orders: tuple[Order, ...]
    balances: tuple[Balance, ...]

    def view(self, market: Market, side: OrderSide) -> AccountView:
        totals = {balance.asset: balance.total for balance in self.standing.balances}
        baseline = Baseline(
            taken_at=self.at,
            stream_since=self.since,
            orders=tuple(_of_lane(self.standing.orders, self.orders, market.symbol, side)),
            ended=tuple(_lane_ids(self.standing.ended, market.symbol, side)),
            fills=self.standing.fills[:_FILLS_KEPT],
            totals={
                each: totals.get(each, Decimal(0))
                for each in (market.base_asset, market.quote_asset)
            },
        )
        return AccountView(baseline, self.orders, {each.asset: each for each in self.balances})


def _of_lane(
    then: Iterable[Order], now: Iterable[Order], symbol: str, side: OrderSide
) -> Iterable[OpenOrder]:
    """The lane's orders, and what was filled of each at the last fills: 0 where it came since."""
    then_filled = {each.order_id: each.filled_quantity or Decimal(0) for each in then}
    ids = dict.fromkeys(_lane_ids((*then, *now), symbol, side))
    return (OpenOrder(each, then_filled.get(each, Decimal(0))) for each in ids)


def _lane_ids(orders: Iterable[Order], symbol: str, side: OrderSide) -> Iterator[str]:
    for order in orders:
        if order.order_id is not None and (order.symbol, order.side) == (symbol, side):
            yield order.order_id
