"""Prices that orders are measured against: fresh ones, or none."""

from decimal import Decimal
from typing import Any

from gateway.domain.errors import GatewayError
from gateway.domain.market import (
    MarketKey,
    MarketKind,
    OrderSide,
    PriceLevel,
    Snapshot,
    Ticker,
    TopOfBook,
)
from gateway.services.market_data import MarketData
from gateway.services.single_flight import SingleFlight


class ReferencePrices:
    """Fresh prices of a market. Where memory has none, the exchange is asked, once for all."""

    def __init__(self, market_data: MarketData) -> None:
        self._market_data = market_data
        self._reads: SingleFlight[MarketKey, Snapshot[Any]] = SingleFlight()

    async def far_side(self, symbol: str, side: OrderSide) -> Decimal | None:
        """What an order of this side meets first: the best ask of a buy, the best bid of a sell.

        None when that side is empty, or when nothing fresh is known of it.
        """
        top: TopOfBook | None = await self._fresh(MarketKey(MarketKind.TOP_OF_BOOK, symbol))
        if top is None:
            return None
        level: PriceLevel | None = top.ask if side is OrderSide.BUY else top.bid
        return None if level is None else level.price

    async def reference(self, symbol: str, side: OrderSide) -> Decimal | None:
        """The far side or, without one, the last price; None when neither is known fresh."""
        price = await self.far_side(symbol, side)
        if price is not None:
            return price
        ticker: Ticker | None = await self._fresh(MarketKey(MarketKind.TICKER, symbol))
        return None if ticker is None else ticker.last

    async def aclose(self) -> None:
        """Cancel what is under way."""
        await self._reads.aclose()

    async def _fresh(self, key: MarketKey) -> Any:  # noqa: ANN401 - a key's kind says what it holds
        snapshot = self._market_data.fresh(key)
        if snapshot is None:
            try:
                snapshot = await self._reads.join(key, lambda: self._market_data.refetch(key))
            except GatewayError:
                return None
        return None if snapshot.stale else snapshot.value
