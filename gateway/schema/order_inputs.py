"""The GraphQL inputs of orders, and the commands that they stand for."""

from decimal import Decimal
from typing import Any

import strawberry

from gateway.domain.errors import BadUserInput
from gateway.domain.market import OrderSide
from gateway.domain.orders import OrderSpec, OrderType, PlaceOrder
from gateway.schema.described import described


def _member(text: str) -> Any:  # noqa: ANN401  # it stands for a default of the field's own type
    """A member of an input of which exactly one member is given."""
    return strawberry.field(default=strawberry.UNSET, description=text)


@strawberry.input(description="Buy or sell a quantity at a price or better.")
class LimitSpecInput:
    """A limit order."""

    price: Decimal = described("In the quote asset, above zero.")
    quantity: Decimal = described("In the base asset, above zero.")


@strawberry.input(description="Buy or sell a quantity at once, at whatever the book gives.")
class MarketSpecInput:
    """A market order."""

    quantity: Decimal = described("In the base asset, above zero.")


@strawberry.input(
    description=(
        "A limit order that enters the book when a trade reaches stopPrice, from above or below: "
        "whichever side the last price is on when it is placed. Until then it is in no book."
    )
)
class StopLimitSpecInput:
    """A stop-limit order."""

    stop_price: Decimal = described("The last price that brings it into the book, above zero.")
    price: Decimal = described("The limit at which it enters, in the quote asset, above zero.")
    quantity: Decimal = described("In the base asset, above zero.")


@strawberry.input(
    one_of=True,
    description="At the market: quoteTotal, to be spent, when buying; quantity when selling.",
)
class FastSpecInput:
    """A fast order."""

    quote_total: Decimal | None = _member("What to spend, in the quote asset, above zero.")
    quantity: Decimal | None = _member("What to sell, in the base asset, above zero.")


@strawberry.input(one_of=True, description="The order's type and terms: exactly one member.")
class OrderSpecInput:
    """The order's terms."""

    limit: LimitSpecInput | None = _member("A price or better.")
    market: MarketSpecInput | None = _member("A quantity at the market, at once.")
    stop_limit: StopLimitSpecInput | None = _member("A limit order that waits for a price.")
    fast: FastSpecInput | None = _member(
        "At the market: an amount to spend, or a quantity to sell."
    )


@strawberry.input(
    description=(
        "clientOrderId: [A-Za-z0-9._-]{1,64}, unique for the caller and account; the same id and "
        "command again gives the recorded outcome."
    )
)
class PlaceOrderInput:
    """The command to place one order."""

    account: strawberry.ID = described("The account.")
    client_order_id: str = described("Yours to choose, and to use once.")
    symbol: str = described("The market.")
    side: OrderSide = described("Which way it goes.")
    order: OrderSpecInput = described("Type and terms.")


@strawberry.input(description="Which order to cancel.")
class CancelOrderInput:
    """The command to cancel one order."""

    account: strawberry.ID = described("The account.")
    order_id: strawberry.ID = described("The exchange's id of the order.")


def command_of(given: PlaceOrderInput) -> PlaceOrder:
    """The command that an input stands for."""
    return PlaceOrder(
        account=given.account,
        client_order_id=given.client_order_id,
        symbol=given.symbol,
        side=given.side,
        spec=_spec_of(given.order),
    )


def _spec_of(given: OrderSpecInput) -> OrderSpec:
    if limit := given.limit:
        return OrderSpec(price=limit.price, quantity=limit.quantity)
    if market := given.market:
        return OrderSpec(type=OrderType.MARKET, quantity=market.quantity)
    if stop := given.stop_limit:
        return OrderSpec(
            type=OrderType.STOP_LIMIT,
            stop_price=stop.stop_price,
            price=stop.price,
            quantity=stop.quantity,
        )
    if fast := given.fast:
        # Not by their truth: zero is a value, and refused as one.
        if isinstance(fast.quote_total, Decimal):
            return OrderSpec(type=OrderType.FAST, quote_total=fast.quote_total)
        return OrderSpec(type=OrderType.FAST, quantity=fast.quantity)
    raise BadUserInput("order", "give exactly one order, such as 'limit'")
