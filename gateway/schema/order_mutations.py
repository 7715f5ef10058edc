"""The mutations of orders: placing, cancelling, and having them cancelled."""

import strawberry

from gateway.access.policy import Action
from gateway.domain.errors import BadUserInput, GatewayError
from gateway.domain.order_errors import OrderClosedUnknown, OrderFilled
from gateway.schema.cancel_types import (
    CancelAllOrdersInput,
    CancelAllOrdersResult,
    CancelOrderResult,
    CancelPending,
    CancelRejected,
    OrderCancelled,
    OrdersCancelled,
)
from gateway.schema.context import Context, Info
from gateway.schema.dead_man_types import (
    ArmDeadManSwitchInput,
    ArmDeadManSwitchResult,
    DeadManSwitch,
    DeadManSwitchDisarmed,
    DeadManSwitchRejected,
    DisarmDeadManSwitchResult,
)
from gateway.schema.order_inputs import CancelOrderInput, PlaceOrderInput, command_of
from gateway.schema.order_types import (
    Order,
    OrderRejected,
    PlaceOrderResult,
    place_order_result,
)
from gateway.schema.requires import RequiresDirective
from gateway.schema.scalars import Timestamp
from gateway.services.cancels import Cancelled
from gateway.services.order_outcomes import rejection_of

_CANCEL = [RequiresDirective(action=Action.ORDERS_CANCEL.value)]


@strawberry.type
class OrderMutation:
    """What can be done with orders; whether the policy allows it is part of the result."""

    @strawberry.mutation(
        description="Place an order, at most once; the same id and command replays the outcome.",
        directives=[RequiresDirective(action=Action.ORDERS_PLACE.value)],
    )
    async def place_order(self, info: Info, input: PlaceOrderInput) -> PlaceOrderResult:  # noqa: A002  # contract
        """Place an order."""
        try:
            placement = await info.context.services.orders.place(
                info.context.caller, command_of(input)
            )
        except GatewayError as error:
            return OrderRejected.of(rejection_of(error))
        return place_order_result(placement)

    @strawberry.mutation(
        description=(
            "Cancel an open order. Repeating it is safe: of an order that is cancelled already the "
            "answer is the same."
        ),
        directives=_CANCEL,
    )
    async def cancel_order(self, info: Info, input: CancelOrderInput) -> CancelOrderResult:  # noqa: A002  # contract
        """Cancel an order."""
        try:
            outcome = await info.context.services.cancels.cancel(
                info.context.caller, input.account, input.order_id
            )
        except GatewayError as error:
            order = error.order if isinstance(error, OrderFilled | OrderClosedUnknown) else None
            return CancelRejected.of(rejection_of(error), input.account, order)
        order_id = strawberry.ID(outcome.order_id)
        if isinstance(outcome, Cancelled):
            shown = None if outcome.order is None else Order.of(outcome.order, input.account)
            return OrderCancelled(order_id=order_id, order=shown)
        return CancelPending(order_id=order_id, resolve_by=Timestamp(outcome.resolve_by))

    @strawberry.mutation(
        description=(
            "Cancel the caller's open orders of an account; with orders:read-all those of another "
            "principal, or all of them. Orders that are placed meanwhile may stay: stop these "
            "first."
        ),
        directives=_CANCEL,
    )
    async def cancel_all_orders(
        self,
        info: Info,
        input: CancelAllOrdersInput,  # noqa: A002  # contract
    ) -> CancelAllOrdersResult:
        """Cancel open orders."""
        try:
            _require_known(info.context, input)
            done = await info.context.services.cancel_all.cancel(
                info.context.caller,
                input.account,
                principal=input.principal,
                everybody=input.everybody,
            )
        except GatewayError as error:
            return CancelRejected.of(rejection_of(error), input.account)
        return OrdersCancelled.of(done, input.account)


def _require_known(context: Context, command: CancelAllOrdersInput) -> None:
    """Refuse a mistyped principal, of which nothing would be open.

    Only of those who may see everybody's orders: nobody else finds out who there is.
    """
    policy, principal = context.services.policy(), command.principal
    seen = policy.decide(context.caller.id, Action.ORDERS_READ_ALL, command.account)
    if principal is None or not seen.allowed:
        return
    if all(principal != each.id for each in policy.principals()):
        problem = (
            f"the policy knows no principal {principal[:64]!r}; everybody: true cancels the orders "
            "of those, too, whom it knows no more"
        )
        raise BadUserInput("principal", problem)


@strawberry.type
class DeadManMutation:
    """What an app does so that its orders do not outlive it."""

    @strawberry.mutation(
        description=(
            "Arm the caller's dead-man switch of an account, or renew it. When it is not renewed "
            "in time, every open order that the caller placed there is cancelled, by whichever "
            "replica lives, also after restarts. Renew it well before it fires, such as three "
            "times in its span."
        ),
        directives=_CANCEL,
    )
    async def arm_dead_man_switch(
        self,
        info: Info,
        input: ArmDeadManSwitchInput,  # noqa: A002  # contract
    ) -> ArmDeadManSwitchResult:
        """Arm a switch."""
        caller, switches = info.context.caller, info.context.services.dead_man
        try:
            expires_at = await switches.arm(caller, input.account, input.seconds)
            lapsed_at = await switches.lapsed_at(input.account, caller.id)
        except GatewayError as error:
            return DeadManSwitchRejected.of(rejection_of(error))
        return DeadManSwitch.of(input.account, expires_at, lapsed_at)

    @strawberry.mutation(
        description="Disarm the caller's dead-man switch of an account; no matter if none is.",
        directives=_CANCEL,
    )
    async def disarm_dead_man_switch(
        self, info: Info, account: strawberry.ID
    ) -> DisarmDeadManSwitchResult:
        """Disarm a switch."""
        try:
            await info.context.services.dead_man.disarm(info.context.caller, account)
        except GatewayError as error:
            return DeadManSwitchRejected.of(rejection_of(error))
        return DeadManSwitchDisarmed(account=account)
