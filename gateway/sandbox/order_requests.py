"""What an account may ask for. Prices and totals are in the quote asset, quantities in the base."""

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar, TypeAlias

from gateway.sandbox.events import OrderType, Side


@dataclass(frozen=True, slots=True)
class LimitOrder:
    """Trade at this price or a better one; the rest stays in the book."""

    type: ClassVar = OrderType.LIMIT
    symbol: str
    side: Side
    price: Decimal
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class StopLimitOrder:
    """Wait, out of the book, for a trade at or through the target; then be a limit order."""

    type: ClassVar = OrderType.STOP_LIMIT
    symbol: str
    side: Side
    target: Decimal
    price: Decimal
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class MarketOrder:
    """Trade this quantity at once at the best prices there are."""

    type: ClassVar = OrderType.MARKET
    symbol: str
    side: Side
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class FastBuy:
    """Spend this total at once at the best prices there are."""

    type: ClassVar = OrderType.FAST
    side: ClassVar = Side.BUY
    symbol: str
    total: Decimal


@dataclass(frozen=True, slots=True)
class FastSell:
    """Sell this quantity at once at the best prices there are."""

    type: ClassVar = OrderType.FAST
    side: ClassVar = Side.SELL
    symbol: str
    quantity: Decimal


ImmediateOrder: TypeAlias = MarketOrder | FastBuy | FastSell
OrderRequest: TypeAlias = LimitOrder | StopLimitOrder | ImmediateOrder
