"""Exchange accounts as their callers may see them."""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from gateway.access.policy import Action, Policy, Principal
from gateway.domain.account import Balance
from gateway.domain.errors import Forbidden, UnknownAccount
from gateway.domain.orders import Order
from gateway.domain.signing import Sign
from gateway.domain.streams import Gap
from gateway.exchange import ExchangeClient
from gateway.services.order_streams import OrderStream
from gateway.services.single_flight import SingleFlight


class Accounts:
    """Decides who may do what with an account, and reads the accounts at the exchange."""

    def __init__(
        self,
        *,
        policy: Callable[[], Policy],
        signers: Mapping[str, Sign],
        exchange: ExchangeClient,
        streams: Mapping[str, OrderStream],
    ) -> None:
        self._policy = policy
        self._signers = signers
        self._exchange = exchange
        self._streams = streams
        self._reads: SingleFlight[tuple[str, str], Any] = SingleFlight()

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

    async def balances(self, account: str) -> tuple[Balance, ...]:
        """What the account holds; callers at once share one request."""
        sign = self.signer(account)
        held: tuple[Balance, ...] = await self._reads.join(
            (account, "balances"), lambda: self._exchange.balances(sign)
        )
        return held

    async def open_orders(self, account: str, symbol: str | None = None) -> tuple[Order, ...]:
        """The account's open orders, of one market if `symbol` is given."""
        sign = self.signer(account)
        orders: tuple[Order, ...] = await self._reads.join(
            (account, "open orders"), lambda: self._exchange.open_orders(sign)
        )
        return tuple(order for order in orders if symbol in (None, order.symbol))

    def orders(self, account: str) -> AsyncIterator[Order | Gap]:
        """The open orders, then each change, from the account's private stream."""
        self.signer(account)
        return self._streams[account].events()

    async def aclose(self) -> None:
        """Cancel what is under way."""
        await self._reads.aclose()
