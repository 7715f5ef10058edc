"""Orders and fills: how a command is written, what answers it, and what was traded.

Headings 'New Limit Buy Order' to 'Get User Trades', and 'User Order Update Messages'.
"""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from gateway.domain.account import Fill
from gateway.domain.errors import BadUserInput
from gateway.domain.market import OrderSide
from gateway.domain.money import bounded
from gateway.domain.orders import Order, OrderStatus, OrderType, PlaceOrder, StopDirection
from gateway.exchange.account_wire import FillRow, OrderRow
from gateway.exchange.parameters import Parameters, above_zero
from gateway.exchange.values import if_given, meaning, not_negative, positive, unless_zero
from gateway.exchange.wire import Unparsable

_PATHS = {
    OrderType.LIMIT: "market/limit",
    OrderType.MARKET: "market/market",
    OrderType.STOP_LIMIT: "market/stop-limit",
    OrderType.FAST: "market/fast",
}
_PARAMETERS = {
    "price": "price",
    "stop_price": "target",
    "quantity": "amount",
    "quote_total": "total",
}
"""The exchange's names of an order's terms, in the order of the document's tables."""

_REST_ON_THE_BOOK = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT})
"""The types whose acceptance shows an order id."""

_SIDES = {"0": OrderSide.BUY, "1": OrderSide.SELL, "BUY": OrderSide.BUY, "SELL": OrderSide.SELL}
_ORDER_TYPES = {
    "0": OrderType.LIMIT,
    "1": OrderType.MARKET,
    "2": OrderType.STOP_LIMIT,
    "3": OrderType.FAST,
    "LIMIT": OrderType.LIMIT,
    "MARKET": OrderType.MARKET,
    "STOP LIMIT": OrderType.STOP_LIMIT,
    "FAST": OrderType.FAST,
}
_STOP_DIRECTIONS = {
    "0": StopDirection.LESS,
    "1": StopDirection.GREATER,
    "LESS": StopDirection.LESS,
    "GREATER": StopDirection.GREATER,
}
CANCELLED_ALL = "CANCELLED_ALL"
_STATUSES = {
    "NEW": OrderStatus.NEW,
    "PARTIALLY_FILLED": OrderStatus.PARTIALLY_FILLED,
    "FILLED": OrderStatus.FILLED,
    "CANCELLED": OrderStatus.CANCELLED,
    CANCELLED_ALL: OrderStatus.CANCELLED,
}


def order_path(command: PlaceOrder) -> str:
    """The endpoint for a command's type and side, such as "market/stop-limit-buy"."""
    return f"{_PATHS[command.type]}-{command.side.lower()}"


def order_parameters(command: PlaceOrder) -> Parameters:
    """A command's parameters, in the order of the document's tables.

    Raise `BadUserInput` for a term that is not above zero or too long, and for a fast order by the
    terms of the other side: the exchange spends a total when it buys, and sells a quantity.
    """
    terms = command.spec.terms()
    spends = command.side is OrderSide.BUY
    if command.type is OrderType.FAST and spends != ("quote_total" in terms):
        raise BadUserInput("order.fast", "expected quoteTotal when buying, quantity when selling")
    kind = f"order.{_in_camel_case(command.type)}"
    return (
        ("symbol", command.symbol),
        *(
            (name, above_zero(f"{kind}.{_in_camel_case(term)}", terms[term]))
            for term, name in _PARAMETERS.items()
            if term in terms
        ),
    )


def _in_camel_case(name: str) -> str:
    first, *others = name.lower().split("_")
    return first + "".join(map(str.title, others))


def answers(order: Order, command: PlaceOrder) -> bool:
    """True when `order` is what the exchange shows of an order placed by `command`."""
    return (
        (order.symbol, order.side, order.type) == (command.symbol, command.side, command.type)
        and all(getattr(order, term) == value for term, value in command.spec.terms().items())
        and (order.order_id is not None or command.type not in _REST_ON_THE_BOOK)
    )


def map_order(row: OrderRow) -> Order:
    """Map an order of any reply or stream frame; a list of open orders gives no status.

    A price, target, amount or total of 0 stands for none, an empty id for none. More filled than
    was ordered has no meaning.
    """
    filled = if_given(not_negative, row.filled_amount)
    order = Order(
        order_id=row.order_id or None,
        symbol=row.market,
        side=meaning(_SIDES, row.side),
        type=meaning(_ORDER_TYPES, row.order_type),
        status=_open_status(filled) if row.status is None else meaning(_STATUSES, row.status),
        time=row.time,
        price=unless_zero(row.price),
        quantity=unless_zero(row.amount),
        quote_total=unless_zero(row.total),
        filled_quantity=filled,
        filled_total=if_given(not_negative, row.filled_total),
        mass_cancelled=row.status == CANCELLED_ALL,
    )
    _refuse_overfilled(order.filled_quantity, order.quantity)
    _refuse_overfilled(order.filled_total, order.quote_total)
    return order if order.type is not OrderType.STOP_LIMIT else _with_stop(order, row)


def _with_stop(order: Order, row: OrderRow) -> Order:
    return replace(
        order,
        stop_price=unless_zero(row.target_price if row.target is None else row.target),
        stop_direction=None if row.stop_type is None else meaning(_STOP_DIRECTIONS, row.stop_type),
    )


def _open_status(filled: Decimal | None) -> OrderStatus:
    return OrderStatus.PARTIALLY_FILLED if filled else OrderStatus.NEW


def _refuse_overfilled(filled: Decimal | None, ordered: Decimal | None) -> None:
    if filled is not None and ordered is not None and filled > ordered:
        raise Unparsable


def map_fills(rows: Iterable[FillRow]) -> tuple[Fill, ...]:
    """Order an account's executions from the newest to the oldest; of equal times as they came.

    A fee below 0 is one that the exchange paid.
    """
    fills = (
        Fill(
            symbol=row.symbol,
            price=positive(row.price),
            quantity=positive(row.amount),
            side=meaning(_SIDES, row.side),
            type=meaning(_ORDER_TYPES, row.order_type),
            fee=bounded(row.commission),
            fee_asset=row.commission_symbol,
            time=row.time,
        )
        for row in rows
    )
    return tuple(sorted(fills, key=lambda fill: -fill.time))
