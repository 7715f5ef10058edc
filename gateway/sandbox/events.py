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


class OrderType(IntEnum):
    """An order's type; the number is the one of the document's tables, ``text`` its wording."""

    LIMIT = 0
    MARKET = 1
    STOP_LIMIT = 2
    FAST = 3

    @property
    def text(self) -> str:
        """The type as replies to new orders name it: STOP LIMIT has no underscore."""
        return self.name.replace("_", " ")


class StopType(IntEnum):
    """Where a stop's target lay from the last price at placement."""

    LESS = 0
    GREATER = 1


class OrderStatus(StrEnum):
    """An order's state ("User Order Update Messages")."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"
    CANCELLED_ALL = "CANCELLED_ALL"


@dataclass(frozen=True, slots=True)
class Order:
    """An order as it stands; a change makes a new value. ``time`` is epoch ms of placement.

    What the type does not have is zero, as in the document's replies: market and fast orders have
    no price, only stop-limit orders a target, only fast buy orders a total to spend.
    """

    order_id: str
    account_id: str
    symbol: str
    type: OrderType
    side: Side
    quantity: Decimal
    time: int
    price: Decimal = Decimal(0)
    target: Decimal = Decimal(0)
    stop_type: StopType = StopType.LESS
    total: Decimal = Decimal(0)
    filled: Decimal = Decimal(0)
    filled_total: Decimal = Decimal(0)
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

    def order_of(self, account_id: str) -> Order:
        """The order of one of its two accounts, which are never the same."""
        return self.maker if self.maker.account_id == account_id else self.taker


@dataclass(frozen=True, slots=True)
class OrderChanged:
    """An order was accepted, filled in part or whole, or cancelled.

    When all of an account's orders go at once, only one of them is ``streamed``.
    """

    order: Order
    streamed: bool = True


@dataclass(frozen=True, slots=True)
class BookChanged:
    """The open orders of a market changed."""

    symbol: str


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account has of one asset: free to use, and bound by orders and withdrawals."""

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
