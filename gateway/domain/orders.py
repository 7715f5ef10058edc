"""Orders: what may be asked for, and what the exchange tells of one."""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from hashlib import sha256

from gateway.domain.market import OrderSide
from gateway.domain.money import shortest

SIGNED = "v3:"
"""What a client order id begins with that is a request's signature: see `shown_id`."""

_SHOWN_DIGITS = 16


def shown_id(client_order_id: str) -> str:
    """The id as logs and the audit log show it: of a signature no more than a digest's beginning.

    Whoever placed the order can compute that: SHA-256 of the whole id, its first 16 hex digits.
    """
    if not client_order_id.startswith(SIGNED):
        return client_order_id
    return SIGNED + sha256(client_order_id.encode()).hexdigest()[:_SHOWN_DIGITS]


class OrderType(StrEnum):
    """The exchange's order types."""

    LIMIT = "LIMIT"
    MARKET = "MARKET"
    STOP_LIMIT = "STOP_LIMIT"
    FAST = "FAST"


class OrderStatus(StrEnum):
    """Where an order stands. CLOSED_UNKNOWN: gone, and nobody can tell filled from cancelled."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"
    CLOSED_UNKNOWN = "CLOSED_UNKNOWN"

    @property
    def terminal(self) -> bool:
        """True when the order never opens again."""
        return self not in (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)


class StopDirection(StrEnum):
    """On which side of the last price the stop price lies."""

    LESS = "LESS"
    GREATER = "GREATER"


@dataclass(frozen=True, slots=True)
class Order:
    """An order as the exchange tells it; None where it said nothing.

    Quantities in the base asset, totals in the quote asset, time in ms. `mass_cancelled`: it is the
    one of many that were CANCELLED_ALL at once of which the exchange's stream tells.
    """

    order_id: str | None
    symbol: str
    side: OrderSide
    type: OrderType
    status: OrderStatus
    time: int
    price: Decimal | None = None
    quantity: Decimal | None = None
    quote_total: Decimal | None = None
    filled_quantity: Decimal | None = None
    filled_total: Decimal | None = None
    stop_price: Decimal | None = None
    stop_direction: StopDirection | None = None
    mass_cancelled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSpec:
    """An order's type and terms; what the type has no use for is None.

    LIMIT: `price`, `quantity`. MARKET: `quantity`. STOP_LIMIT: `stop_price`, `price`, `quantity`:
    when a trade reaches the stop price, a limit order at `price` enters the book. FAST, at the
    market: `quote_total` to spend, or `quantity` to sell. Prices and `quote_total` in the quote
    asset, `quantity` in the base asset. Raises ValueError for terms that make no such order.
    """

    type: OrderType = OrderType.LIMIT
    price: Decimal | None = None
    quantity: Decimal | None = None
    stop_price: Decimal | None = None
    quote_total: Decimal | None = None

    def __post_init__(self) -> None:
        """Refuse terms that are missing, or that the type does not have."""
        if frozenset(self.terms()) not in _TERMS[self.type]:
            message = f"these are no terms of a {self.type} order: {', '.join(self.terms())}"
            raise ValueError(message)

    def terms(self) -> dict[str, Decimal]:
        """The terms that are given, by their names here."""
        named = {
            "stop_price": self.stop_price,
            "price": self.price,
            "quantity": self.quantity,
            "quote_total": self.quote_total,
        }
        return {name: value for name, value in named.items() if value is not None}


_TERMS = {
    OrderType.LIMIT: {frozenset({"price", "quantity"})},
    OrderType.MARKET: {frozenset({"quantity"})},
    OrderType.STOP_LIMIT: {frozenset({"stop_price", "price", "quantity"})},
    OrderType.FAST: {frozenset({"quote_total"}), frozenset({"quantity"})},
}


@dataclass(frozen=True, slots=True)
class PlaceOrder:
    """The command to place one order. `client_order_id` is unique for principal and account."""

    account: str
    client_order_id: str = field(repr=False)  # it may hold a signature
    symbol: str
    side: OrderSide
    spec: OrderSpec

    @property
    def type(self) -> OrderType:
        """The order's type."""
        return self.spec.type

    @property
    def lane(self) -> str:
        """The market and the side: fills of a lane cannot be told apart by order."""
        return f"{self.symbol}:{self.side}"

    @property
    def immediate(self) -> bool:
        """True for what the exchange executes at once, and never shows an id of."""
        return self.type in (OrderType.MARKET, OrderType.FAST)

    def canonical(self) -> str:
        """One text for equal commands: 1.50 and 1.5 are the same money."""
        terms = (f"{name}={shortest(value)}" for name, value in self.spec.terms().items())
        return " ".join((self.type, self.side, self.symbol, *terms))
