"""The GraphQL types of the drop copy: everything that happens on an account, numbered."""

from collections.abc import AsyncIterator
from typing import Annotated

import strawberry

from gateway.access.policy import Action
from gateway.domain import account_events as domain
from gateway.domain.account_events import Origin
from gateway.domain.errors import BadUserInput
from gateway.domain.streams import Gap as DomainGap
from gateway.schema.balance_types import Balance
from gateway.schema.context import Info
from gateway.schema.described import described
from gateway.schema.market_types import Gap
from gateway.schema.order_types import Fill, Order, Placement
from gateway.schema.requires import Requires
from gateway.schema.scalars import Timestamp

strawberry.enum(
    Origin,
    name="OrderOrigin",
    description=(
        "Who placed an order. GATEWAY: one of its principals, as its journal knows. EXTERNAL: "
        "somebody else. UNSETTLED: an intent whose outcome is not known yet may have; the order is "
        "told again once it is."
    ),
)


@strawberry.type(description="An order of the account as it now is, whoever placed it.")
class AccountOrder:
    """An order of the account."""

    order: Order = described("The order.")
    origin: Origin = described("Who placed it.")
    placement_id: strawberry.ID | None = described("The placement that it is of, of GATEWAY.")


AccountChange = Annotated[
    AccountOrder | Placement | Fill | Balance | Gap,
    strawberry.union(
        "AccountChange",
        description=(
            "What happened: an order as it now is, a placement in a new state, an execution, one "
            "asset as the account now holds it, or a gap."
        ),
    ),
]


@strawberry.type(description="One event of an account.")
class AccountEvent:
    """One event."""

    sequence: strawberry.ID | None = described(
        "Counts the account's events without a hole, for all replicas and across restarts. null "
        "only of a gap that stands for events that are no longer kept."
    )
    time: Timestamp = described("When the gateway learnt of it; of a gap, since when it is one.")
    change: AccountChange = described("What happened.")

    @classmethod
    def of(cls, event: domain.AccountEvent | DomainGap, account: str) -> "AccountEvent":
        """Show an event of an account, or what stands for events that are lost."""
        if isinstance(event, DomainGap):
            return cls(sequence=None, time=Timestamp(event.since), change=Gap.of(event))
        return cls(
            sequence=strawberry.ID(str(event.sequence)),
            time=Timestamp(event.time),
            change=_change(event, account),
        )


def _change(
    event: domain.AccountEvent, account: str
) -> AccountOrder | Placement | Fill | Balance | Gap:
    match event:
        case domain.AccountEvent(order=order, origin=origin) if order and origin:
            placed = event.placement_id
            return AccountOrder(
                order=Order.of(order, account),
                origin=origin,
                placement_id=None if placed is None else strawberry.ID(placed),
            )
        case domain.AccountEvent(placement=placement) if placement:
            return Placement.of(placement)
        case domain.AccountEvent(fill=fill) if fill:
            return Fill.of(fill)
        case domain.AccountEvent(balance=balance) if balance:
            return Balance.of(balance)
        case domain.AccountEvent(gap=gap) if gap:
            return Gap.of(gap)
    message = f"event {event.sequence} tells nothing"
    raise ValueError(message)


@strawberry.type
class AccountEventSubscription:
    """The drop copy, for those who may see everything of an account."""

    @strawberry.subscription(
        description=(
            "Everything that happens on an account, external activity included, each event once "
            "and in order: a drop copy. It takes account:read too. To resume, give the sequence of "
            "the last event that you took in as `after`, and you miss none; where some of these "
            "are no longer kept (NGW_ACCOUNT_EVENT_ENTRIES), a Gap without a sequence comes first. "
            "Without `after` it begins with what happens next. A Gap with a sequence says that the "
            "exchange's own stream broke: what stands follows it."
        ),
        extensions=[Requires(Action.ORDERS_READ_ALL, lambda _, kwargs: kwargs["account"])],
    )
    async def account_events(
        self, info: Info, account: strawberry.ID, after: strawberry.ID | None = None
    ) -> AsyncIterator[AccountEvent]:
        """Follow everything of an account."""
        info.context.require((Action.ACCOUNT_READ, account))
        events = info.context.services.account_events.follow(account, _sequence(after))
        async for event in events:
            yield AccountEvent.of(event, account)


def _sequence(after: str | None) -> int | None:
    if after is None:
        return None
    if not (after.isascii() and after.isdigit()) or len(after) > _LONGEST_SEQUENCE:
        raise BadUserInput("after", "expected the sequence of an event")
    return int(after)


_LONGEST_SEQUENCE = 18
"""More digits are no sequence, and the store could not count to it."""
