"""Exchange accounts as their callers may see them."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any, TypeVar

from gateway.access.principal import Caller
from gateway.domain.account import (
    Balance,
    Currency,
    Deposit,
    DepositOptions,
    Fill,
    Withdrawal,
    WithdrawalOptions,
)
from gateway.domain.orders import Order
from gateway.domain.placements import Placement
from gateway.domain.signing import Sign
from gateway.domain.streams import Gap
from gateway.exchange import ExchangeClient
from gateway.services.account_changes import AccountChange
from gateway.services.account_events import AccountEvents
from gateway.services.account_streams import AccountStreams
from gateway.services.merging import merged
from gateway.services.own_order_events import OwnOrderEvents
from gateway.services.own_placement_events import own_placement_events
from gateway.services.ownership import Ownership
from gateway.services.signed_reads import SignedReads
from gateway.services.single_flight import SingleFlight

T = TypeVar("T")


class Accounts:
    """Reads the accounts at the exchange; whether a caller may is asked before.

    Reads raise `UnknownAccount` and `KeyUnavailable` without a key, `RateLimited`, `BadUserInput`
    for an asset that the exchange does not know, and what the exchange's client raises. Callers
    who ask the same of an account at once share one request, unless an order came between them
    (`order_answered`); the audit log then names the first.
    """

    def __init__(
        self,
        *,
        exchange: ExchangeClient,
        reads: SignedReads,
        streams: AccountStreams,
        ownership: Ownership,
        events: AccountEvents,
    ) -> None:
        self._exchange = exchange
        self._signed = reads
        self._streams = streams
        self._ownership = ownership
        self._events = events
        self._reads: SingleFlight[tuple[str, str, int], Any] = SingleFlight()
        self._answered: dict[str, int] = {}

    def order_answered(self, account: str) -> None:
        """Let nobody who asks from now on share a read that may be older than this."""
        self._answered[account] = self._answered.get(account, 0) + 1

    async def balances(self, caller: Caller, account: str) -> tuple[Balance, ...]:
        """What the account holds."""
        return await self._read(caller, account, "balances", self._exchange.balances)

    async def open_orders(
        self, caller: Caller, account: str, symbol: str | None = None
    ) -> tuple[Order, ...]:
        """The open orders that the caller may see, of one market if `symbol` is given.

        Those are its own, or all with the grant orders:read-all. Raises `NotLookedUp` too.
        """
        orders = await self._read(caller, account, "open orders", self._exchange.open_orders)
        chosen = tuple(order for order in orders if symbol in (None, order.symbol))
        return await self._ownership.visible_orders(caller.id, account, chosen)

    async def fills(
        self, caller: Caller, account: str, symbol: str | None = None
    ) -> tuple[Fill, ...]:
        """The account's last fills, newest first, of one market if `symbol` is given."""
        fills = await self._read(caller, account, "fills", self._exchange.fills)
        return tuple(fill for fill in fills if symbol in (None, fill.symbol))

    async def currencies(self, caller: Caller, account: str) -> tuple[Currency, ...]:
        """The assets that the exchange knows."""
        return await self._read(caller, account, "currencies", self._exchange.currencies)

    async def deposit_options(self, caller: Caller, account: str, asset: str) -> DepositOptions:
        """How the asset may be paid in."""
        return await self._read(
            caller,
            account,
            f"deposit options of {asset}",
            lambda sign: self._exchange.deposit_options(sign, asset),
        )

    async def withdrawal_options(
        self, caller: Caller, account: str, asset: str
    ) -> WithdrawalOptions:
        """How the asset may be paid out."""
        return await self._read(
            caller,
            account,
            f"withdrawal options of {asset}",
            lambda sign: self._exchange.withdrawal_options(sign, asset),
        )

    async def deposits(self, caller: Caller, account: str) -> tuple[Deposit, ...]:
        """The account's last deposits: the exchange shows five."""
        return await self._read(caller, account, "deposits", self._exchange.deposits)

    async def withdrawals(self, caller: Caller, account: str) -> tuple[Withdrawal, ...]:
        """The account's last withdrawals: the exchange shows five."""
        return await self._read(caller, account, "withdrawals", self._exchange.withdrawals)

    async def follow_orders(
        self, caller: Caller, account: str
    ) -> AsyncGenerator[Order | Placement | Gap]:
        """The open orders that the caller may see, then each change, from the private stream.

        Between them the caller's own placements whose outcome no answer told, as they change.
        """
        own = OwnOrderEvents(self._ownership, caller.id, account)
        async with (
            aclosing(self._streams.of(account).orders()) as events,  # type: ignore[type-var]
            aclosing(own.of(events)) as shown,
            aclosing(own_placement_events(self._events, caller.id, account)) as placements,
            aclosing(merged(shown, placements)) as told,
        ):
            async for event in told:
                yield event

    def follow_balances(self, account: str) -> AsyncIterator[Balance | Gap]:
        """All balances, then each change, from the account's private stream."""
        return self._streams.of(account).balances()

    @asynccontextmanager
    async def changes(
        self, caller: Caller, account: str
    ) -> AsyncIterator[AsyncIterator[AccountChange]]:
        """Give every change from now on, with the orders that the caller may see.

        Raises `UnknownAccount`, and what `AccountStream.changes` raises.
        """
        own = OwnOrderEvents(self._ownership, caller.id, account)
        async with self._streams.of(account).changes() as told:
            sees_all = self._ownership.reads_all(caller.id, account)
            changes = told if sees_all else _telling_of_sweeps(told)
            shown: AsyncGenerator[AccountChange] = own.of(changes)
            async with aclosing(shown):
                yield shown

    async def aclose(self) -> None:
        """Cancel what is under way."""
        await self._reads.aclose()

    async def _read(
        self,
        caller: Caller,
        account: str,
        question: str,
        ask: Callable[[Sign], Awaitable[T]],
    ) -> T:
        key = (account, question, self._answered.get(account, 0))
        answer: T = await self._reads.join(key, lambda: self._signed.read(account, ask, caller))
        return answer


async def _telling_of_sweeps(changes: AsyncIterator[AccountChange]) -> AsyncIterator[AccountChange]:
    """The changes; a `Gap` where all orders were cancelled, for one alone is told of, and whose?"""
    async for change in changes:
        if isinstance(change, Order) and change.mass_cancelled:
            yield Gap(change.time, "all open orders were cancelled")
        else:
            yield change
