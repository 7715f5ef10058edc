"""The GraphQL types of cancels: of one order, of all, and of those of an app that fell silent."""

from typing import Annotated

import strawberry

from gateway.domain import placements
from gateway.domain.orders import Order as DomainOrder
from gateway.schema.described import described
from gateway.schema.order_types import Order, Problem
from gateway.schema.scalars import Timestamp
from gateway.services.cancel_all import CancelledAll


@strawberry.type(description="The order is cancelled: by this cancel, or it was already.")
class OrderCancelled:
    """The order is cancelled."""

    order_id: strawberry.ID = described("The order.")
    order: Order | None = described("The order as the exchange showed it, if it did.")


@strawberry.type(description="The order was not cancelled.")
class CancelRejected(Problem):
    """The order was not cancelled."""

    rule: str | None = described("The policy's rule that refused, if one did.")
    retry_after: float | None = described("Seconds after which time alone may have helped.")
    order: Order | None = described("What is known of the order, such as that it is FILLED.")

    @classmethod
    def of(
        cls, rejection: placements.Rejection, account: str, order: DomainOrder | None = None
    ) -> "CancelRejected":
        """Show a rejection, and what is known of the order of `account`."""
        return cls(
            code=rejection.code,
            message=rejection.message,
            exchange_code=rejection.exchange_code,
            retryable=rejection.retryable,
            rule=rejection.rule,
            retry_after=rejection.retry_after,
            order=None if order is None else Order.of(order, account),
        )


@strawberry.type(
    description=(
        "Nobody knows yet whether the order was cancelled: cancel it again, which is safe, or "
        "look at open orders."
    )
)
class CancelPending:
    """Nobody knows whether the order was cancelled."""

    order_id: strawberry.ID = described("The order.")
    resolve_by: Timestamp = described("After this the exchange can no longer carry the cancel out.")


CancelOrderResult = Annotated[
    OrderCancelled | CancelRejected | CancelPending,
    strawberry.union("CancelOrderResult", description="What became of the cancel."),
]


@strawberry.input(
    description=(
        "Whose open orders to cancel: the caller's own; or, with orders:read-all, those of another "
        "principal, or everybody's, placed elsewhere too."
    )
)
class CancelAllOrdersInput:
    """The command to cancel open orders."""

    account: strawberry.ID = described("The account.")
    principal: strawberry.ID | None = strawberry.field(
        default=None, description="Whose; the caller's own when it is left out."
    )
    everybody: bool = strawberry.field(
        default=False, description="True for every open order of the account; without a principal."
    )


@strawberry.type(description="An order that is open, though its cancel was asked for.")
class CancelFailure:
    """An order that is still open."""

    order_id: strawberry.ID = described("The order.")
    problem: CancelRejected = described("Why it was not cancelled.")


@strawberry.type(
    description=(
        "What became of each order that was open. Nothing is left open when failed, pending, "
        "unresolved and unseen are empty; cancelling again is safe."
    )
)
class OrdersCancelled:
    """What became of each order."""

    cancelled: list[strawberry.ID] = described("The orders that are cancelled.")
    failed: list[CancelFailure] = described("The orders that were not, and why.")
    pending: list[strawberry.ID] = described("The orders of which nobody knows it yet.")
    ended: list[strawberry.ID] = described(
        "The orders that were gone before: filled, or nobody knows how they ended."
    )
    unresolved: list[strawberry.ID] = described(
        "The placements whose outcome is not known: an order of theirs may still show up."
    )
    unseen: CancelRejected | None = described(
        "Why there may be other orders that are open: cancel again when that is over. Null when "
        "all could be seen."
    )

    @classmethod
    def of(cls, done: CancelledAll, account: str) -> "OrdersCancelled":
        """Show what became of an account's orders."""
        return cls(
            cancelled=_ids(done.cancelled),
            failed=[
                CancelFailure(
                    order_id=strawberry.ID(order_id), problem=CancelRejected.of(why, account)
                )
                for order_id, why in done.failed
            ],
            pending=_ids(done.pending),
            ended=_ids(done.ended),
            unresolved=_ids(done.unresolved),
            unseen=None if done.unseen is None else CancelRejected.of(done.unseen, account),
        )


CancelAllOrdersResult = Annotated[
    OrdersCancelled | CancelRejected,
    strawberry.union(
        "CancelAllOrdersResult",
        description="What became of the cancels, or why none was tried.",
    ),
]


def _ids(names: tuple[str, ...]) -> list[strawberry.ID]:
    return [strawberry.ID(name) for name in names]
