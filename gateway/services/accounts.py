"""Exchange accounts as their callers may see them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeVar

from gateway.access.policy import Action, Policy, Principal
from gateway.domain.account import (
    Balance,
    Currency,
    Deposit,
    DepositOptions,
    Fill,
    Withdrawal,
    WithdrawalOptions,
)
from gateway.domain.errors import Forbidden, UnknownAccount
from gateway.domain.orders import Order
from gateway.domain.signing import Sign
from gateway.domain.streams import Gap
from gateway.exchange import ExchangeClient
from gateway.services.account_stream import AccountStream
from gateway.services.single_flight import SingleFlight

T = TypeVar("T")


class Accounts:
    """Decides who may do what with an account, and reads the accounts at the exchange.

    Reads raise `UnknownAccount` without a credential, `BadUserInput` for an asset that the
    exchange does not know, and what the exchange's client raises. Callers who ask the same of an
    account at once share one request, unless an order came between them (`order_answered`).
    """

    def __init__(
        self,
        *,
        policy: Callable[[], Policy],
        signers: Mapping[str, Sign],
        exchange: ExchangeClient,
        streams: Mapping[str, AccountStream],
    ) -> None:
        self._policy = policy
        self._signers = signers
        self._exchange = exchange
        self._streams = streams
        self._reads: SingleFlight[tuple[str, str, int], Any] = SingleFlight()
        self._answered = dict.fromkeys(signers, 0)

    def visible(self, principal: Principal) -> tuple[str, ...]:
        """The accounts that the principal may know of."""
        accounts = self._policy().visible_accounts(principal.id)
        return tuple(account for account in accounts if account in self._signers)

    def require(self, principal: Principal, action: Action, account: str) -> str:
        """Return the id of the grant that allows it.

        Raises `UnknownAccount` when the principal may not know of the account, else `Forbidden`.
        """
        if account not in self.visible(principal):
            raise UnknownAccount(account)
        decision = self._policy().decide(principal.id, action, account)
        if not decision.allowed:
            raise Forbidden(action, decision.rule)
        return decision.rule

    def signer(self, account: str) -> Sign:
        """What signs requests of the account; raises `UnknownAccount` without a credential."""
        try:
            return self._signers[account]
        except KeyError:
            raise UnknownAccount(account) from None

    def order_answered(self, account: str) -> None:
        """Let nobody who asks from now on share a read that may be older than this."""
        self._answered[account] += 1

    async def balances(self, account: str) -> tuple[Balance, ...]:
        """What the account holds."""
        return await self._read(account, "balances", self._exchange.balances)

    async def open_orders(self, account: str, symbol: str | None = None) -> tuple[Order, ...]:
        """The account's open orders, of one market if `symbol` is given."""
        orders = await self._read(account, "open orders", self._exchange.open_orders)
        return tuple(order for order in orders if symbol in (None, order.symbol))

    async def fills(self, account: str, symbol: str | None = None) -> tuple[Fill, ...]:
        """The account's last fills, newest first, of one market if `symbol` is given."""
        fills = await self._read(account, "fills", self._exchange.fills)
        return tuple(fill for fill in fills if symbol in (None, fill.symbol))

    async def currencies(self, account: str) -> tuple[Currency, ...]:
        """The assets that the exchange knows."""
        return await self._read(account, "currencies", self._exchange.currencies)

    async def deposit_options(self, account: str, asset: str) -> DepositOptions:
        """How the asset may be paid in."""
        return await self._read(
            account,
            f"deposit options of {asset}",
            lambda sign: self._exchange.deposit_options(sign, asset),
        )

    async def withdrawal_options(self, account: str, asset: str) -> WithdrawalOptions:
        """How the asset may be paid out."""
        return await self._read(
            account,
            f"withdrawal options of {asset}",
            lambda sign: self._exchange.withdrawal_options(sign, asset),
        )

    async def deposits(self, account: str) -> tuple[Deposit, ...]:
        """The account's last deposits: the exchange shows five."""
        return await self._read(account, "deposits", self._exchange.deposits)

    async def withdrawals(self, account: str) -> tuple[Withdrawal, ...]:
        """The account's last withdrawals: the exchange shows five."""
        return await self._read(account, "withdrawals", self._exchange.withdrawals)

    def follow_orders(self, account: str) -> AsyncIterator[Order | Gap]:
        """The open orders, then each change, from the account's private stream."""
        self.signer(account)
        return self._streams[account].orders()

    def follow_balances(self, account: str) -> AsyncIterator[Balance | Gap]:
        """All balances, then each change, from the account's private stream."""
        self.signer(account)
        return self._streams[account].balances()

    async def aclose(self) -> None:
        """Cancel what is under way."""
        await self._reads.aclose()

    async def _read(self, account: str, question: str, ask: Callable[[Sign], Awaitable[T]]) -> T:
        sign = self.signer(account)
        key = (account, question, self._answered[account])
        answer: T = await self._reads.join(key, lambda: ask(sign))
        return answer
