"""Values that the engine speaks in: orders, and what happened to them, to books and to balances."""

from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import TypeAlias


class Side(IntEnum):
    """An order's side; the number is the one of the document's tables."""

    BUY = 0
    SELL = 1

    @property
    def opposite(self) -> "Side":
        """The side that it trades with."""
        return Side(1 - self)


class OrderStatus(StrEnum):
    """An order's state ("User Order Update Messages")."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True)
class Order:
    """A limit order as it stands; a change makes a new value. ``time`` is epoch ms of placement."""

    order_id: str
    account_id: str
    symbol: str
    side: Side
    price: Decimal
    quantity: Decimal
    time: int
    filled: Decimal = Decimal(0)
    status: OrderStatus = OrderStatus.NEW

    @property
    def remaining(self) -> Decimal:
        """The quantity not filled yet."""
        return self.quantity - self.filled


@dataclass(frozen=True, slots=True)
class Trade:
    """An execution at the resting order's price. ``maker`` and ``taker`` are after it."""

    symbol: str
    price: Decimal
    quantity: Decimal
    time: int
    maker: Order
    taker: Order
    buyer_fee: Decimal
    seller_fee: Decimal

    @property
    def buyer_is_taker(self) -> bool:
        """Whether a buy order came upon a resting sell order."""
        return self.taker.side is Side.BUY


@dataclass(frozen=True, slots=True)
class OrderChanged:
    """An order was accepted, filled in part or whole, or cancelled."""

    order: Order


@dataclass(frozen=True, slots=True)
class BookChanged:
    """The open orders of a market changed."""

    symbol: str


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account has of one asset: free to use, and bound by open orders."""

    available: Decimal = Decimal(0)
    held: Decimal = Decimal(0)

    @property
    def total(self) -> Decimal:
        """Available and held together."""
        return self.available + self.held


@dataclass(frozen=True, slots=True)
class BalanceChanged:
    """A balance differs after an operation."""

    account_id: str
    asset: str
    before: Balance
    after: Balance


Event: TypeAlias = Trade | OrderChanged | BookChanged | BalanceChanged
