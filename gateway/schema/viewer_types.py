"""The GraphQL types of the caller: who they are, what they may do, and how much of it."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TypeVar

import strawberry

from gateway.access.policy import NO_LIMITS, OrderLimits, Policy, Principal
from gateway.access.policy import Deny as PolicyDeny
from gateway.access.policy import Grant as PolicyGrant
from gateway.domain.limits import LimitState as DomainLimitState
from gateway.domain.market import OrderSide
from gateway.domain.orders import OrderType
from gateway.schema.described import described
from gateway.schema.scalars import Timestamp

E = TypeVar("E", bound=str)


@strawberry.type(description="A limit in units of one asset.")
class AssetLimit:
    """The most of one asset."""

    asset: str = described("The quote asset.")
    limit: Decimal = described("The most, in units of the asset.")

    @classmethod
    def listed(cls, limits: Mapping[str, Decimal] | None) -> "list[AssetLimit] | None":
        """Show limits by their assets, in the order of those."""
        if limits is None:
            return None
        return [cls(asset=asset, limit=limit) for asset, limit in sorted(limits.items())]


@strawberry.type(description="What bounds the orders that a grant allows; null: no such bound.")
class GrantLimits:
    """The limits of a grant."""

    order_notional: list[AssetLimit] | None = described(
        "The most that one order may be worth; an order priced in an asset not listed is refused."
    )
    day_notional: list[AssetLimit] | None = described(
        "The most that the orders of a UTC day may be worth together; likewise."
    )
    open_orders: int | None = described("How many orders may be open at once.")
    rate: str | None = described("How many orders may be placed, such as 10/s.")
    collar_percent: Decimal | None = described(
        "How far beyond the market's a price may be, in percent."
    )

    @classmethod
    def of(cls, limits: OrderLimits) -> "GrantLimits":
        """Show limits."""
        return cls(
            order_notional=AssetLimit.listed(limits.order_notional),
            day_notional=AssetLimit.listed(limits.day_notional),
            open_orders=limits.open_orders,
            rate=None if limits.rate is None else str(limits.rate),
            collar_percent=limits.collar_percent,
        )


@strawberry.type(
    description=(
        "What the policy allows the caller. Of several that match an order, the first in the list "
        "decides, and its limits are the ones that hold."
    )
)
class Grant:
    """One grant."""

    id: strawberry.ID = described("The grant's name in the policy.")
    account: strawberry.ID | None = described(
        "The account that it concerns; null for what is of no account, or for all accounts."
    )
    actions: list[str] = described("What it allows.")
    symbols: list[str] | None = described(
        "The markets in which it allows orders to be placed; null for all."
    )
    sides: list[OrderSide] | None = described(
        "The sides of orders that it allows to be placed; null for both."
    )
    order_types: list[OrderType] | None = described(
        "The types of orders that it allows to be placed; null for all."
    )
    limits: GrantLimits | None = described("What bounds its orders; null if nothing does.")

    @classmethod
    def of(cls, grant: PolicyGrant) -> "Grant":
        """Show a grant."""
        narrowing = grant.narrowing
        return cls(
            id=strawberry.ID(grant.id),
            account=None if grant.account is None else strawberry.ID(grant.account),
            actions=sorted(grant.actions),
            symbols=_in_order(narrowing.symbols),
            sides=_in_order(narrowing.sides),
            order_types=_in_order(narrowing.order_types),
            limits=None if grant.limits == NO_LIMITS else GrantLimits.of(grant.limits),
        )


@strawberry.type(description="What the policy forbids the caller, whatever it grants.")
class Deny:
    """One deny."""

    id: strawberry.ID = described("The deny's name in the policy.")
    account: strawberry.ID | None = described("The account that it concerns; null for all.")
    actions: list[str] = described("What it forbids.")
    symbols: list[str] | None = described(
        "The markets in which it forbids orders to be placed; null for all."
    )
    sides: list[OrderSide] | None = described(
        "The sides of orders that it forbids to be placed; null for both."
    )
    order_types: list[OrderType] | None = described(
        "The types of orders that it forbids to be placed; null for all."
    )

    @classmethod
    def of(cls, deny: PolicyDeny) -> "Deny":
        """Show a deny."""
        narrowing = deny.narrowing
        return cls(
            id=strawberry.ID(deny.id),
            account=None if deny.account is None else strawberry.ID(deny.account),
            actions=sorted(deny.actions),
            symbols=_in_order(narrowing.symbols),
            sides=_in_order(narrowing.sides),
            order_types=_in_order(narrowing.order_types),
        )


@strawberry.type(description="A limit of the caller, and what is left of it.")
class LimitState:
    """A limit and what is left of it."""

    name: str = described("What is limited.")
    limit: Decimal = described("How much is allowed.")
    remaining: Decimal = described("How much is left.")
    resets_at: Timestamp | None = described("When it is whole again.")

    @classmethod
    def of(cls, state: DomainLimitState) -> "LimitState":
        """Show a limit."""
        return cls(
            name=state.name,
            limit=state.limit,
            remaining=state.remaining,
            resets_at=None if state.resets_at is None else Timestamp(state.resets_at),
        )


@strawberry.type(description="Who is calling.")
class Viewer:
    """The caller."""

    principal: strawberry.ID = described("The caller's name in the policy.")
    kind: str = described("app or person.")
    grants: list[Grant] = described("What the policy allows, in the policy's order.")
    denies: list[Deny] = described("What the policy forbids, whatever it allows.")
    limits: list[LimitState] = described(
        "The rates that hold for the caller, and what is left of each."
    )

    @classmethod
    def of(
        cls, principal: Principal, policy: Policy, limits: Iterable[DomainLimitState]
    ) -> "Viewer":
        """Show a caller."""
        return cls(
            principal=strawberry.ID(principal.id),
            kind=principal.kind.value,
            grants=[Grant.of(grant) for grant in policy.grants(principal.id)],
            denies=[Deny.of(deny) for deny in policy.denies(principal.id)],
            limits=[LimitState.of(state) for state in limits],
        )


def _in_order(choice: frozenset[E] | None) -> list[E] | None:
    return None if choice is None else sorted(choice)
