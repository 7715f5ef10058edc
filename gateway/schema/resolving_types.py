"""The GraphQL types of what a person decides: outcomes in doubt."""

from typing import Annotated

import strawberry

from gateway.schema.context import Info
from gateway.schema.described import described
from gateway.schema.operator_types import OPERATE, OperatorRejected, or_rejected
from gateway.schema.order_types import Placement
from gateway.services.resolving import Decision, Judgement

strawberry.enum(
    Decision,
    name="PlacementDecision",
    description=(
        "What a person found. PLACED: the exchange had the order. NOT_PLACED: it never had it, and "
        "never will."
    ),
)


@strawberry.input(description="What a person found of a placement that nobody else can judge.")
class ResolvePlacementInput:
    """The command to settle a placement."""

    id: strawberry.ID = described("The placement: IN_DOUBT, or UNKNOWN past its resolveBy.")
    outcome: Decision = described("What became of the order.")
    order_id: strawberry.ID | None = strawberry.field(
        default=None,
        description=(
            "The exchange's id of the order, if it was PLACED: one that no other placement has. "
            "Market and fast orders have none."
        ),
    )
    reason: str = described(
        "Why: 1 to 200 printable characters on one line; it stays with the record."
    )


@strawberry.type(description="The placement has its outcome, for good.")
class PlacementResolved:
    """The placement has its outcome."""

    placement: Placement = described("The placement as it now is.")


ResolvePlacementResult = Annotated[
    PlacementResolved | OperatorRejected,
    strawberry.union("ResolvePlacementResult", description="The placement, or why it stays."),
]


@strawberry.type
class ResolvingQuery:
    """What may need a person."""

    @strawberry.field(
        description=(
            "The placements of an account, of all principals, whose outcome is not known: SENDING, "
            "UNKNOWN and IN_DOUBT."
        ),
        directives=OPERATE,
    )
    async def unresolved_placements(self, info: Info, account: strawberry.ID) -> list[Placement]:
        """List the placements without an outcome."""
        found = await info.context.services.resolving.unresolved(info.context.caller, account)
        return [Placement.of(placement) for placement in found]


@strawberry.type
class ResolvingMutation:
    """What a person decides."""

    @strawberry.mutation(
        description=(
            "Settle a placement that the gateway could not: look at the exchange first. An order "
            "that was PLACED must be open, or have been seen on the account's stream, or trades "
            "since it was signed may be its; and no other placement has it. Repeating it is safe."
        ),
        directives=OPERATE,
    )
    async def resolve_placement(
        self,
        info: Info,
        input: ResolvePlacementInput,  # noqa: A002  # contract
    ) -> ResolvePlacementResult:
        """Settle a placement."""
        judgement = Judgement(input.id, input.outcome, input.order_id, input.reason)
        resolving = info.context.services.resolving
        done = await or_rejected(resolving.resolve(info.context.caller, judgement))
        if isinstance(done, OperatorRejected):
            return done
        return PlacementResolved(placement=Placement.of(done))
