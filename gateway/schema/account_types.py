"""The GraphQL type of an account."""

import strawberry

from gateway.domain.account import TradingState
from gateway.schema.balance_types import Balance, Currency
from gateway.schema.context import Info
from gateway.schema.dead_man_types import DeadManSwitch
from gateway.schema.order_types import Fill, Order
from gateway.schema.requires import AuthenticatedDirective, reads_account
from gateway.schema.transfer_types import Deposit, DepositOptions, Withdrawal, WithdrawalOptions

strawberry.enum(
    TradingState,
    description=(
        "What the gateway sends. ACTIVE: orders and cancels. CANCEL_ONLY: only cancels, by a "
        "switch, or because the order journal cannot be written, or the account is in quarantine. "
        "HALTED: nothing, by a switch."
    ),
)


@strawberry.type(description="An account at the exchange.")
class Account:
    """An account; each part is read when it is asked for."""

    id: strawberry.ID = strawberry.field(
        description="The gateway's name of the account.", directives=[AuthenticatedDirective()]
    )

    @strawberry.field(description="What the account holds.", extensions=[reads_account()])
    async def balances(self, info: Info) -> list[Balance]:
        """Read the balances."""
        held = await info.context.services.accounts.balances(info.context.caller, self.id)
        return [Balance.of(balance) for balance in held]

    @strawberry.field(description="The orders that are open.", extensions=[reads_account()])
    async def open_orders(self, info: Info, symbol: str | None = None) -> list[Order]:
        """Read the open orders."""
        if symbol is not None:
            await info.context.markets.market(symbol)
        orders = await info.context.services.accounts.open_orders(
            info.context.caller, self.id, symbol
        )
        return [Order.of(order, self.id) for order in orders]

    @strawberry.field(
        description="The last executions of the account's orders, the newest first.",
        extensions=[reads_account()],
    )
    async def fills(self, info: Info, symbol: str | None = None) -> list[Fill]:
        """Read the fills."""
        if symbol is not None:
            await info.context.markets.market(symbol)
        fills = await info.context.services.accounts.fills(info.context.caller, self.id, symbol)
        return [Fill.of(fill) for fill in fills]

    @strawberry.field(
        description="The assets that the exchange knows.", extensions=[reads_account()]
    )
    async def currencies(self, info: Info) -> list[Currency]:
        """Read the assets."""
        known = await info.context.services.accounts.currencies(info.context.caller, self.id)
        return [Currency.of(currency) for currency in known]

    @strawberry.field(
        description="How an asset may be paid in, with the account's own addresses.",
        extensions=[reads_account()],
    )
    async def deposit_options(self, info: Info, asset: str) -> DepositOptions:
        """Read how an asset may be paid in."""
        options = await info.context.services.accounts.deposit_options(
            info.context.caller, self.id, asset
        )
        return DepositOptions.of(options)

    @strawberry.field(
        description="How an asset may be paid out, with the registered addresses.",
        extensions=[reads_account()],
    )
    async def withdrawal_options(self, info: Info, asset: str) -> WithdrawalOptions:
        """Read how an asset may be paid out."""
        options = await info.context.services.accounts.withdrawal_options(
            info.context.caller, self.id, asset
        )
        return WithdrawalOptions.of(options)

    @strawberry.field(
        description="The last deposits: the exchange shows five.", extensions=[reads_account()]
    )
    async def deposits(self, info: Info) -> list[Deposit]:
        """Read the last deposits."""
        deposits = await info.context.services.accounts.deposits(info.context.caller, self.id)
        return [Deposit.of(deposit) for deposit in deposits]

    @strawberry.field(
        description="The last withdrawals: the exchange shows five.", extensions=[reads_account()]
    )
    async def withdrawals(self, info: Info) -> list[Withdrawal]:
        """Read the last withdrawals."""
        withdrawals = await info.context.services.accounts.withdrawals(info.context.caller, self.id)
        return [Withdrawal.of(withdrawal) for withdrawal in withdrawals]

    @strawberry.field(
        description="Whether the gateway sends orders for the account now.",
        extensions=[reads_account()],
    )
    async def trading_state(self, info: Info) -> TradingState:
        """Ask what is sent for the account."""
        return await info.context.services.orders.trading_state(info.context.caller, self.id)

    @strawberry.field(
        description=(
            "Why the account is in quarantine, so that no order of it is sent: the order journal "
            "may have lost records. null while it is not; reopenAccount ends it."
        ),
        extensions=[reads_account()],
    )
    async def quarantine(self, info: Info) -> str | None:
        """Ask why the account is in quarantine."""
        return await info.context.services.journal_quarantine(self.id)

    @strawberry.field(
        description=(
            "The caller's own dead-man switch on the account; null while none is armed and none "
            "that fired is still at work."
        ),
        extensions=[reads_account()],
    )
    async def dead_man_switch(self, info: Info) -> DeadManSwitch | None:
        """Look whether the caller has a switch armed, or one at work."""
        switches, principal = info.context.services.dead_man, info.context.principal.id
        lapsed_at = await switches.lapsed_at(self.id, principal)
        expires_at = await switches.standing(self.id, principal) or lapsed_at
        if expires_at is None:
            return None
        return DeadManSwitch.of(self.id, expires_at, lapsed_at)
