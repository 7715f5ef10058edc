"""The GraphQL types of those who run the gateway: switches that stop trade, and suspensions."""

from collections.abc import Awaitable
from typing import Annotated, TypeVar

import strawberry

from gateway.access.policy import Action
from gateway.domain import switches as domain
from gateway.domain.account import TradingState
from gateway.domain.errors import BadUserInput, GatewayError
from gateway.domain.placements import Rejection
from gateway.schema.context import Info
from gateway.schema.described import described
from gateway.schema.order_types import Problem
from gateway.schema.requires import RequiresDirective
from gateway.schema.scalars import Timestamp
from gateway.services.order_outcomes import rejection_of

T = TypeVar("T")

OPERATE = [RequiresDirective(action=Action.OPERATE.value)]
"""Shown; the service decides, for the account that is concerned is part of the question."""

_REASON = "Why: 1 to 200 printable characters on one line; callers who are stopped read it."


@strawberry.type(
    description=(
        "A switch that stops trade: for an account, for a principal, or, with neither, for "
        "everything. Of those that concern an order, the strictest holds."
    )
)
class TradingSwitch:
    """A switch."""

    account: strawberry.ID | None = described("The account that it is for, if it is for one.")
    principal: strawberry.ID | None = described("The principal that it is for, if it is for one.")
    state: TradingState = described("What is still sent.")
    reason: str = described("Why it was set.")
    set_by: strawberry.ID = described("The principal who set it.")
    set_at: Timestamp = described("When it was set.")

    @classmethod
    def of(cls, switch: domain.Switch) -> "TradingSwitch":
        """Show a switch."""
        account, principal = switch.scope.account, switch.scope.principal
        return cls(
            account=None if account is None else strawberry.ID(account),
            principal=None if principal is None else strawberry.ID(principal),
            state=switch.state,
            reason=switch.reason,
            set_by=strawberry.ID(switch.set_by),
            set_at=Timestamp(switch.set_at),
        )


@strawberry.type(description="A principal whose every token is refused until it is restored.")
class Suspension:
    """A suspension."""

    principal: strawberry.ID = described("Who is suspended.")
    reason: str = described("Why.")
    set_by: strawberry.ID = described("The principal who did it.")
    set_at: Timestamp = described("When it was done.")

    @classmethod
    def of(cls, suspension: domain.Suspension) -> "Suspension":
        """Show a suspension."""
        return cls(
            principal=strawberry.ID(suspension.principal),
            reason=suspension.reason,
            set_by=strawberry.ID(suspension.set_by),
            set_at=Timestamp(suspension.set_at),
        )


@strawberry.input(
    description="What to switch: an account, or a principal, or, with neither, everything."
)
class SetTradingStateInput:
    """The command to set a switch."""

    account: strawberry.ID | None = strawberry.field(default=None, description="An account.")
    principal: strawberry.ID | None = strawberry.field(default=None, description="A principal.")
    state: TradingState = described("What is still to be sent; ACTIVE removes the switch.")
    reason: str = described(_REASON)


@strawberry.input(description="Whom to suspend, and why.")
class SuspendPrincipalInput:
    """The command to suspend a principal."""

    principal: strawberry.ID = described("The principal; not the caller.")
    reason: str = described(_REASON)


@strawberry.input(description="Whom to restore, and why.")
class RestorePrincipalInput:
    """The command to restore a principal."""

    principal: strawberry.ID = described("The principal.")
    reason: str = described(_REASON)


@strawberry.type(description="Nothing was changed, unless message says that nobody knows.")
class OperatorRejected(Problem):
    """A change that was refused."""

    rule: str | None = described("The rule of the policy that refused.")

    @classmethod
    def of(cls, rejection: Rejection) -> "OperatorRejected":
        """Show why."""
        return cls(
            code=rejection.code,
            message=rejection.message,
            exchange_code=rejection.exchange_code,
            retryable=rejection.retryable,
            rule=rejection.rule,
        )


@strawberry.type(description="The switch stands, on all replicas.")
class TradingStateSet:
    """The switch stands."""

    switch: TradingSwitch = described("The switch; one that is ACTIVE stands no more.")


@strawberry.type(description="The principal is suspended, on all replicas within a second.")
class PrincipalSuspended:
    """The principal is suspended."""

    suspension: Suspension = described("The suspension.")


@strawberry.type(description="The principal's tokens count again, on all replicas within a second.")
class PrincipalRestored:
    """The principal is restored."""

    principal: strawberry.ID = described("The principal.")


SetTradingStateResult = Annotated[
    TradingStateSet | OperatorRejected,
    strawberry.union("SetTradingStateResult", description="What became of the change."),
]
SuspendPrincipalResult = Annotated[
    PrincipalSuspended | OperatorRejected,
    strawberry.union("SuspendPrincipalResult", description="What became of the change."),
]
RestorePrincipalResult = Annotated[
    PrincipalRestored | OperatorRejected,
    strawberry.union("RestorePrincipalResult", description="What became of the change."),
]


@strawberry.type
class OperatorQuery:
    """What those who run the gateway can look at."""

    @strawberry.field(
        description=(
            "What is switched off. Who may operate some accounts alone sees the switches for "
            "everything and for these."
        ),
        directives=OPERATE,
    )
    async def trading_switches(self, info: Info) -> list[TradingSwitch]:
        """List the switches that are not ACTIVE."""
        switch = info.context.services.trading_switch
        found = await switch.switches(info.context.caller)
        return [TradingSwitch.of(each) for each in found]

    @strawberry.field(description="Who is suspended.", directives=OPERATE)
    async def suspensions(self, info: Info) -> list[Suspension]:
        """List the suspensions."""
        switch = info.context.services.trading_switch
        found = await switch.suspensions(info.context.caller)
        return [Suspension.of(each) for each in found]


@strawberry.type
class OperatorMutation:
    """What those who run the gateway can do."""

    @strawberry.mutation(
        description=(
            "Stop trade, or let it go on. CANCEL_ONLY: no new orders; HALTED: no cancels either. "
            "It holds for every order and cancel that any replica is asked for from then on."
        ),
        directives=OPERATE,
    )
    async def set_trading_state(
        self,
        info: Info,
        input: SetTradingStateInput,  # noqa: A002  # contract
    ) -> SetTradingStateResult:
        """Set a switch."""
        if input.account is not None and input.principal is not None:
            problem = BadUserInput("principal", "name an account or a principal, not both")
            return OperatorRejected.of(rejection_of(problem))
        scope = domain.Scope(account=input.account, principal=input.principal)
        switch = info.context.services.trading_switch
        done = await or_rejected(switch.set(info.context.caller, scope, input.state, input.reason))
        if isinstance(done, OperatorRejected):
            return done
        return TradingStateSet(switch=TradingSwitch.of(done))

    @strawberry.mutation(
        description=(
            "Refuse every token of a principal, and close its WebSockets, until it is restored."
        ),
        directives=OPERATE,
    )
    async def suspend_principal(
        self,
        info: Info,
        input: SuspendPrincipalInput,  # noqa: A002  # contract
    ) -> SuspendPrincipalResult:
        """Suspend a principal."""
        switch = info.context.services.trading_switch
        done = await or_rejected(switch.suspend(info.context.caller, input.principal, input.reason))
        if isinstance(done, OperatorRejected):
            return done
        return PrincipalSuspended(suspension=Suspension.of(done))

    @strawberry.mutation(
        description="Take the tokens of a principal again; no matter if it was not suspended.",
        directives=OPERATE,
    )
    async def restore_principal(
        self,
        info: Info,
        input: RestorePrincipalInput,  # noqa: A002  # contract
    ) -> RestorePrincipalResult:
        """Restore a principal."""
        switch = info.context.services.trading_switch
        done = await or_rejected(switch.restore(info.context.caller, input.principal, input.reason))
        return done or PrincipalRestored(principal=input.principal)


async def or_rejected(change: Awaitable[T]) -> T | OperatorRejected:
    """What a change gives, or why there was none."""
    try:
        return await change
    except GatewayError as error:
        return OperatorRejected.of(rejection_of(error))
