"""The GraphQL types of accounts in quarantine: which they are, and letting their orders out."""

from typing import Annotated

import strawberry

from gateway.access.policy import Action
from gateway.domain.errors import Forbidden
from gateway.schema.context import Context, Info
from gateway.schema.described import described
from gateway.schema.operator_types import OPERATE, OperatorRejected, or_rejected
from gateway.services.order_audit import deny


@strawberry.type(
    description="An account of which no order is sent: the order journal may have lost records."
)
class Quarantine:
    """An account in quarantine."""

    account: strawberry.ID = described("The account.")
    reason: str = described("What was found.")


@strawberry.input(description="The account to reopen, and why.")
class ReopenAccountInput:
    """The command to end a quarantine."""

    account: strawberry.ID = described("The account.")
    reason: str = described("Why: 1 to 200 printable characters on one line; it is put on record.")


@strawberry.type(description="Orders of the account are sent again, on all replicas.")
class AccountReopened:
    """The account is out of quarantine."""

    account: strawberry.ID = described("The account.")
    quarantine: str | None = described("Why it was in quarantine; null when it was not.")


ReopenAccountResult = Annotated[
    AccountReopened | OperatorRejected,
    strawberry.union("ReopenAccountResult", description="What became of the change."),
]


@strawberry.type
class QuarantineQuery:
    """Which accounts are shut."""

    @strawberry.field(
        description="The accounts in quarantine, of those that the caller may operate.",
        directives=OPERATE,
    )
    async def quarantines(self, info: Info) -> list[Quarantine]:
        """List the accounts in quarantine."""
        context = info.context
        found = [
            (account, await context.services.journal_quarantine(account))
            for account in _operated(context)
        ]
        return [
            Quarantine(account=strawberry.ID(account), reason=reason)
            for account, reason in found
            if reason is not None
        ]


@strawberry.type
class QuarantineMutation:
    """What ends a quarantine."""

    @strawberry.mutation(
        description=(
            "Let orders of a quarantined account out again, once it was compared with the "
            "exchange: records of orders that stand there may be lost, and orders without a record "
            "are EXTERNAL from then on."
        ),
        directives=OPERATE,
    )
    async def reopen_account(
        self,
        info: Info,
        input: ReopenAccountInput,  # noqa: A002  # contract
    ) -> ReopenAccountResult:
        """End a quarantine."""
        return await or_rejected(_reopen(info.context, input))


async def _reopen(context: Context, command: ReopenAccountInput) -> AccountReopened:
    services, account = context.services, command.account
    may = services.policy().decide(context.caller.id, Action.OPERATE, account).allowed
    held = await services.journal_quarantine(account) if may else None
    await services.resolving.reopen(context.caller, account, command.reason)
    return AccountReopened(account=account, quarantine=held)


def _operated(context: Context) -> list[str]:
    """The accounts that the caller may operate. Raises `Forbidden`, on record, if there is none."""
    services, caller = context.services, context.caller
    policy = services.policy()
    every = policy.decide(caller.id, Action.OPERATE)
    operated = [
        account
        for account in policy.accounts
        if policy.decide(caller.id, Action.OPERATE, account).allowed
    ]
    if not operated and not every.allowed:
        denial = Forbidden(Action.OPERATE, every.rule)
        deny(services.audit, caller, Action.OPERATE, None, denial, asked="quarantines")
        raise denial
    return operated
