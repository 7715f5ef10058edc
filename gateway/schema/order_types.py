"""The GraphQL types of orders, fills and placements, and the results of the mutations."""

from decimal import Decimal
from typing import Annotated

import strawberry

from gateway.domain import orders as domain
from gateway.domain import placements
from gateway.domain.account import Fill as DomainFill
from gateway.domain.market import OrderSide
from gateway.domain.orders import OrderStatus, OrderType, StopDirection
from gateway.domain.placements import PlacementState
from gateway.schema.context import Info
from gateway.schema.described import described
from gateway.schema.market_types import Gap
from gateway.schema.scalars import Timestamp

strawberry.enum(OrderType, description="The exchange's order types.")
strawberry.enum(
    OrderStatus,
    description=(
        "Where an order stands. CLOSED_UNKNOWN: gone from the exchange's list, and nobody can tell "
        "filled from cancelled; it is told again if it shows up after all."
    ),
)
strawberry.enum(StopDirection, description="On which side of the last price the stop price lies.")
strawberry.enum(
    PlacementState,
    description=(
        "What became of an order intent. SENDING: it is on its way. UNKNOWN: the exchange's answer "
        "is missing or proves nothing, and the gateway finds out by resolveBy. IN_DOUBT: it could "
        "not, and a person decides. ACCEPTED: the exchange has the order, or had. REJECTED, "
        "NOT_SENT, NOT_PLACED: nothing stands there. RECEIVED and DENIED come before a record is "
        "made: no placement has them."
    ),
)


@strawberry.type(description="An order as the exchange tells it; null where it is silent.")
class Order:
    """One order of an account; `placed` when the journal's record is at hand."""

    account: strawberry.Private[str]
    placed: strawberry.Private[placements.Placement | None]
    order_id: strawberry.ID | None = described("The exchange's id.")
    symbol: str = described("The market.")
    side: OrderSide = described("Which way it goes.")
    type: OrderType = described("Its type.")
    status: OrderStatus = described("Where it stands.")
    price: Decimal | None = described("Its price, in the quote asset.")
    quantity: Decimal | None = described("Its quantity, in the base asset.")
    quote_total: Decimal | None = described("Its total, in the quote asset.")
    filled_quantity: Decimal | None = described("How much of the quantity is filled.")
    filled_total: Decimal | None = described("How much of the total is filled.")
    stop_price: Decimal | None = described("The last price that brings it into the book.")
    stop_direction: StopDirection | None = described(
        "From which side that price must be reached; in openOrders the exchange does not say."
    )
    time: Timestamp = described("When it was placed.")

    @strawberry.field(
        description=(
            "The journal's record, when you placed it through this gateway. It is found by the "
            "orderId of placeOrder's answer, and market and fast orders get none there: what the "
            "exchange tells of one later has no placement."
        )
    )
    async def placement(self, info: Info) -> "Placement | None":
        """Look the order up in the journal; one without an id can only be at hand."""
        if self.placed is not None:
            return Placement.of(self.placed)
        if self.order_id is None:
            return None
        found = await info.context.placements.load((self.account, self.order_id))
        return None if found is None else Placement.of(found)

    @classmethod
    def of(
        cls, order: domain.Order, account: str, placed: placements.Placement | None = None
    ) -> "Order":
        """Show an order of an account, and the placement that it is known to be of."""
        return cls(
            account=account,
            placed=placed,
            order_id=None if order.order_id is None else strawberry.ID(order.order_id),
            symbol=order.symbol,
            side=order.side,
            type=order.type,
            status=order.status,
            price=order.price,
            quantity=order.quantity,
            quote_total=order.quote_total,
            filled_quantity=order.filled_quantity,
            filled_total=order.filled_total,
            stop_price=order.stop_price,
            stop_direction=order.stop_direction,
            time=Timestamp(order.time),
        )


@strawberry.type(description="One execution of an order of the account; it has no id.")
class Fill:
    """One execution of an order."""

    symbol: str = described("The market.")
    price: Decimal = described("The price paid, in the quote asset.")
    quantity: Decimal = described("How much was bought or sold, in the base asset.")
    side: OrderSide = described("Which way the order went.")
    type: OrderType = described("The order's type.")
    fee: Decimal = described("What the exchange kept, in the asset feeAsset.")
    fee_asset: str = described("The asset of the fee: what was received.")
    time: Timestamp = described("When it happened.")

    @classmethod
    def of(cls, fill: DomainFill) -> "Fill":
        """Show a fill."""
        return cls(
            symbol=fill.symbol,
            price=fill.price,
            quantity=fill.quantity,
            side=fill.side,
            type=fill.type,
            fee=fill.fee,
            fee_asset=fill.fee_asset,
            time=Timestamp(fill.time),
        )


@strawberry.interface(
    description=(
        "An expected failure. code is stable; message is for people; exchangeCode is the "
        "exchange's own, when it spoke."
    )
)
class Problem:
    """An expected failure."""

    code: str = described("Stable; docs/errors.md lists them.")
    message: str = described("For people.")
    exchange_code: str | None = described("The exchange's own code, when it spoke.")
    retryable: bool = described("True when trying again can help.")


@strawberry.type(description="Nothing stands on the exchange.")
class OrderRejected(Problem):
    """Nothing stands on the exchange."""

    rule: str | None = described("The policy or market rule that refused.")
    retry_after: float | None = described("Seconds after which time alone may have helped.")

    @classmethod
    def of(cls, rejection: placements.Rejection) -> "OrderRejected":
        """Show a rejection."""
        return cls(
            code=rejection.code,
            message=rejection.message,
            exchange_code=rejection.exchange_code,
            retryable=rejection.retryable,
            rule=rejection.rule,
            retry_after=rejection.retry_after,
        )


@strawberry.type(description="An order intent and what became of it.")
class Placement:
    """The journal's record."""

    placed: strawberry.Private[placements.Placement]
    id: strawberry.ID = described("The gateway's id of the intent.")
    principal: strawberry.ID = described("Who asked for it.")
    account: strawberry.ID = described("The account.")
    client_order_id: str = described("The principal's id, unique for principal and account.")
    state: PlacementState = described("What became of it.")
    created_at: Timestamp = described("When the gateway recorded the intent.")
    updated_at: Timestamp = described("When the state last changed.")
    signed_at: Timestamp = described("When it was signed, by the exchange's clock.")
    symbol: str = described("The market.")
    side: OrderSide = described("Which way it goes.")
    type: OrderType = described("The order's type.")
    price: Decimal | None = described("The price as ordered, in the quote asset, if it has one.")
    quantity: Decimal | None = described("The quantity as ordered, in the base asset, if any.")
    stop_price: Decimal | None = described("The stop price as ordered, if it has one.")
    quote_total: Decimal | None = described("What to spend as ordered, in the quote asset, if any.")
    evidence: str | None = described("What is known of an outcome that no answer told.")
    resolve_by: Timestamp | None = described(
        "By when the gateway knows the outcome, or calls it IN_DOUBT; null once it is known."
    )
    resolved_by: strawberry.ID | None = described("The person who decided an outcome in doubt.")
    new_id_safe: bool = described(
        "True when sending the same command under a new clientOrderId cannot double the order."
    )

    @strawberry.field(description="The order as the exchange acknowledged it.")
    def order(self) -> Order | None:
        """Show the order, if there is one."""
        order = self.placed.order
        account = self.placed.command.account
        return None if order is None else Order.of(order, account, self.placed)

    @strawberry.field(description="Why nothing stands on the exchange.")
    def problem(self) -> OrderRejected | None:
        """Show the rejection, if there is one."""
        rejection = self.placed.rejection
        return None if rejection is None else OrderRejected.of(rejection)

    @classmethod
    def of(cls, placement: placements.Placement) -> "Placement":
        """Show a placement."""
        command, terms = placement.command, placement.command.spec
        return cls(
            placed=placement,
            id=strawberry.ID(placement.id),
            principal=strawberry.ID(placement.principal),
            account=strawberry.ID(command.account),
            client_order_id=command.client_order_id,
            state=placement.state,
            created_at=Timestamp(placement.created_at),
            updated_at=Timestamp(placement.updated_at),
            signed_at=Timestamp(placement.signed_at),
            symbol=command.symbol,
            side=command.side,
            type=command.type,
            price=terms.price,
            quantity=terms.quantity,
            stop_price=terms.stop_price,
            quote_total=terms.quote_total,
            evidence=placement.evidence,
            resolve_by=_resolve_by(placement),
            resolved_by=None
            if placement.resolved_by is None
            else strawberry.ID(placement.resolved_by),
            new_id_safe=placement.new_id_safe,
        )


def _resolve_by(placement: placements.Placement) -> Timestamp | None:
    if not placement.unresolved or placement.resolve_by is None:
        return None
    return Timestamp(placement.resolve_by)


OrderEvent = Annotated[
    Order | Gap | Placement,
    strawberry.union(
        "OrderEvent",
        description=(
            "An order as it now is; or a gap; or an own placement whose outcome no answer told, "
            "as it now is: UNKNOWN, then what it was found to be, or IN_DOUBT."
        ),
    ),
]


@strawberry.type(description="The exchange has the order, or had it.")
class OrderAccepted:
    """The exchange has the order."""

    order: Order = described(
        "The order. Of one that was found by its fills alone orderId is null, and what the "
        "exchange did not show is as it was ordered."
    )
    placement: Placement = described("The journal's record.")


@strawberry.type(
    description=(
        "The outcome is not known yet: follow placement; never resend under a new id unless "
        "newIdSafe."
    )
)
class OrderPending:
    """Nobody knows yet."""

    placement: Placement = described("The journal's record.")


PlaceOrderResult = Annotated[
    OrderAccepted | OrderRejected | OrderPending,
    strawberry.union("PlaceOrderResult", description="What became of the order."),
]


def place_order_result(
    placement: placements.Placement,
) -> OrderAccepted | OrderRejected | OrderPending:
    """Show what became of a placement."""
    if placement.state is PlacementState.ACCEPTED:
        order = Order.of(_order(placement), placement.command.account, placement)
        return OrderAccepted(order=order, placement=Placement.of(placement))
    if placement.new_id_safe:
        return OrderRejected.of(placement.rejection or _not_placed(placement))
    return OrderPending(placement=Placement.of(placement))


def _order(placement: placements.Placement) -> domain.Order:
    """The order as the exchange showed it, else as it was ordered."""
    if placement.order is not None:
        return placement.order
    command, terms = placement.command, placement.command.spec
    return domain.Order(
        order_id=None,
        symbol=command.symbol,
        side=command.side,
        type=command.type,
        status=OrderStatus.CLOSED_UNKNOWN,
        time=placement.created_at,
        price=terms.price,
        quantity=terms.quantity,
        quote_total=terms.quote_total,
        stop_price=terms.stop_price,
    )


def _not_placed(placement: placements.Placement) -> placements.Rejection:
    """What is told of an order that never got an answer, and was found not to stand."""
    found = placement.evidence or "nothing of it is on the exchange"
    return placements.Rejection(
        code=placement.state.value,
        message=f"{found}; to try again, take a new clientOrderId",
        retryable=True,
    )
