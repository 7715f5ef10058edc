"""The GraphQL types of the dead-man switch: an app that falls silent has its orders cancelled."""

from typing import Annotated

import strawberry

from gateway.domain.placements import Rejection
from gateway.schema.described import described
from gateway.schema.order_types import Problem
from gateway.schema.scalars import Timestamp


@strawberry.type(
    description=(
        "A promise to be heard of again: unless it is armed anew or disarmed before expiresAt, the "
        "gateway cancels every open order that the caller placed on the account."
    )
)
class DeadManSwitch:
    """A switch that is armed, or has fired."""

    account: strawberry.ID = described("The account whose orders are concerned.")
    expires_at: Timestamp = described(
        "When it fires; of one that has fired, and was not armed since, when it did."
    )
    lapsed_at: Timestamp | None = described(
        "When it fired, while the orders are still being cancelled, also of one that was armed "
        "again since: what was placed before that is cancelled, and so is all that is placed "
        "before it is armed anew or disarmed. null when no cancelling is under way."
    )

    @classmethod
    def of(cls, account: str, expires_at: int, lapsed_at: int | None) -> "DeadManSwitch":
        """Show a switch; times in ms."""
        return cls(
            account=strawberry.ID(account),
            expires_at=Timestamp(expires_at),
            lapsed_at=None if lapsed_at is None else Timestamp(lapsed_at),
        )


@strawberry.input(description="The account, and how long the caller may stay silent.")
class ArmDeadManSwitchInput:
    """The command to arm a switch, or to arm it anew."""

    account: strawberry.ID = described("The account.")
    seconds: int = described("From now until it fires: 1 to 3600.")


@strawberry.type(description="The switch stands as it stood, unless message says that it may not.")
class DeadManSwitchRejected(Problem):
    """A switch that was not changed."""

    rule: str | None = described("The rule of the policy that refused.")

    @classmethod
    def of(cls, rejection: Rejection) -> "DeadManSwitchRejected":
        """Show why."""
        return cls(
            code=rejection.code,
            message=rejection.message,
            exchange_code=rejection.exchange_code,
            retryable=rejection.retryable,
            rule=rejection.rule,
        )


@strawberry.type(description="No switch is armed; the orders stay open.")
class DeadManSwitchDisarmed:
    """No switch is armed."""

    account: strawberry.ID = described("The account.")


ArmDeadManSwitchResult = Annotated[
    DeadManSwitch | DeadManSwitchRejected,
    strawberry.union("ArmDeadManSwitchResult", description="The switch, or why it is not armed."),
]
DisarmDeadManSwitchResult = Annotated[
    DeadManSwitchDisarmed | DeadManSwitchRejected,
    strawberry.union(
        "DisarmDeadManSwitchResult", description="That none is armed, or why one may still be."
    ),
]
