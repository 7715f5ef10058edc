"""Orders, and placements: the record of an order intent and what became of it."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from gateway.domain.market import OrderSide
from gateway.domain.money import shortest


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

    Quantities in the base asset, totals in the quote asset, time in ms.
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
    client_order_id: str
    symbol: str
    side: OrderSide
    spec: OrderSpec

    @property
    def type(self) -> OrderType:
        """The order's type."""
        return self.spec.type

    def canonical(self) -> str:
        """One text for equal commands: 1.50 and 1.5 are the same money."""
        terms = (f"{name}={shortest(value)}" for name, value in self.spec.terms().items())
        return " ".join((self.type, self.side, self.symbol, *terms))


class PlacementState(StrEnum):
    """The states of a placement; `FOLLOWING` says which may follow which."""

    RECEIVED = "RECEIVED"
    DENIED = "DENIED"
    NOT_SENT = "NOT_SENT"
    SENDING = "SENDING"
    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    UNKNOWN = "UNKNOWN"
    NOT_PLACED = "NOT_PLACED"
    IN_DOUBT = "IN_DOUBT"


_S = PlacementState
_NOTHING_STANDS = frozenset({_S.DENIED, _S.NOT_SENT, _S.REJECTED, _S.NOT_PLACED})

FOLLOWING: dict[PlacementState, frozenset[PlacementState]] = {
    _S.RECEIVED: frozenset({_S.DENIED, _S.NOT_SENT, _S.SENDING}),
    _S.SENDING: frozenset({_S.ACCEPTED, _S.REJECTED, _S.NOT_SENT, _S.UNKNOWN}),
    _S.UNKNOWN: frozenset({_S.ACCEPTED, _S.REJECTED, _S.NOT_PLACED, _S.IN_DOUBT}),
    _S.IN_DOUBT: frozenset({_S.ACCEPTED, _S.NOT_PLACED}),
    _S.NOT_PLACED: frozenset({_S.ACCEPTED}),
    _S.DENIED: frozenset(),
    _S.NOT_SENT: frozenset(),
    _S.ACCEPTED: frozenset(),
    _S.REJECTED: frozenset(),
}
"""The placement's state machine; a state without followers is terminal."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why nothing stands on the exchange: a stable `code`, the exchange's own when it spoke.

    `retry_after` (seconds) where time alone may help.
    """

    code: str
    message: str
    exchange_code: str | None = None
    retryable: bool = False
    rule: str | None = None
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Placement:
    """The journal's record of an order intent.

    `signed_at` (ms, by the exchange's clock), `window` (ms) and `digest` (SHA-256 of the signed
    text, hex) describe the one request that may carry it. `lease_until` (ms): a placement still
    SENDING after this has lost its sender, and its outcome is unknown. `rule` names the policy
    grant that allowed it.
    """

    id: str
    principal: str
    command: PlaceOrder
    state: PlacementState
    created_at: int
    updated_at: int
    rule: str
    signed_at: int
    window: int
    digest: str
    lease_until: int
    order: Order | None = None
    rejection: Rejection | None = None
    evidence: str | None = None

    def state_at(self, now: int) -> PlacementState:
        """The state at `now` (ms): UNKNOWN once the lease of one that is SENDING has run out."""
        if self.state is PlacementState.SENDING and now >= self.lease_until:
            return PlacementState.UNKNOWN
        return self.state

    @property
    def new_id_safe(self) -> bool:
        """True when the same command under a new client order id cannot double the order.

        Evidence beside a rejection says that something may have happened all the same.
        """
        return self.state in _NOTHING_STANDS and self.evidence is None


@dataclass(frozen=True, slots=True)
class PlacementPage:
    """Some of a principal's placements in an account, newest first, each with its cursor.

    The next page starts after `end`, a cursor, or None where nothing was read. `has_next`: there
    is more to read, though perhaps nothing that is asked for; a page may even be empty then.
    """

    entries: tuple[tuple[str, Placement], ...]
    end: str | None
    has_next: bool
