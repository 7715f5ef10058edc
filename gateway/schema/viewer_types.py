"""The GraphQL types of the caller: who they are, and what the policy allows them."""

from decimal import Decimal

import strawberry

from gateway.access.policy import Grant as PolicyGrant
from gateway.schema.described import described
from gateway.schema.scalars import Timestamp


@strawberry.type(description="What the policy allows the caller.")
class Grant:
    """One grant."""

    id: strawberry.ID = described("The grant's name in the policy.")
    account: strawberry.ID | None = described("The account that it concerns; null for market data.")
    actions: list[str] = described("What it allows.")
    symbols: list[str] | None = described(
        "The markets that it is limited to; null for all. No grant can be limited so yet."
    )

    @classmethod
    def of(cls, grant: PolicyGrant) -> "Grant":
        """Show a grant."""
        return cls(
            id=strawberry.ID(grant.id),
            account=None if grant.account is None else strawberry.ID(grant.account),
            actions=sorted(grant.actions),
            symbols=None,
        )


@strawberry.type(description="A limit of the caller, and what is left of it.")
class LimitState:
    """A limit and what is left of it."""

    name: str = described("What is limited.")
    limit: Decimal = described("How much is allowed.")
    remaining: Decimal = described("How much is left.")
    resets_at: Timestamp | None = described("When it is whole again.")


@strawberry.type(description="Who is calling.")
class Viewer:
    """The caller."""

    principal: strawberry.ID = described("The caller's name in the policy.")
    kind: str = described("app or person.")
    grants: list[Grant] = described("What the policy allows.")
    limits: list[LimitState] = described("The caller's limits; there are none yet.")
